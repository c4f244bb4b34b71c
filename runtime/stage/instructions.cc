// Emulation of instructions that read the outside world.
//
// rdtsc traps by PR_SET_TSC, until that costs too much (counter_is_free). rdrand cannot be made to trap, so where libstdc++ (std::random_device)
// is mapped its rdrand and rdseed become ud2, which keep their register in the third byte. Only
// this library is searched, and only a match that is followed by a use of the carry flag counts:
// rdrand without looking at it is useless, and the same bytes inside another instruction are then
// very unlikely. Hole: rdrand elsewhere (OpenSSL seeds from it) is not seen.
//
// With Option::kStrict cpuid traps too, by cpuid faulting. Its answers are recorded, and say that this
// processor has no rdrand: a program that asks, as it must, does not use it. (That reaches OpenSSL.)
#include "runtime/stage/instructions.h"

#include <asm/prctl.h>
#include <linux/prctl.h>
#include <signal.h>
#include <sys/mman.h>

#include "runtime/stage/events.h"
#include "runtime/stage/layout.h"
#include "runtime/stage/maps.h"
#include "runtime/stage/raw.h"
#include "runtime/stage/report.h"
#include "runtime/stage/tape_reader.h"
#include "runtime/stage/text.h"

namespace reprise::stage {
namespace {

constexpr int kRegisters[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
constexpr greg_t kArithmeticFlags = 0x8d5;
constexpr greg_t kCarry = 1;

bool program_reads_counter = false;  // under the baton

bool in_linker(uint64_t ip) {
  constexpr uint64_t kLinkerBytes = 1 << 24;
  return ip >= kInterpreterBase && ip < kInterpreterBase + kLinkerBytes;
}

// Replay: the recording no longer trapped the counter. Within libc it only varies how long an
// adaptive mutex spins.
bool counter_was_free(Thread& t, uint64_t ip) {
  const Record* next = peek();
  if (next->kind == tape::kRdtsc && next->thread == t.index) return false;
  char path[1024];
  uint64_t offset = 0;
  const bool known = module_of(ip, path, sizeof path, &offset);
  if (known && contains(path, "/libc.so")) return true;
  Line line;
  line << "the program reads the time stamp counter at " << (known ? path : "?") << "+";
  line.hex(known ? offset : ip) << " unrecorded, after many readings of the clock: record with --strict-clock";
  fail(Verdict::divergence, line.text);
}

uint64_t read_counter() {
  uint32_t low, high, core;
  raw(SYS_prctl, PR_SET_TSC, PR_TSC_ENABLE);
  asm volatile("rdtscp" : "=a"(low), "=d"(high), "=c"(core));
  raw(SYS_prctl, PR_SET_TSC, PR_TSC_SIGSEGV);
  return uint64_t{high} << 32 | low;
}

bool emulate_counter(Thread& t, ucontext_t* context, const uint8_t* code) {
  greg_t* g = context->uc_mcontext.gregs;
  const bool with_core = code[0] == 0x0f && code[1] == 0x01 && code[2] == 0xf9;
  if (!with_core && !(code[0] == 0x0f && code[1] == 0x31)) return false;
  const uint64_t ip = g[REG_RIP];
  if (!in_linker(ip)) program_reads_counter = true;
  const bool free = !live() && counter_was_free(t, ip);
  const uint64_t now = free ? 0 : note(t, tape::kRdtsc, 0, live() ? read_counter() : 0);
  g[REG_RAX] = static_cast<uint32_t>(now);
  g[REG_RDX] = now >> 32;
  if (with_core) g[REG_RCX] = 0;
  g[REG_RIP] += with_core ? 3 : 2;
  return true;
}

struct Leaf {
  uint32_t eax, ebx, ecx, edx;
};

// Instructions whose result no replay can repeat and no trap can see are not there: rdrand, rdseed, rdpid,
// transactions (they abort at a whim).
void deny(uint32_t leaf, uint32_t subleaf, Leaf& answer) {
  constexpr uint32_t kRdrand = 1u << 30;
  constexpr uint32_t kHle = 1u << 4, kRtm = 1u << 11, kRdseed = 1u << 18;
  constexpr uint32_t kRdpid = 1u << 22;
  if (leaf == 1) answer.ecx &= ~kRdrand;
  if (leaf != 7 || subleaf != 0) return;
  answer.ebx &= ~(kHle | kRtm | kRdseed);
  answer.ecx &= ~kRdpid;
}

Leaf read_cpuid(uint32_t leaf, uint32_t subleaf) {
  Leaf answer;
  set_cpuid_trap(false);
  asm volatile("cpuid" : "=a"(answer.eax), "=b"(answer.ebx), "=c"(answer.ecx), "=d"(answer.edx)
                       : "a"(leaf), "c"(subleaf));
  set_cpuid_trap(true);
  deny(leaf, subleaf, answer);
  return answer;
}

bool emulate_cpuid(Thread& t, ucontext_t* context, const uint8_t* code) {
  if (code[0] != 0x0f || code[1] != 0xa2 || !option(tape::kStrict)) return false;
  greg_t* g = context->uc_mcontext.gregs;
  const auto leaf = static_cast<uint32_t>(g[REG_RAX]), subleaf = static_cast<uint32_t>(g[REG_RCX]);
  const Leaf now = live() ? read_cpuid(leaf, subleaf) : Leaf{};
  const uint32_t check = leaf ^ subleaf << 16;
  const uint64_t first = note(t, tape::kCpuid, check, static_cast<int64_t>(uint64_t{now.ebx} << 32 | now.eax));
  const uint64_t second = note(t, tape::kCpuid, check, static_cast<int64_t>(uint64_t{now.edx} << 32 | now.ecx));
  g[REG_RAX] = static_cast<uint32_t>(first);
  g[REG_RBX] = first >> 32;
  g[REG_RCX] = static_cast<uint32_t>(second);
  g[REG_RDX] = second >> 32;
  g[REG_RIP] += 2;
  return true;
}

// [66] [rex] 0f 0b /6 or /7 with a register: ours, since ud2 has no third byte that matters.
bool emulate_random(Thread& t, ucontext_t* context, const uint8_t* code) {
  greg_t* g = context->uc_mcontext.gregs;
  const uint8_t* p = code;
  if (*p == 0x66) ++p;
  const int rex = (*p & 0xf0) == 0x40 ? *p++ : 0;
  if (p[0] != 0x0f || p[1] != 0x0b || p[2] < 0xf0) return false;
  uint64_t value = 0;
  if (live()) raw(SYS_getrandom, &value, sizeof value, 0);
  value = note(t, tape::kRdrand, 0, value);
  constexpr int kRexW = 8, kRexB = 1;
  if (!(rex & kRexW)) value = static_cast<uint32_t>(value);
  g[kRegisters[(p[2] & 7) | (rex & kRexB ? 8 : 0)]] = value;
  g[REG_EFL] = (g[REG_EFL] & ~kArithmeticFlags) | kCarry;
  g[REG_RIP] = reinterpret_cast<greg_t>(p + 3);
  return true;
}

// Within a few instructions somebody asks for the carry flag: jc, jnc, setc, setnc, cmovc, cmovnc,
// adc, sbb.
bool carry_is_used(const uint8_t* code, const uint8_t* end) {
  if (end - code > 24) end = code + 24;
  for (; code + 1 < end; ++code) {
    if (code[0] == 0x72 || code[0] == 0x73) return true;
    const bool two_bytes = code[0] == 0x0f;
    if (two_bytes && (code[1] == 0x82 || code[1] == 0x83 || code[1] == 0x92 || code[1] == 0x93)) return true;
    if (two_bytes && (code[1] == 0x42 || code[1] == 0x43)) return true;
    if (code[0] == 0x83 && ((code[1] & 0xf8) == 0xd0 || (code[1] & 0xf8) == 0xd8)) return true;
    if (code[0] == 0x19 || code[0] == 0x11) return true;
  }
  return false;
}

// Where the first two bytes of rdrand or rdseed may start: at `at` or later, before `end`. Seven
// places a step: a byte of the word and its successor are both right where the two differences from
// what is looked for have a zero byte in common.
uint8_t* next_candidate(uint8_t* at, uint8_t* end) {
  constexpr uint64_t kOnes = 0x0101'0101'0101'0101;
  for (; at + 8 <= end; at += 7) {
    uint64_t word;
    __builtin_memcpy(&word, at, sizeof word);
    const uint64_t differences = (word ^ kOnes * 0x0f) | (word >> 8 ^ kOnes * 0xc7);
    const uint64_t zeros = (differences - kOnes) & ~differences & kOnes * 0x80;
    if (zeros != 0) return at + __builtin_ctzll(zeros) / 8;
  }
  return at;
}

}  // namespace

bool emulate_instruction(Thread& t, int signal, ucontext_t* context) {
  uint8_t code[16] = {};
  const auto* at = reinterpret_cast<const uint8_t*>(context->uc_mcontext.gregs[REG_RIP]);
  // An instruction may end at the end of a mapping.
  if (!guarded([&] { for (int i = 0; i < 16; ++i) code[i] = at[i]; }) && !code[0]) return false;
  if (signal == SIGSEGV) return emulate_counter(t, context, code) || emulate_cpuid(t, context, code);
  if (signal != SIGILL) return false;
  return emulate_random(t, context, at);
}

void set_cpuid_trap(bool trap) { raw(SYS_arch_prctl, ARCH_SET_CPUID, !trap); }

bool counter_is_free(Thread& t) {
  if (t.counter_free) return true;
  if (program_reads_counter || option(tape::kStrictClock)) return false;
  if (++t.clock_readings < kReadingsUntilFree) return false;
  raw(SYS_prctl, PR_SET_TSC, PR_TSC_ENABLE);
  return t.counter_free = true;
}

void trap_random_instructions(const char* path, uint64_t at, uint64_t size, long protection) {
  if (!contains(path, "libstdc++")) return;
  raw(SYS_mprotect, at, size, PROT_READ | PROT_WRITE);
  auto* end = reinterpret_cast<uint8_t*>(at + size);
  guarded([&] {
    for (auto* p = next_candidate(reinterpret_cast<uint8_t*>(at), end); p + 3 < end;
         p = next_candidate(p + 1, end)) {
      const bool random = p[0] == 0x0f && p[1] == 0xc7 && p[2] >= 0xf0;
      if (random && carry_is_used(p + 3, end)) p[1] = 0x0b;
    }
  });
  raw(SYS_mprotect, at, size, protection);
}

}  // namespace reprise::stage
