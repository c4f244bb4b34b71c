// SIGQUIT: the goroutine that it interrupted, then all others, then _exit(2).
//
// A goroutine that runs on another thread has no saved context. The reporter sends that thread SIGQUIT too;
// its handler finds a report under way, copies registers and stack, and goes on. The report shows
// the copy, so every stack is one of a single instant, of its own.
//
// Invariants: a snapshot is complete before it is on the list, and never changes or goes. The reporter
// waits for as many answers as it asked for, at most kPatienceMs: a thread may have the signal blocked.
// A thread that goes on runs its goroutine until that gives way, and then stops for good
// (schedule_native), or until the process ends.
//
// Rejected: to hold the threads in their handlers while the report is written. One may have been
// stopped inside malloc, which the search for symbols needs.
#include "runtime/panic/quit.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "runtime/panic/report.h"
#include "runtime/sched/fibers.h"
#include "runtime/sched/sched.h"
#include "runtime/sys/syscall.h"

namespace reprise::rt {

namespace {

constexpr unsigned kReportSeconds = 60;
constexpr int kPatienceMs = 1000;
constexpr uint64_t kMaxCopy = 256 << 10;
constexpr uint64_t kRedZone = 128;

struct Snapshot {
  const G* gp;
  Registers registers;
  StackBounds bounds;
  Snapshot* next;
};

std::atomic<bool> asking{false};
std::atomic<Snapshot*> snapshots{nullptr};
std::atomic<int> answers{0};

// The goroutine that this thread was on when the signal came; null on g0 and elsewhere.
G* interrupted() {
  G* gp = getg();
  return gp != nullptr && gp == curg() ? gp : nullptr;
}

// Not memcpy, which AddressSanitizer would stop between two variables of a frame.
__attribute__((no_sanitize("address"))) void copy_frames(char* to, uint64_t from, uint64_t bytes) {
  const auto* const frames = reinterpret_cast<const volatile char*>(from);
  for (uint64_t i = 0; i < bytes; ++i) to[i] = frames[i];
}

// Not the heap: the thread may be inside it. Null if there is no memory.
Snapshot* copy_of(const G* gp, const Registers& registers) {
  const uint64_t sp = registers.r[7] - kRedZone;
  if (sp < gp->ctx.stack_lo || sp >= gp->ctx.stack_hi) return nullptr;
  const uint64_t bytes = std::min(gp->ctx.stack_hi - sp, kMaxCopy);
  const long at = sys::call(SYS_mmap, nullptr, sizeof(Snapshot) + bytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at < 0) return nullptr;
  auto* snapshot = new (reinterpret_cast<void*>(at)) Snapshot;
  char* const stack = reinterpret_cast<char*>(snapshot + 1);
  copy_frames(stack, sp, bytes);
  *snapshot = {gp, registers, {.lo = sp, .hi = sp + bytes, .copy = stack}, nullptr};
  return snapshot;
}

void answer(const ucontext_t& context) {
  const G* gp = interrupted();
  Snapshot* snapshot = gp != nullptr ? copy_of(gp, registers_of(context)) : nullptr;
  if (snapshot != nullptr) {
    happens_before(&snapshots);
    snapshot->next = snapshots.load(std::memory_order_relaxed);
    // Release: whoever finds the snapshot finds it whole.
    while (!snapshots.compare_exchange_weak(snapshot->next, snapshot, std::memory_order_release,
                                            std::memory_order_relaxed)) {
    }
  }
  answers.fetch_add(1, std::memory_order_release);
}

// Threads that run a goroutine, but for this one. What they do changes meanwhile: who is missed shows as
// running without a stack.
int ask_the_others() {
  const auto self = static_cast<uint64_t>(sys::call(SYS_gettid));
  const long process = sys::call(SYS_getpid);
  int asked = 0;
  for (const M* mp = sched.allms.load(std::memory_order_acquire); mp != nullptr; mp = mp->alllink) {
    const G* gp = mp->ctx.curg;
    if (gp == nullptr || mp->tid == self || mp->tid == 0) continue;
    if (gp->status.load(std::memory_order_relaxed) != GStatus::running) continue;
    if (sys::call(SYS_tgkill, process, mp->tid, SIGQUIT) == 0) ++asked;
  }
  return asked;
}

// How many have not answered in time.
int await_answers(int asked) {
  const timespec millisecond{0, 1'000'000};
  for (int i = 0; i < kPatienceMs && answers.load(std::memory_order_acquire) < asked; ++i) {
    sys::call(SYS_nanosleep, &millisecond, nullptr);
  }
  return std::max(asked - answers.load(std::memory_order_acquire), 0);
}

RunningStack stack_of(const G* gp) {
  const Snapshot* snapshot = snapshots.load(std::memory_order_acquire);
  while (snapshot != nullptr && snapshot->gp != gp) snapshot = snapshot->next;
  if (snapshot == nullptr) return {};
  happens_after(&snapshots);
  return {&snapshot->registers, snapshot->bounds};
}

}  // namespace

void report_others(const G* except) {
  int silent = 0;
  if (!seam_active) {  // with a policy one thread runs at a time
    asking.store(true, std::memory_order_release);
    silent = await_answers(ask_the_others());
  }
  report_all(except, stack_of);
  if (silent == 0) return;
  char line[80];
  std::snprintf(line, sizeof line, "\n%d threads could not be stopped to show their stacks\n", silent);
  report_text(line);
}

void on_quit(int, siginfo_t*, void* raw_context) {
  const auto& context = *static_cast<const ucontext_t*>(raw_context);
  if (sched.dying.exchange(true)) {
    if (asking.load(std::memory_order_acquire)) answer(context);
    return;
  }
  alarm(kReportSeconds);
  report_text("SIGQUIT: quit\n");
  G* gp = interrupted();
  if (gp != nullptr) {
    ++gp->no_preempt;  // the report takes locks: nobody else may run in its place
    const Registers registers = registers_of(context);
    report_goroutine(gp, "running", &registers);
  }
  report_others(gp);
  _exit(2);
}

}  // namespace reprise::rt
