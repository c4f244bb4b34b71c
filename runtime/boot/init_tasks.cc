// Module init tasks: collected by the linker, run in dependency order before the program's main.
//
// REPRISE_INIT puts a pointer to each task into a section of its own; the linker's bounds of that
// section are the list, so nothing registers itself at run time. Dependencies are names. Order:
// post-order over dependencies; tasks without one in source order, files in link order. A cycle or a
// name that nobody defines is a fatal error that says which.
#include <cstring>
#include <string>
#include <string_view>

#include "runtime/boot/boot_internal.h"
#include "runtime/include/reprise/init.h"
#include "runtime/sched/proc.h"

extern "C" {
// Defined by the linker if any task exists.
extern reprise::InitTask* const __start_reprise_inittasks[] __attribute__((weak, visibility("hidden")));
extern reprise::InitTask* const __stop_reprise_inittasks[] __attribute__((weak, visibility("hidden")));
}

namespace reprise::rt {

namespace {

template <class F>
void each_task(F f) {
  for (InitTask* const* at = __start_reprise_inittasks; at != __stop_reprise_inittasks; ++at) f(**at);
}

InitTask* find_task(std::string_view name) {
  InitTask* found = nullptr;
  each_task([&](InitTask& task) {
    if (task.name == name) found = &task;
  });
  return found;
}

// Calls f(name) for each of the comma-separated names.
template <class F>
void each_dep(std::string_view deps, F f) {
  while (!deps.empty()) {
    std::string_view name = deps.substr(0, deps.find(','));
    deps.remove_prefix(name.size() == deps.size() ? name.size() : name.size() + 1);
    while (name.starts_with(' ')) name.remove_prefix(1);
    while (name.ends_with(' ')) name.remove_suffix(1);
    if (!name.empty()) f(name);
  }
}

void doinit1(InitTask& task) {
  if (task.state == InitTask::State::done) return;
  if (task.state == InitTask::State::running) {
    throw_("recursive call during initialization: REPRISE_INIT(" + std::string(task.name) +
           ") depends on itself");
  }
  task.state = InitTask::State::running;
  each_dep(task.deps, [&](std::string_view name) { doinit1(*find_task(name)); });
  task.run();
  task.state = InitTask::State::done;
}

}  // namespace

void modulesinit() {
  each_task([](InitTask& task) {
    if (find_task(task.name) != &task) {
      throw_("REPRISE_INIT(" + std::string(task.name) + ") is defined twice");
    }
    each_dep(task.deps, [&](std::string_view name) {
      if (find_task(name) != nullptr) return;
      throw_("REPRISE_INIT(" + std::string(task.name) + ") depends on " + std::string(name) +
             ", which does not exist");
    });
  });
}

void doinit() { each_task(doinit1); }

}  // namespace reprise::rt
