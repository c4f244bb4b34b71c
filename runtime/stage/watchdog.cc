// Invariant: on_watchdog() ends the run only from code of the program. A signal that lands in the
// stage's own text proves that the thread got there, so it does not spin.
//
// In replay nobody waits for the baton: the tape says whose turn it is. There a loop is the
// recording's last one if the tape has nothing more.
#include "runtime/stage/watchdog.h"

#include "runtime/stage/call.h"
#include "runtime/stage/events.h"
#include "runtime/stage/preempt.h"
#include "runtime/stage/raw.h"
#include "runtime/stage/report.h"
#include "runtime/stage/signals.h"
#include "runtime/stage/tape_reader.h"
#include "runtime/stage/text.h"
#include "runtime/stage/thread.h"

namespace reprise::stage {

const uint64_t* volatile runnable_goroutines = nullptr;

namespace {

void count(Line& line, uint64_t n, const char* one, const char* more) {
  line << n << (n == 1 ? one : more);
}

// False: nobody is kept waiting.
bool kept_waiting(Line& who) {
  const uint64_t threads = baton_waiters();
  const uint64_t goroutines = runnable_goroutines ? *runnable_goroutines : 0;
  if (goroutines) count(who, goroutines, " goroutine could run", " goroutines could run");
  if (goroutines && threads) who << ", ";
  if (threads) count(who, threads, " thread could run", " threads could run");
  return goroutines || threads;
}

}  // namespace

void on_watchdog(int signal, siginfo_t* info, void* v) {
  if (on_slice(self(), info, static_cast<ucontext_t*>(v))) return;
  const uint32_t asked = __atomic_exchange_n(&control->watchdog_asks, 0, __ATOMIC_ACQ_REL);
  if (asked == tape::kEndRun) fail(Verdict::stuck, "hang: the run did not end within its time");
  if (!asked) {
    if (live()) on_signal(signal, info, v);
    return;
  }
  const auto* regs = static_cast<ucontext_t*>(v)->uc_mcontext.gregs;
  if (in_stage(regs[REG_RIP])) return;
  Line who;
  if (live() && !kept_waiting(who)) return;
  if (!live()) {
    if (peek()->kind != tape::kEnd) return;
    who << "the recording ends here";
  }
  const Call place = {0, {}, nullptr, static_cast<uint64_t>(regs[REG_RIP]),
                      static_cast<uint64_t>(regs[REG_RSP])};
  stuck(self(), place, who.text);
}

}  // namespace reprise::stage
