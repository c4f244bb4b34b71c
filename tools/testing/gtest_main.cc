// A main for test programs with REPRISE_TESTs, in place of GTest::gtest_main's: the tests run on the main goroutine. It is locked to its
// thread, where GoogleTest keeps the stack of its scoped traces.
#include <gtest/gtest.h>
#include <reprise/go.h>
#include <reprise/main.h>

namespace {

int run_all(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  reprise::lock_os_thread();
  return RUN_ALL_TESTS();
}

}  // namespace

REPRISE_MAIN(run_all)
