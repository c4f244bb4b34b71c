// asyncPreempt keeps every register, flag and byte of the red zone, and an unwinder gets through it.
//
// The preemption is injected after a trap instruction, so that it is known where, and the goroutines
// that run meanwhile change all registers.
#include <cpuid.h>
#include <gtest/gtest.h>
#include <reprise/go.h>
#include <signal.h>
#include <ucontext.h>

#include <atomic>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "asm/asm.h"
#include "asm/preempt.h"
#include "runtime/sched/g_m_p.h"
#include "runtime/sched/proc.h"
#include "tests/support/frames.h"
#include "tests/support/procs.h"

struct alignas(64) RegisterImage {
  uint64_t general[15];
  uint64_t flags;
  uint64_t rsp;
  uint64_t red[16];
  alignas(512) unsigned char xstate[8192];
};
static_assert(offsetof(RegisterImage, xstate) == 512);

extern "C" {
void preempted_at_trap(const RegisterImage* in, RegisterImage* out);
void clobber_registers();
}

namespace reprise::rt {
namespace {

constexpr size_t kFcw = 0, kFsw = 2, kTags = 4, kMxcsr = 24, kX87 = 32, kXmm = 160, kExtended = 576;
constexpr size_t kXstateBv = 512;
// Carry, parity, adjust, zero, sign, direction, overflow.
constexpr uint64_t kFlags = 0xcd5;

void inject(int, siginfo_t*, void* raw) {
  auto& registers = static_cast<ucontext_t*>(raw)->uc_mcontext.gregs;
  const asm_::StoppedAt at = asm_::async_preempt_call(
      {static_cast<uint64_t>(registers[REG_RIP]), static_cast<uint64_t>(registers[REG_RSP])});
  registers[REG_RIP] = static_cast<greg_t>(at.pc);
  registers[REG_RSP] = static_cast<greg_t>(at.sp);
}

class AsyncPreempt : public testing::Test {
 protected:
  void SetUp() override {
    struct sigaction action {};
    action.sa_sigaction = inject;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    ASSERT_EQ(sigaction(SIGTRAP, &action, &before_), 0);
  }
  void TearDown() override { sigaction(SIGTRAP, &before_, nullptr); }

 private:
  struct sigaction before_ {};
};

template <class T>
void put(unsigned char* image, size_t offset, T value) {
  std::memcpy(image + offset, &value, sizeof value);
}

// Values that all registers can hold: random, but for what the processor would refuse.
void fill(RegisterImage* r, std::mt19937_64& random) {
  for (uint64_t& word : r->general) word = random();
  for (uint64_t& word : r->red) word = random();
  r->flags = (random() & kFlags) | 0x202;
  unsigned char* image = r->xstate;
  for (size_t i = 0; i < sizeof r->xstate; ++i) image[i] = static_cast<unsigned char>(random());
  std::memset(image, 0, kX87);
  put<uint16_t>(image, kFcw, 0x0f7f);           // rounding towards zero, everything masked
  put<uint16_t>(image, kFsw, 0x3800);           // top of stack 7
  put<uint8_t>(image, kTags, 0xff);             // all in use
  put<uint32_t>(image, kMxcsr, 0x7f80 | 0x21);  // towards zero, two sticky flags
  for (size_t i = 0; i < 8; ++i) std::memset(image + kX87 + 16 * i + 10, 0, 6);
  std::memset(image + kXmm + 256, 0, kExtended - kXmm - 256);
  put<uint64_t>(image, kXstateBv, reprise_xsave_mask);
}

void expect_same(const RegisterImage& in, const RegisterImage& out) {
  for (size_t i = 0; i < 15; ++i) EXPECT_EQ(in.general[i], out.general[i]) << "general register " << i;
  EXPECT_EQ(in.flags & kFlags, out.flags & kFlags);
  for (size_t i = 0; i < 16; ++i) EXPECT_EQ(in.red[i], out.red[i]) << "red zone word " << i;
  const unsigned char *a = in.xstate, *b = out.xstate;
  EXPECT_EQ(std::memcmp(a, b, 5), 0) << "x87 control, status, tags";
  EXPECT_EQ(std::memcmp(a + kMxcsr, b + kMxcsr, 4), 0) << "mxcsr";
  for (size_t i = 0; i < 8; ++i) {
    EXPECT_EQ(std::memcmp(a + kX87 + 16 * i, b + kX87 + 16 * i, 10), 0) << "x87 register " << i;
  }
  EXPECT_EQ(std::memcmp(a + kXmm, b + kXmm, 256), 0) << "xmm";
  for (unsigned i = 2; i < 32; ++i) {  // ymm, masks, zmm; what lies between them is nobody's
    if ((reprise_xsave_mask >> i & 1) == 0) continue;
    unsigned size, offset, ecx, edx;
    __cpuid_count(0xd, i, size, offset, ecx, edx);
    EXPECT_EQ(std::memcmp(a + offset, b + offset, size), 0) << "component " << i;
  }
}

// Another goroutine runs in between and changes them all.
void expect_kept(uint32_t seed) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const test::Procs one(1);
  auto in = std::make_unique<RegisterImage>();
  auto out = std::make_unique<RegisterImage>();
  fill(in.get(), random);
  std::atomic<bool> ran = false;
  go([&ran] {
    clobber_registers();
    ran = true;
  });
  while (!ran) {  // it may be this one's turn again
    preempted_at_trap(in.get(), out.get());
    expect_same(*in, *out);
  }
}

TEST_F(AsyncPreempt, keeps_every_register_the_flags_and_the_red_zone) {
  for (uint32_t seed = 1; seed <= 20; ++seed) expect_kept(seed);
}

TEST_F(AsyncPreempt, clears_the_area_in_controlled_runs_and_keeps_all_the_same) {
  reprise_clear_level = 1;
  expect_kept(1);
  reprise_clear_level = 0;
}

// Gives way with the vector registers as `image` has them: without a signal, whose frame would go through the kernel.
// `*rsp`: the stack pointer there.
[[gnu::noinline]] void preempted_with(const unsigned char* image, uint64_t* rsp) {
  uint32_t components = reprise_xsave_mask;
  asm volatile(
      "movq %%rsp, (%[rsp])\n"
      "xrstor64 (%[image])\n"
      "leaq -%c[red](%%rsp), %%rsp\n"
      "leaq 1f(%%rip), %%rax\n"
      "pushq %%rax\n"
      "jmp reprise_async_preempt\n"
      "1:"
      : "+a"(components)
      : [rsp] "r"(rsp), [image] "r"(image), "d"(0), [red] "i"(PREEMPT_RED_ZONE)
      : "memory", "cc");
}

// What asyncPreempt keeps of the vector state, read while its goroutine is switched out. `rsp`: where that was.
std::vector<unsigned char> area_below(uint64_t rsp) {
  constexpr uint64_t kPushed = PREEMPT_RED_ZONE + 8 + 8 + 8 + 14 * 8;  // where it was, rbp, flags, general registers
  const auto* const area = reinterpret_cast<const unsigned char*>((rsp - kPushed - reprise_xsave_bytes) & ~63ull);
  return {area, area + reprise_xsave_bytes};
}

// The processor notes whether registers are in their initial state, and some forget it when the kernel interrupts: runs
// differ in it.
TEST_F(AsyncPreempt, says_of_every_register_that_it_is_in_use_in_controlled_runs) {
  if (reprise_xsave_mask == 0) GTEST_SKIP() << "no XSAVE";
  const test::Procs one(1);
  alignas(64) unsigned char image[sizeof(RegisterImage::xstate)] = {};
  put<uint16_t>(image, kFcw, 0x37f);
  put<uint32_t>(image, kMxcsr, 0x1f80);
  std::vector<unsigned char> area;
  uint64_t rsp = 0;
  reprise_clear_level = 1;
  go([&] { area = area_below(rsp); });
  while (area.empty()) preempted_with(image, &rsp);
  reprise_clear_level = 0;
  uint64_t in_use = 0;
  std::memcpy(&in_use, area.data() + kXstateBv, sizeof in_use);
  EXPECT_EQ(in_use, reprise_xsave_mask);
  EXPECT_EQ(std::memcmp(area.data(), image, kMxcsr + 4), 0) << "what that means for the x87 registers";
}

TEST_F(AsyncPreempt, does_without_xsave) {
  const uint32_t mask = reprise_xsave_mask;
  reprise_xsave_mask = 0;
  expect_kept(1);
  reprise_xsave_mask = mask;
}

TEST_F(AsyncPreempt, the_area_is_as_large_as_the_processor_says) {
  EXPECT_EQ(reprise_xsave_bytes % 64, 0u);
  EXPECT_GE(reprise_xsave_bytes, 576u);
  const uint64_t least[] = {576, 832, 2432};  // where components begin is the maker's choice; AMD leaves no gaps
  EXPECT_GE(reprise_xsave_bytes, least[reprise_vector_level]);
  EXPECT_LT(reprise_xsave_bytes, sizeof(RegisterImage::xstate));
}

[[gnu::noinline]] void traps_here() {
  asm volatile("int3");
}

TEST_F(AsyncPreempt, a_preempted_goroutine_is_traced_through_it) {
  const test::Procs one(1);
  G* preempted = nullptr;
  std::vector<std::string> names;
  go([&preempted] {
    preempted = getg();
    traps_here();
    preempted = nullptr;
  });
  go([&] {
    while (preempted == nullptr) gosched();
    names = test::frames_of(preempted);
  });
  while (num_goroutine() > 1) gosched();
  std::string all;
  for (const std::string& name : names) all += name + "\n";
  for (const char* part : {"reprise_async_preempt", "traps_here", "reprise_gostart"}) {
    EXPECT_NE(all.find(part), std::string::npos) << part << " in\n" << all;
  }
}

}  // namespace
}  // namespace reprise::rt
