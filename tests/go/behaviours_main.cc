// All behaviours in one process: `behaviours [--virtual-clock] [GOOGLETEST OPTIONS…]`.
//
// After each behaviour the main goroutine must be alone: a goroutine left behind would run in the
// middle of the next one.
#include <cstring>

#include "tests/go/behaviour.h"

namespace {

using namespace std::chrono_literals;

class NobodyLeftBehind : public testing::EmptyTestEventListener {
  void OnTestEnd(const testing::TestInfo&) override {
    for (int i = 0; i < kPatience && reprise::num_goroutine() > 1; ++i) reprise::sleep_for(1ms);
    EXPECT_EQ(reprise::num_goroutine(), 1u) << "goroutines left behind";
  }
  static constexpr int kPatience = 20'000;
};

int run_all(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (argc > 1 && std::strcmp(argv[1], "--virtual-clock") == 0) {
    reprise::rt::clock_use(reprise::rt::ClockKind::simulated);
  }
  testing::UnitTest::GetInstance()->listeners().Append(new NobodyLeftBehind);
  // GoogleTest keeps the stack of its scoped traces in a thread_local. Controlled runs have one thread.
  if (!reprise::rt::seam_active) reprise::lock_os_thread();
  return RUN_ALL_TESTS();
}

}  // namespace

REPRISE_MAIN(run_all)
