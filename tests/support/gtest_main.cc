// GoogleTest's main, on the main goroutine: unit tests may use the whole API.
#include <gtest/gtest.h>
#include <reprise/main.h>

namespace {

int run_all(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}

}  // namespace

REPRISE_MAIN(run_all)
