// A foreign thread's wait: a goroutine does the operation, the thread sleeps on a note.
//
// The note lies on the thread's stack. The goroutine's last touch of it is the wake-up itself, which may
// reach the kernel after the thread has gone on: an idle wake of that address, which every sleeper on a
// futex tolerates.
#include "runtime/sched/foreign.h"

#include "runtime/race/race.h"
#include "runtime/sched/note.h"
#include "runtime/sched/proc.h"
#include "runtime/sched/sched.h"

namespace reprise::rt {

namespace {

struct Errand {
  void (*f)(void*);
  void* arg;
  Note done{kNoteClear};
};

void run(void* arg) {
  auto* const errand = static_cast<Errand*>(arg);
  errand->f(errand->arg);
  race_release(errand);
  note_wakeup(&errand->done);
}

}  // namespace

void run_on_goroutine(void (*f)(void*), void* arg) {
  require_booted("a blocking operation");
  Errand errand{f, arg};
  newproc(run, &errand);
  note_sleep(&errand.done);
  if (race_hooks != nullptr) race_hooks->done_for_thread(&errand);
}

}  // namespace reprise::rt
