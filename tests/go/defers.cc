// Go's tests of defer, panic and recover that runtime/panic's own unit tests do not have already. A function of Go's that
// a recovered panic returns from is a recovering() here, also where it is a deferred call.
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "tests/go/behaviour.h"

namespace reprise {
namespace {

// The number that is being panicked with, if it is recovered here.
std::optional<int> number(const Recover& recover) {
  const Panic panic = recover();
  const int* const value = panic ? panic.as<int>() : nullptr;
  return value != nullptr ? std::optional(*value) : std::nullopt;
}

// ---- runtime/defer_test.go ---------------------------------------------------------------------------

void open_coded(std::string& order) {
  recovering([&] {
    DEFER { order += recover().text() + " "; };
    panic("open");
  });
}
void pooled_then_panic(std::string& order) {
  recovering([&] {
    Defers defers;
    for (int i = 0; i < 2; ++i) {
      defers([&order, i](const Recover& recover) {
        const Panic panic = recover();
        order += panic ? panic.text() + " " : "nothing" + std::to_string(i) + " ";
      });
    }
    panic("pooled");
  });
}

TEST(DeferKinds, a_pooled_one_recovers_after_an_open_coded_one_has) {
  std::string order;
  recovering([&] {
    Defers defers;
    defers([&order](const Recover& recover) { order += recover().text() + " "; });
    open_coded(order);
    panic("non-open");
  });
  EXPECT_EQ(order, "open non-open ");
}

TEST(DeferKinds, an_open_coded_one_recovers_before_pooled_ones_do) {
  std::string order;
  open_coded(order);
  pooled_then_panic(order);
  EXPECT_EQ(order, "open pooled nothing0 ");
}

TEST(DeferKinds, of_branches_only_those_taken_run_when_a_panic_unwinds) {
  std::vector<int> ran;
  const auto conditional = [&](int n) {
    Defers defers;
    defers([&] { ran.push_back(1); });
    if (n > 5) {
      defers([&] { ran.push_back(2); });
      if (n > 8) {
        defers([&] { ran.push_back(3); });
      } else {
        defers([&] { ran.push_back(4); });
      }
    }
    panic("conditional");
  };
  recovering([&] {
    DEFER { EXPECT_EQ(recover().text(), "conditional"); };
    conditional(8);
  });
  EXPECT_EQ(ran, (std::vector<int>{4, 2, 1}));
}

TEST(DeferKinds, one_in_code_that_is_never_reached_does_not_run) {
  volatile bool never = false;
  recovering([&] {
    if (never) {
      DEFER { ADD_FAILURE() << "must not run"; };
    }
  });
}

TEST(PanicChain, an_aborted_panic_cannot_be_recovered_again) {
  std::string second;
  bool first_seen = false;
  recovering([&] {
    DEFER { first_seen = static_cast<bool>(recover()); };
    DEFER { second = recover().text(); };
    DEFER { panic("panic2"); };
    panic("panic1");
  });
  EXPECT_EQ(second, "panic2");
  EXPECT_FALSE(first_seen);
}

TEST(PanicChain, only_a_call_deferred_by_the_frame_that_is_left_recovers) {
  std::string outer;
  recovering([&] {
    DEFER { outer = recover().text(); };
    DEFER {
      (void)recover;
      DEFER { EXPECT_FALSE(recover()); };
    };
    panic("panic1");
  });
  EXPECT_EQ(outer, "panic1");
}

TEST(PanicChain, a_function_that_has_no_end_is_left_by_a_panic) {
  int cond = 1;
  recovering([&] {
    DEFER {
      EXPECT_EQ(cond, 2);
      EXPECT_EQ(recover().text(), "Test panic");
    };
    for (;;) {
      if (cond == 2) panic("Test panic");
      cond = 2;
    }
  });
}

void interpreter(int level, int levels, int wanted) {
  recovering([&] {
    DEFER {
      const Panic caught = recover();
      if (caught && *caught.as<int>() != level) panic(caught);
    };
    if (level + 1 < levels) {
      interpreter(level + 1, levels, wanted);
    } else {
      panic(wanted);
    }
  });
}
int deep_panic(int level) {
  volatile uint32_t frame[40];
  for (auto& word : frame) word = 0xffffffff;
  if (level == 0 && frame[0] != 0) panic("deep");
  return level == 0 ? 0 : deep_panic(level - 1) + static_cast<int>(frame[1]);
}

TEST(PanicChain, panics_repeated_from_level_to_level_leave_nothing_stale) {
  for (const auto& [levels, wanted] : {std::pair{6, 2}, {5, 1}, {6, 3}}) {
    recovering([levels = levels, wanted = wanted] {
      DEFER { EXPECT_FALSE(recover()); };
      interpreter(0, levels, wanted);
    });
    std::string text;
    recovering([&] {
      DEFER { text = recover().text(); };
      EXPECT_EQ(deep_panic(10), 0) << "never";
    });
    EXPECT_EQ(text, "deep");
  }
}

TEST(PanicChain, a_panic_recovered_within_a_deferred_call_leaves_the_outer_one) {
  std::optional<int> outer, inner;
  recovering([&] {
    DEFER { outer = number(recover); };
    [&] {
      Defers defers;
      defers([] {});
      DEFER {
        recovering([&] {
          DEFER { inner = number(recover); };
          panic(4);
        });
      };
      panic(1);
    }();
  });
  EXPECT_EQ(inner, 4);
  EXPECT_EQ(outer, 1);
}

TEST(PanicChain, nested_deferred_calls_replace_each_others_panics) {
  std::vector<std::optional<int>> seen;
  recovering([&] {
    DEFER { seen.push_back(number(recover)); };
    DEFER {
      recovering([&] {
        DEFER {
          recovering([&] {
            DEFER { seen.push_back(number(recover)); };
            DEFER { panic(5); };
            panic(4);
          });
        };
        DEFER { seen.push_back(number(recover)); };
        DEFER { panic(3); };
      });
    };
    panic(1);
  });
  EXPECT_EQ(seen, (std::vector<std::optional<int>>{3, 5, 1}));
}

TEST(PanicChain, steps_of_frames_that_end_and_of_frames_that_are_left_keep_their_order) {
  std::vector<int> steps;
  std::vector<std::optional<int>> seen;
  recovering([&] {
    DEFER { seen.push_back(number(recover)); };
    [&] {
      recovering([&] {
        DEFER {
          recovering([&] {
            DEFER { seen.push_back(number(recover)); };
            DEFER { panic(3); };
            panic(2);
          });
        };
        DEFER { seen.push_back(number(recover)); };
        DEFER { panic(1); };
      });
      DEFER { steps.push_back(10); };
      DEFER { steps.push_back(9); };
      steps.push_back(8);
    }();
    DEFER { steps.push_back(13); };
    DEFER { steps.push_back(12); };
    [&] {
      DEFER { steps.push_back(11); };
      panic(4);
    }();
    steps.push_back(-1);
  });
  EXPECT_EQ(steps, (std::vector<int>{8, 9, 10, 11, 12, 13}));
  EXPECT_EQ(seen, (std::vector<std::optional<int>>{1, 3, 4}));
}

// ---- test/deferprint.go ------------------------------------------------------------------------------

TEST(DeferPrint, deferred_calls_with_many_arguments_run_last_first) {
  std::string out;
  const auto print = [&out](const auto&... values) { ((out += std::to_string(values) + " "), ...); };
  recovering([&] {
    DEFER { print(42, true, false, true, 255); };
    DEFER { print(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20); };
    DEFER { out += "printing: "; };
  });
  EXPECT_EQ(out, "printing: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 42 1 0 1 255 ");
}

}  // namespace
}  // namespace reprise
