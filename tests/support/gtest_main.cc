// GoogleTest's main, on the main goroutine: unit tests may use the whole API.
//
// The goroutine is locked to its thread: GoogleTest keeps the stack of its scoped traces in a
// thread_local, which does not move with an unlocked goroutine.
//
// Under a sanitizer a death test runs in a new process, which starts from main: the sanitizers' own threads and
// locks do not survive a fork beside other threads.
#include <gtest/gtest.h>
#include <reprise/go.h>
#include <reprise/main.h>

namespace {

int run_all(int argc, char** argv) {
#ifdef REPRISE_SANITIZED
  testing::FLAGS_gtest_death_test_style = "threadsafe";
#endif
  testing::InitGoogleTest(&argc, argv);
  reprise::lock_os_thread();
  return RUN_ALL_TESTS();
}

}  // namespace

REPRISE_MAIN(run_all)
