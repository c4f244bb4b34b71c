// runtime.main: the first goroutine. Runs the init tasks, then the program's main, then exits.
//
// The process exits from the main goroutine, so that static destructors and atexit functions may
// use the API; other goroutines do not outlive it, as in the reference.
#include <cstdio>
#include <cstdlib>

#include "runtime/boot/boot_internal.h"
#include "runtime/mem/stack.h"
#include "runtime/sched/locals.h"
#include "runtime/sched/sched.h"
#include "runtime/sched/seam.h"

namespace reprise::rt {

namespace {

// The program called exit() itself, or main returned: the run is over for the policy either way.
void at_exit() { seam_finish({seam::Outcome::Kind::ok, 0, "exit"}); }

void runtime_main(void*) {
  doinit();
  const int status = boot_state.app(boot_state.argc, boot_state.argv);
  locals_destroy(curg());
  std::fflush(stdout);
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
