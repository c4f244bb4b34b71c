// REPRISE_INIT: code that runs once, after the runtime is up and before the program's main.
//
//   REPRISE_INIT(database, logging, config) { open_database(); }
//
// defines the task `database`, which runs after the tasks `logging` and `config`, on the main
// goroutine, where the whole API may be used. Static constructors run before the runtime is up and
// may not use it. Names are global to the program; a cycle or an unknown name is a fatal error.
//
// Thread safety: tasks run one after another.
#pragma once

#include <cstdint>
#include <string_view>

namespace reprise {

struct InitTask {
  enum class State : uint8_t { waiting, running, done };

  std::string_view name;
  std::string_view deps;  // names, separated by commas
  void (*run)();
  State state = State::waiting;
};

}  // namespace reprise

// GCC emits variables in any order; tasks without dependencies run in the order of the source.
#ifdef __clang__
#define REPRISE_IN_SOURCE_ORDER
#else
#define REPRISE_IN_SOURCE_ORDER [[gnu::no_reorder]]
#endif

#define REPRISE_INIT(task_name, ...)                                                              \
  static void reprise_init_run_##task_name();                                                     \
  static ::reprise::InitTask reprise_init_task_##task_name{#task_name, #__VA_ARGS__,              \
                                                           reprise_init_run_##task_name};         \
  [[gnu::used, gnu::section("reprise_inittasks")]] REPRISE_IN_SOURCE_ORDER static               \
      ::reprise::InitTask* const                                                                  \
      reprise_init_link_##task_name = &reprise_init_task_##task_name;                             \
  static void reprise_init_run_##task_name()
