// runtime.main: the first goroutine. Runs the init tasks, then the program's main, then exits.
//
// The process exits from the main goroutine, so that static destructors and atexit functions may
// use the API; other goroutines do not outlive it, as in the reference.
#include <cstdio>
#include <cstdlib>

#include <reprise/defer.h>

#include "runtime/boot/boot_internal.h"
#include "runtime/mem/stack.h"
#include "runtime/sched/locals.h"
#include "runtime/sched/native.h"
#include "runtime/sched/seam.h"
#include "runtime/signal/sigpreempt.h"

namespace reprise::rt {

namespace {

// The program called exit() itself, or main returned: the run is over for the policy either way.
// While another thread reports a fatal error, or answers SIGQUIT, the report goes first.
void at_exit() {
  if (sched.dying.load(std::memory_order_acquire) && !seam_active) freeze();
  seam_finish({seam::Outcome::Kind::ok, 0, "exit"});
}

constexpr int64_t kQuiesceNs = 20'000'000;

// Init tasks run on the process's first thread, as in the reference: a task that locks itself to its
// thread gets that one for the program's main.
void native_main_started() {
  lock_os_thread();
  sigpreempt_init();
  install_fork_handlers();
  const int32_t procs = sched.gomaxprocs.load(std::memory_order_relaxed);
  if (procs != 1) {
    stop_the_world();
    start_the_world(procs);
  }
  start_sysmon();  // all Ps are there: its first line of a schedtrace counts them
  if (debug_vars().schedtrace_ms != 0) schedtrace();
}

void runtime_main(void*) {
  const bool native = !seam_active;
  if (native) native_main_started();
  doinit();
  if (native) unlock_os_thread();
  // A panic that a deferred call of main's own frame recovers: main returns, as in the reference.
  const int status = recovering([] { return boot_state.app(boot_state.argc, boot_state.argv); });
  locals_destroy(curg());
  std::fflush(stdout);
  // Static destructors run next, and goroutines that go on beside them would see what they destroy.
  if (!seam_active) quiesce(kQuiesceNs);
  seam_finish({status == 0 ? seam::Outcome::Kind::ok : seam::Outcome::Kind::failed, status, ""});
  std::exit(status);
}

}  // namespace
}  // namespace reprise::rt

extern "C" void reprise_newproc_main(int (*app)(int, char**)) {
  using namespace reprise::rt;
  boot_state.app = app;
  std::atexit(at_exit);
  newproc(runtime_main, nullptr, nullptr, {.stack_bytes = kStackMainBytes});
}
