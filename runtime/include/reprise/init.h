// REPRISE_INIT: code that runs once, after the runtime is up and before the program's main.
//
//   REPRISE_INIT(database, logging, config) { open_database(); }
//
// defines the task `database`, which runs after the tasks `logging` and `config`, on the main
// goroutine, where the whole API may be used. Static constructors run before the runtime is up and
// may not use it. Names are global to the program; a cycle or an unknown name is a fatal error. Tasks of a library
// that is opened later (plugin.h) run then, and may depend on the program's.
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

// The tasks of a module: the program, or a library.
struct InitTasks {
  InitTask* const* start;
  InitTask* const* stop;
};

}  // namespace reprise

// Every module has its own: the linker bounds the section within it, and plugin::open asks a library for its copy.
extern "C" {
extern reprise::InitTask* const __start_reprise_inittasks[] __attribute__((weak, visibility("hidden")));
extern reprise::InitTask* const __stop_reprise_inittasks[] __attribute__((weak, visibility("hidden")));
[[gnu::weak, gnu::used, gnu::visibility("default")]] reprise::InitTasks reprise_module_inittasks = {
    __start_reprise_inittasks, __stop_reprise_inittasks};
}

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
