// REPRISE_INIT: tasks have run before main, dependencies first.
#include <gtest/gtest.h>
#include <reprise/init.h>
#include <reprise/go.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <vector>

#include "runtime/boot/boot.h"

namespace {

std::vector<std::string>& order() {
  static std::vector<std::string> names;
  return names;
}

REPRISE_INIT(last, middle, first) { order().push_back("last"); }
REPRISE_INIT(middle, first) { order().push_back("middle"); }
REPRISE_INIT(first) { order().push_back("first"); }
REPRISE_INIT(uses_goroutines) {
  std::atomic<bool> ran = false;
  reprise::go([&ran] { ran = true; });
  while (!ran) reprise::yield();
  order().push_back("goroutines");
}

size_t place(const char* name) {
  return static_cast<size_t>(std::find(order().begin(), order().end(), name) - order().begin());
}

TEST(Init, tasks_run_once_and_after_what_they_depend_on) {
  EXPECT_EQ(order().size(), 4u);
  EXPECT_LT(place("first"), place("middle"));
  EXPECT_LT(place("middle"), place("last"));
}

TEST(Init, a_task_may_use_the_whole_api) { EXPECT_LT(place("goroutines"), order().size()); }

TEST(Init, tasks_without_dependencies_run_in_source_order) {
  EXPECT_EQ(order(), (std::vector<std::string>{"first", "middle", "last", "goroutines"}));
}

TEST(Boot, every_step_of_schedinit_is_done) {
  EXPECT_EQ(reprise::rt::boot_step(), reprise::rt::BootStep::done);
  EXPECT_GE(reprise::rt::boot_argc(), 1);
  EXPECT_EQ(reprise::rt::boot_argv()[reprise::rt::boot_argc()], nullptr);
  EXPECT_GE(reprise::gomaxprocs(), 1);
}

}  // namespace
