// Ticks, slices, planted bytes. Two halves share the counter: live_*() places preemptions and records
// them, replay_*() meets them again.
//
// Invariants:
//  - `before + (loaded - counter)` of the tick page is the number of ticks so far in both modes, whatever the
//    counter was loaded with. Only load() writes the counter.
//  - Code that runs live only (a policy) does not count: the counter is set aside meanwhile.
//  - Live, `due` says that the goroutine is to be preempted as soon as it can be. It is not taken
//    back by what runs meanwhile.
//  - Replay: `next.set` says that the next record is the kPreempt in `next`. Ticks before it do not trap,
//    its own and the one behind it do, so that what does not happen is found out.
//
// In the middle of a `rep` the same address is reached once an iteration. Stepping through them would
// cost two signals each; instead rcx is lowered to what the recording had done, and the byte is planted
// behind the instruction.
#include "runtime/stage/preempt.h"

#include <errno.h>
#include <sys/mman.h>
#include <time.h>

#include "asm/tick_page.h"
#include "runtime/stage/events.h"
#include "runtime/stage/preempt_key.h"
#include "runtime/stage/raw.h"
#include "runtime/stage/report.h"
#include "runtime/stage/signals.h"
#include "runtime/stage/text.h"

extern "C" {
extern const char stage_interruptible_begin[], stage_interruptible_out[];
void stage_tick();
void stage_tick_replay();
bool stage_do_tick(uint64_t resume);
void stage_do_counted(const reprise::stage::CountedCode* code);
}

namespace reprise::stage {

volatile bool preempt_attention = false;

namespace {

constexpr int64_t kFar = int64_t{1} << 62;
constexpr int64_t kRetryTicks = 64;  // where preemption is not possible for some time
constexpr uint64_t kRedZone = 128;
constexpr greg_t kTrapFlag = 0x100;
// hlt, which is privileged and raises SIGSEGV. Not int3, which is a debugger's, nor an illegal instruction: hypervisors look
// at those themselves, 8 us here.
constexpr uint8_t kHalt = 0xf4;
constexpr uint8_t kPushf = 0x9c, kPopf = 0x9d;
constexpr uint32_t kMaxOpened = 4096;
constexpr uint64_t kDefaultSliceNs = 10'000'000;  // the reference's
// Where a slice may have ended unseen, and the stage's own code is still running: a handler that began the shortest slices anew
// could be interrupted by the next one each time, until its stack is full.
constexpr uint64_t kAgainNs = 1'000'000;

const CountedCode* code = nullptr;

// ---- live ----
bool due = false;
bool timed = false;          // preemptions are a matter of time
uint32_t steps = 0;          // still to be made behind the tick
bool stepping = false;
volatile bool planning = false;  // the policy is being asked; nothing counts
uint32_t slice_began = 0;    // code->slices() when the timer last ran out
int slice_timer = -1;
volatile bool slice_in_stage = false;

// ---- replay ----
struct Next {
  bool set;
  uint64_t tick;
  tape::PreemptKey key;
  uint64_t planted;          // where a byte is, 0 nowhere
  uint8_t saved;             // what was there
  bool rest_of_repeat;       // it is behind a `rep` whose recorded iterations are being done
  bool stepping_over;
  tape::PreemptKey seen;     // what came by and was not it
} next;
uint64_t opened[kMaxOpened];  // pages of text that were made writable
uint32_t opened_count = 0;

int64_t counter() { return *static_cast<volatile int64_t*>(&asm_::tick_page()->counter); }
void set_counter(int64_t n) { *static_cast<volatile int64_t*>(&asm_::tick_page()->counter) = n; }

uint64_t ticks() {
  const asm_::TickPage& page = *asm_::tick_page();
  return page.before + static_cast<uint64_t>(page.loaded - counter());
}

void load(int64_t n) {
  asm_::TickPage& page = *asm_::tick_page();
  page.before = ticks();
  page.loaded = n;
  set_counter(n);
}

greg_t& reg(ucontext_t* context, int which) { return context->uc_mcontext.gregs[which]; }

void inject(ucontext_t* context, uint64_t pc) {
  reg(context, REG_RSP) -= static_cast<greg_t>(kRedZone + sizeof pc);
  __builtin_memcpy(reinterpret_cast<void*>(reg(context, REG_RSP)), &pc, sizeof pc);
  reg(context, REG_RIP) = reinterpret_cast<greg_t>(code->preempt);
  reg(context, REG_EFL) &= ~kTrapFlag;
}

// ---- live ----

void start_slice(uint64_t at_least_ns = 0) {
  itimerspec when{};
  uint64_t ns = control->slice_ns ? control->slice_ns : kDefaultSliceNs;
  if (ns < at_least_ns) ns = at_least_ns;
  when.it_value = {static_cast<time_t>(ns / 1'000'000'000), static_cast<long>(ns % 1'000'000'000)};
  raw(SYS_timer_settime, slice_timer, 0, &when, nullptr);
}

// One-shot, so that a call that waits for long is interrupted once.
void begin_slices() {
  if (slice_timer >= 0) return;
  sigevent event{};
  event.sigev_notify = SIGEV_THREAD_ID;
  event.sigev_signo = tape::kWatchdogSignal;
  event.sigev_value.sival_ptr = &slice_timer;
  event._sigev_un._tid = static_cast<pid_t>(raw(SYS_gettid));
  if (raw(SYS_timer_create, CLOCK_MONOTONIC, &event, &slice_timer) < 0) {
    fail(Verdict::broken, "no timer for time slices");
  }
  start_slice();
}

// The timer is one thread's, goroutines that are locked to theirs run on others. False: the thread is gone.
bool pass_on(const Thread& runs) {
  siginfo_t info{};
  info.si_code = SI_QUEUE;
  info.si_value.sival_ptr = &slice_timer;
  return raw(SYS_rt_tgsigqueueinfo, raw(SYS_getpid), runs.tid, tape::kWatchdogSignal, &info) == 0;
}

// Asks the policy for the next preemption.
void live_plan() {
  planning = true;
  const int64_t kept = counter();
  set_counter(kFar);
  const CountedCode::Distance distance = code->next();
  set_counter(kept);
  planning = false;
  timed = distance.ticks == 0;
  due = !timed;
  steps = distance.steps;
  if (timed) {
    load(kFar);
    begin_slices();
  } else {
    load(static_cast<int64_t>(distance.ticks - 1));
  }
}

void live_preempt(Thread& t, ucontext_t* context, uint64_t pc) {
  const tape::PreemptKey key = key_of(context, pc);
  const Segment segment = {reinterpret_cast<uint64_t>(&key), sizeof key};
  put(t, tape::kPreempt, 0, static_cast<int64_t>(ticks()), &segment, 1);
  inject(context, pc);
  slice_began = code->slices() + 1;  // the one that begins now
  live_plan();
}

// The goroutine is at `pc`, in counted code.
void live_attempt(Thread& t, ucontext_t* context, uint64_t pc) {
  // A handler of the program's lies on some goroutine's stack, its vector state in a stack of ours.
  const auto place = t.vectors_used ? CountedCode::Place::no
                                    : code->place(static_cast<uint64_t>(reg(context, REG_RSP)));
  if (place == CountedCode::Place::no) return load(kRetryTicks);
  if (place == CountedCode::Place::pointless) return live_plan();
  if (steps == 0) return live_preempt(t, context, pc);
  stepping = true;
  reg(context, REG_EFL) |= kTrapFlag;
}

void live_tick(Thread& t, ucontext_t* context, uint64_t pc) {
  load(kFar);
  if (stepping) return;
  if (due) return live_attempt(t, context, pc);
  live_plan();
}

// Single-stepped, pushf would push our trap flag and popf lose it.
bool handles_flags(uint64_t pc) {
  const uint8_t b = *reinterpret_cast<const uint8_t*>(pc);
  return b == kPushf || b == kPopf;
}

void live_step(Thread& t, ucontext_t* context) {
  auto pc = static_cast<uint64_t>(reg(context, REG_RIP));
  const bool inside = code->in_text(pc);
  if (inside && --steps != 0 && !handles_flags(pc)) return;
  stepping = false;
  steps = 0;
  reg(context, REG_EFL) &= ~kTrapFlag;
  if (!inside) return load(0);
  live_attempt(t, context, code->branch_end(pc));
}

void live_slice_over(Thread& t, ucontext_t* context) {
  if (!timed || stepping) return;
  if (code->slices() != slice_began) {
    slice_began = code->slices();
    return;
  }
  due = true;
  const auto pc = static_cast<uint64_t>(reg(context, REG_RIP));
  if (counter() < 0) return;  // on its way into the trap
  code->in_text(pc) ? live_attempt(t, context, code->branch_end(pc)) : load(0);
}

// ---- replay ----

void store_byte(uint64_t at, uint8_t byte) { *reinterpret_cast<volatile uint8_t*>(at) = byte; }

// Text is made writable when the first byte is planted in it.
void plant(uint64_t at) {
  next.saved = *reinterpret_cast<const uint8_t*>(at);
  next.planted = at;
  if (guarded([&] { store_byte(at, kHalt); })) return;
  const uint64_t page = page_down(at);
  if (opened_count == kMaxOpened || raw(SYS_mprotect, page, kPage, PROT_READ | PROT_WRITE | PROT_EXEC) < 0) {
    fail(Verdict::broken, "counted code cannot be made writable");
  }
  opened[opened_count++] = page;
  store_byte(at, kHalt);
}

void take_out() {
  store_byte(next.planted, next.saved);
  next.planted = 0;
}

void write_key(Text& out, const tape::PreemptKey& key) {
  out << "instruction ";
  out.hex(key.pc) << ", stack pointer ";
  out.hex(key.sp) << ", rcx ";
  out.hex(key.rcx) << ", registers ";
  out.hex(key.registers);
}

[[noreturn]] void replay_missed(const Thread& t, const char* actual) {
  Line line;
  line << "divergence at event " << control->events << ", thread " << t.index
       << "\n  expected: a preemption at tick " << next.tick << ", ";
  write_key(line, next.key);
  line << "\n  actual:   tick " << ticks() << ", " << actual;
  if (next.seen.pc) {
    line << "; last seen ";
    write_key(line, next.seen);
  }
  fail(Verdict::divergence, line.text);
}

// Looks at the tape's next record.
void replay_prepare(Thread& t) {
  if (next.set) return;
  const Record* record = peek();
  if (record->kind != tape::kPreempt) return;
  const Bytes bytes = segment(record, 0);
  if (record->segments != 1 || bytes.size != sizeof next.key) {
    fail(Verdict::broken, "a preemption record of the tape is malformed");
  }
  next = {.set = true, .tick = static_cast<uint64_t>(record->value)};
  __builtin_memcpy(&next.key, bytes.at, sizeof next.key);
  const uint64_t now = ticks();
  if (next.tick < now) replay_missed(t, "already");
  load(next.tick > now ? static_cast<int64_t>(next.tick - now - 1) : 0);
  if (next.tick == now) plant(next.key.pc);
}

void replay_preempt(Thread& t, ucontext_t* context) {
  expect(t, tape::kPreempt, 0);
  advance(0);
  const uint64_t pc = next.key.pc;
  reg(context, REG_EFL) = (reg(context, REG_EFL) & ~static_cast<greg_t>(kProgramFlags)) |
                          static_cast<greg_t>(next.key.flags);
  next.set = false;
  load(kFar);
  inject(context, pc);
  replay_prepare(t);
}

// What most ticks that trap come to. False: something else happens at this one, which needs all registers.
bool replay_tick_plants(uint64_t pc) {
  if (!next.set || ticks() != next.tick || pc == next.key.pc) return false;
  load(0);
  plant(next.key.pc);
  return true;
}

void replay_tick(Thread& t, ucontext_t* context, uint64_t pc) {
  if (!next.set || ticks() < next.tick) fail(Verdict::broken, "a tick of counted code trapped too soon");
  if (ticks() > next.tick) replay_missed(t, "the instruction was not reached");
  load(0);
  if (pc == next.key.pc && same_key(key_of(context, pc), next.key)) return replay_preempt(t, context);
  plant(next.key.pc);
}

// Single-stepped, it would push our trap flag, to be popped when nobody expects it.
void push_flags(ucontext_t* context) {
  reg(context, REG_RSP) -= static_cast<greg_t>(sizeof(greg_t));
  *reinterpret_cast<greg_t*>(reg(context, REG_RSP)) = reg(context, REG_EFL);
  ++reg(context, REG_RIP);
}

// The recorded iterations of a `rep` are done.
void replay_inside_repeat(Thread& t, ucontext_t* context) {
  take_out();
  next.rest_of_repeat = false;
  reg(context, REG_RIP) = static_cast<greg_t>(next.key.pc);
  reg(context, REG_RCX) = static_cast<greg_t>(next.key.rcx);
  next.seen = key_of(context, next.key.pc);
  if (!same_key(next.seen, next.key)) replay_missed(t, "other registers inside a repeated instruction");
  replay_preempt(t, context);
}

void replay_planted(Thread& t, ucontext_t* context) {
  if (next.rest_of_repeat) return replay_inside_repeat(t, context);
  const tape::PreemptKey& key = next.key;
  const tape::PreemptKey here = key_of(context, key.pc);
  take_out();
  if (same_key(here, key)) return replay_preempt(t, context);
  next.seen = here;
  const uint32_t repeated = repeated_string_bytes(reinterpret_cast<const uint8_t*>(key.pc));
  if (repeated && here.sp == key.sp && here.rcx > key.rcx) {
    reg(context, REG_RCX) -= static_cast<greg_t>(key.rcx);
    next.rest_of_repeat = true;
    return plant(key.pc + repeated);
  }
  if (*reinterpret_cast<const uint8_t*>(key.pc) == kPushf) {
    push_flags(context);
    return plant(key.pc);
  }
  next.stepping_over = true;
  reg(context, REG_EFL) |= kTrapFlag;
}

}  // namespace

bool preempt_halted(Thread& t, ucontext_t* context) {
  if (!code) return false;
  const auto pc = static_cast<uint64_t>(reg(context, REG_RIP));
  if (next.planted && pc == next.planted) return replay_planted(t, context), true;
  if (pc != reinterpret_cast<uint64_t>(&stage_tick)) return false;
  const greg_t resume = reg(context, REG_RIP) = reg(context, REG_RAX);
  reg(context, REG_RAX) = static_cast<greg_t>(asm_::tick_page()->saved_rax);
  const auto at = static_cast<uint64_t>(resume);
  live() ? live_tick(t, context, at) : replay_tick(t, context, at);
  return true;
}

// Whatever the kernel calls the trap: a virtual machine's debug status may lack the bit that says why.
bool preempt_step(Thread& t, ucontext_t* context) {
  if (stepping) return live_step(t, context), true;
  if (!next.stepping_over) return false;
  next.stepping_over = false;
  reg(context, REG_EFL) &= ~kTrapFlag;
  plant(next.key.pc);
  return true;
}

// Live, the preemption that was a few instructions away comes at the next tick that can have it; in replay the byte goes back to where
// it is awaited.
void preempt_faulted(ucontext_t* context) {
  if (stepping) {
    stepping = false;
    steps = 0;
    load(0);
  } else if (next.stepping_over) {
    next.stepping_over = false;
    plant(next.key.pc);
  } else {
    return;
  }
  reg(context, REG_EFL) &= ~kTrapFlag;
}

bool on_slice(Thread& t, const siginfo_t* info, ucontext_t* context) {
  const bool passed_on = info->si_code == SI_QUEUE;
  if ((!passed_on && info->si_code != SI_TIMER) || info->si_value.sival_ptr != &slice_timer) return false;
  const auto block = reinterpret_cast<uint64_t>(&t);
  const auto sp = static_cast<uint64_t>(reg(context, REG_RSP));
  const auto at = reinterpret_cast<const char*>(reg(context, REG_RIP));
  const bool in_stage = sp - block < kThreadBytes;
  const bool in_call = in_stage && at >= stage_interruptible_begin && at <= stage_interruptible_out;
  if (in_call) t.slice_hit = true;
  if (Thread& runs = baton_holder(); &runs != &t) {
    // Whose turn it becomes meanwhile gets its slice when it comes out of the stage. It may have done so already, where the signal
    // reached who does not run any more: then the next one must find it, or its slice would have no end.
    preempt_attention = true;
    if (passed_on || !pass_on(runs)) start_slice(kAgainNs);
    return true;
  }
  if (in_stage) {
    preempt_attention = true;
    if (in_call) return true;
    // On its way out it may have looked at preempt_attention already.
    slice_in_stage = true;
    start_slice(kAgainNs);
    return true;
  }
  preempt_attention = false;
  start_slice();
  if (!planning && *code->policy_depth == 0) live_slice_over(t, context);
  return true;
}

bool slice_interrupted(Thread& t) {
  const bool interrupted = t.slice_hit;
  t.slice_hit = false;
  return interrupted;
}

void preempt_before_program_slow(Thread& t) {
  if (!live()) return replay_prepare(t);
  // A policy's own call: the counter is set aside, and whoever set it aside would put the old one back. Who goes on when the policy has
  // answered may make no call of its own.
  if (planning || *code->policy_depth != 0) return start_slice(kAgainNs);
  preempt_attention = false;
  start_slice();
  if (slice_in_stage && timed && !stepping && code->slices() == slice_began) {
    due = true;
    load(0);
  }
  slice_began = code->slices();
  slice_in_stage = false;
}

void preempt_settle() {
  if (!code) return;
  asm_::TickPage& page = *asm_::tick_page();
  page.before = ticks();
  page.counter = page.loaded = 0;
  page.saved_rax = page.saved_rsp = page.resume = 0;
  page.slow = stage_tick;  // the recording's
  while (opened_count) raw(SYS_mprotect, opened[--opened_count], kPage, PROT_READ | PROT_EXEC);
}

void preempt_leave() {
  if (!code) return;
  set_counter(kFar);
  code = nullptr;
  preempt_attention = false;
}

}  // namespace reprise::stage

// Nothing is asked of the policy here: the first tick does that, where the registers that a policy
// leaves behind are put back.
void stage_do_counted(const reprise::stage::CountedCode* counted) {
  using namespace reprise::stage;
  code = counted;
  reprise::asm_::tick_page()->slow = live() ? stage_tick : stage_tick_replay;
  if (live()) return load(0);
  load(kFar);
  preempt_attention = true;
  replay_prepare(self());
}

bool stage_do_tick(uint64_t resume) { return reprise::stage::replay_tick_plants(resume); }
