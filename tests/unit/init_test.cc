// REPRISE_INIT: tasks have run before main, dependencies first.
#include <gtest/gtest.h>
#include <reprise/init.h>
#include <reprise/defer.h>
#include <reprise/go.h>
#include <reprise/plugin.h>

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

// ---- plugins -------------------------------------------------------------------------------------------

std::vector<std::string>& plugin_order() {
  static std::vector<std::string> names;
  return names;
}

std::string open_error(const char* path) {
  const auto opened = reprise::plugin::open(path);
  return opened ? "" : opened.error().message();
}

TEST(Plugin, tasks_run_when_it_is_opened_after_what_they_depend_on_and_once) {
  plugin_order().clear();
  const auto plugin = reprise::plugin::open(INIT_PLUGIN);
  ASSERT_TRUE(plugin) << plugin.error().message();
  const std::vector<std::string> expected{"plugin first", "plugin middle", "plugin last"};
  EXPECT_EQ(plugin_order(), expected);
  ASSERT_TRUE(reprise::plugin::open(INIT_PLUGIN));
  EXPECT_EQ(plugin_order(), expected);
  auto* const answer = reinterpret_cast<int (*)()>(plugin->lookup("plugin_answer"));
  ASSERT_NE(answer, nullptr);
  EXPECT_EQ(answer(), 42);
  EXPECT_EQ(plugin->lookup("no_such_symbol"), nullptr);
}

TEST(Plugin, what_cannot_be_initialised_says_why_and_runs_nothing) {
  plugin_order().clear();
  const std::string cycle = open_error(INIT_PLUGIN_CYCLE);
  EXPECT_NE(cycle.find("initialization cycle: REPRISE_INIT(round) depends on and_round, which depends on round"),
            std::string::npos)
      << cycle;
  const std::string unknown = open_error(INIT_PLUGIN_UNKNOWN);
  EXPECT_NE(unknown.find("REPRISE_INIT(lonely) depends on nobody, which does not exist"), std::string::npos) << unknown;
  const std::string twice = open_error(INIT_PLUGIN_TWICE);
  EXPECT_NE(twice.find("REPRISE_INIT(first) is defined twice"), std::string::npos) << twice;
  EXPECT_EQ(plugin_order(), std::vector<std::string>{});
  EXPECT_NE(open_error("./no_such_plugin.so").find("no_such_plugin"), std::string::npos);
}

TEST(Plugin, a_task_that_panics_runs_again_when_it_is_opened_again) {
  plugin_order().clear();
  for (int i = 0; i < 2; ++i) {
    std::string text;
    reprise::recovering([&] {
      DEFER {
        if (const reprise::Panic panic = recover()) text = panic.text();
      };
      (void)reprise::plugin::open(INIT_PLUGIN_PANIC);
    });
    EXPECT_EQ(text, i == 0 ? "not yet" : "");
  }
  EXPECT_EQ(plugin_order(), (std::vector<std::string>{"tried", "tried"}));
}

}  // namespace

extern "C" void init_test_note(const char* name) { plugin_order().push_back(name); }
