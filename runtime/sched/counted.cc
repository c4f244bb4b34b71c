// Ticks, the counter that expires, and the look-up of counted text.
//
// Elapsed ticks are not counted anywhere: they follow from the counter and from what it was armed with.
// `loaded - counter` ticks have passed since arming, and the n-th one finds the counter at -1.
//
// Two places an expired counter may lead to. Under the stage it is the stage (exact.h), which records the very
// instruction. In an exploration it is the slow path here: the goroutine goes back into the ready set, the
// policy says who runs, and draws how many ticks it will be to the next time. Where the goroutine cannot be
// switched out the counter is set to expire a little later, doubling the distance: ticks in a callback of
// libc's may be many. Between schedules nothing expires.
//
// What runs on the tick stack may differ between record and replay; its memory is the runtime
// arena's, beyond what --hash-memory looks at.
#include "runtime/sched/counted.h"

#include <cpuid.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "asm/asm.h"
#include "runtime/boot/boot.h"
#include "runtime/sched/exact.h"
#include "runtime/sched/sched.h"
#include "runtime/sched/schedules.h"
#include "runtime/sched/seam.h"
#include "runtime/sched/thread_block.h"

using reprise::asm_::CountedModule;
using reprise::asm_::CountedRange;
using reprise::asm_::tick_page;
using reprise::asm_::TickPage;

extern "C" {
extern uint32_t reprise_tick_vector_bytes;
uint32_t reprise_tick_vector_bytes = 512;
void reprise_tick_slow();
int reprise_tick_expired(uint64_t sp);
}

namespace reprise::rt {

namespace {

constexpr uint64_t kTicksOfSlice = 1'000'000;  // some 10 ms of code whose loops are short
constexpr uint64_t kMaxRetry = 1024;
constexpr size_t kTickStackBytes = 64 << 10;
// What the registers of a switched-out goroutine and the calls down to mcall take, vector state apart.
constexpr uint64_t kHeadroomBytes = 4096;

struct Counted {
  bool ready = false;      // the page is there and the slow path in place
  bool exploring = false;  // the slow path is the one here
  void (*slow_before)() = nullptr;
  uint64_t retry = 1;
};
constinit Counted counted;

int64_t counter() { return *const_cast<volatile int64_t*>(&tick_page()->counter); }

// XSAVE's standard format up to the last component that is saved (asm/tick_amd64.S leaves out AMX).
uint32_t vector_bytes() {
  const uint32_t mask = reprise_cpuid[3] & ~(3u << 17);
  if (mask == 0) return 512;
  uint32_t bytes = 512 + 64;
  for (uint32_t component = 2; component < 32; ++component) {
    uint32_t size = 0, offset = 0, c = 0, d = 0;
    if ((mask >> component & 1) == 0) continue;
    __cpuid_count(0xd, component, size, offset, c, d);
    bytes = std::max(bytes, offset + size);
  }
  return (bytes + 63) & ~63u;
}

// Maps the page if no module has yet: one may be loaded later.
void map_tick_page() {
  void* const at = reinterpret_cast<void*>(TICK_PAGE);
  constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
  if (mmap(at, asm_::kTickPageBytes, PROT_READ | PROT_WRITE, kFlags, -1, 0) == at) {
    tick_page()->magic = asm_::kTickPageMagic;
  } else if (tick_page()->magic != asm_::kTickPageMagic) {
    throw_("the page of counted code is taken");
  }
}

const CountedRange* range_at(const CountedModule& module, uint64_t pc) {
  if (pc < module.text_begin || pc >= module.text_end) return nullptr;
  const auto table = reinterpret_cast<uint64_t>(module.ranges);
  const auto offset = static_cast<int64_t>(pc - table);
  const CountedRange* after = std::upper_bound(
      module.ranges, module.ranges_end, offset, [](int64_t at, const CountedRange& r) { return at < r.begin; });
  if (after == module.ranges) return nullptr;
  const CountedRange* range = after - 1;
  return offset - range->begin < range->bytes ? range : nullptr;
}

const CountedRange* counted_range(uint64_t pc) {
  if (!counted.ready) return nullptr;
  for (const CountedModule* m = __atomic_load_n(&tick_page()->modules, __ATOMIC_ACQUIRE); m != nullptr; m = m->next) {
    if (const CountedRange* range = range_at(*m, pc)) return range;
  }
  return nullptr;
}

bool is_tick_sub(const unsigned char* at) {
  constexpr unsigned char kSub[] = {0x48, 0x83, 0x2c, 0x25, 0, 0, TICK_PAGE >> 16, 0, 1};
  return std::equal(kSub, kSub + sizeof kSub, at);
}

// Ticks to the next preemption: the policy's draw, or a time slice.
uint64_t draw_ticks() {
  const uint64_t ticks = distance_of(seam_draw_interrupt()).ticks;
  return ticks != 0 ? ticks : kTicksOfSlice;
}

void tick_all(bool on) {
  for (const CountedModule* m = tick_page()->modules; m != nullptr; m = m->next) m->tick(on);
}

}  // namespace

bool counted_program() { return counted.ready && tick_page()->modules != nullptr; }

uint64_t ticks_elapsed() {
  if (!counted.ready) return 0;
  const TickPage& page = *tick_page();
  return page.before + static_cast<uint64_t>(page.loaded - counter());
}

void ticks_arm(uint64_t n) {
  tick_page()->before = ticks_elapsed();
  tick_page()->loaded = static_cast<int64_t>(n - 1);
  *const_cast<volatile int64_t*>(&tick_page()->counter) = static_cast<int64_t>(n - 1);
}

bool in_counted_text(uint64_t pc) { return counted_range(pc) != nullptr; }

uint64_t tick_branch_end(uint64_t pc) {
  const CountedRange* range = counted_range(pc);
  if (range == nullptr || !in_counted_text(pc - asm_::kTickSubBytes)) return pc;
  const auto* sub = reinterpret_cast<const unsigned char*>(pc - asm_::kTickSubBytes);
  return is_tick_sub(sub) ? pc + asm_::kTickSiteBytes - asm_::kTickSubBytes : pc;
}

bool may_preempt_at(const G* gp, uint64_t sp) {
  if (gp->no_preempt != 0 || gp->ctx.m->locks != 0) return false;
  if (sched.dying.load(std::memory_order_relaxed) || !may_keep_thread_block(gp)) return false;
  const uint64_t need = reprise_tick_vector_bytes + kHeadroomBytes;
  return sp >= gp->ctx.stack_lo + need && sp < gp->ctx.stack_hi;
}

TickAnswer tick_expired(uint64_t sp) {
  ticks_arm(kTicksNever);  // what is called here may be counted itself
  if (!schedule_runs()) return TickAnswer::go_on;
  const G* gp = getg();
  if (gp == nullptr || gp != curg() || !may_preempt_at(gp, sp)) {
    ticks_arm(counted.retry);
    counted.retry = std::min(2 * counted.retry, kMaxRetry);
    return TickAnswer::go_on;
  }
  counted.retry = 1;
  ticks_arm(draw_ticks());
  return TickAnswer::preempt;
}

void countedinit() {
  if (!seam_active) return;
  map_tick_page();
  reprise_tick_vector_bytes = vector_bytes();
  tick_page()->loaded = tick_page()->counter;
  counted.ready = true;
  if (const stage::Table* table = stage_table()) exact_install(*table);
}

void counted_explore() {
  if (counted.ready) return;
  map_tick_page();
  if (tick_page()->modules == nullptr) return;
  tick_all(true);
  reprise_tick_vector_bytes = vector_bytes();
  TickPage* const page = tick_page();
  page->stack = static_cast<char*>(std::aligned_alloc(64, kTickStackBytes)) + kTickStackBytes;
  counted.slow_before = std::exchange(page->slow, reprise_tick_slow);
  counted.ready = counted.exploring = true;
  page->loaded = page->counter;
  ticks_arm(kTicksNever);
}

void counted_explore_end() {
  if (!counted.exploring) return;
  counted.ready = counted.exploring = false;
  tick_all(false);
  TickPage* const page = tick_page();
  page->slow = counted.slow_before;
  std::free(static_cast<char*>(page->stack) - kTickStackBytes);
  page->stack = nullptr;
}

void counted_begin_schedule() {
  if (!counted.exploring) return;
  counted.retry = 1;
  ticks_arm(draw_ticks());
}

TicksAside::TicksAside() : counter_(counted.exploring ? counter() : 0) {}

TicksAside::~TicksAside() {
  if (counted.exploring) *const_cast<volatile int64_t*>(&tick_page()->counter) = counter_;
}

LibcCallback::LibcCallback() : gp_(curg()) {
  if (gp_ != nullptr) ++gp_->no_preempt;
}

LibcCallback::~LibcCallback() {
  if (gp_ != nullptr) --gp_->no_preempt;
}

}  // namespace reprise::rt

int reprise_tick_expired(uint64_t sp) {
  return static_cast<int>(reprise::rt::tick_expired(sp));
}
