// Module init tasks: collected by the linker, run in dependency order before the program's main.
//
// REPRISE_INIT puts a pointer to each task into a section of its own; the linker's bounds of that section are the list
// of a module, so nothing registers itself at run time. Modules are the program, and plugins in the order in which they
// were opened. Dependencies are names. Order: post-order over dependencies; tasks without one in source order, files in
// link order. Before any task of a module runs it is known that all can: a cycle, or a name that nobody or
// somebody else defines, is told with its names, for the program as a fatal error, for a plugin as open()'s.
#include <dlfcn.h>

#include <cerrno>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include <reprise/plugin.h>
#include <reprise/sync.h>

#include "runtime/boot/boot_internal.h"
#include "runtime/include/reprise/init.h"
#include "runtime/sched/sched.h"

namespace reprise::rt {

namespace {

// The modules whose tasks may be depended on. Written during boot, then under the mutex of open().
std::vector<InitTasks>& modules() {
  static std::vector<InitTasks> all{reprise_module_inittasks};
  return all;
}

template <class F>
void each_task(const InitTasks& module, F f) {
  for (InitTask* const* at = module.start; at != module.stop; ++at) f(**at);
}

InitTask* find_task(std::string_view name) {
  InitTask* found = nullptr;
  for (const InitTasks& module : modules()) {
    each_task(module, [&](InitTask& task) {
      if (task.name == name) found = &task;
    });
  }
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

std::string quoted(std::string_view name) { return "REPRISE_INIT(" + std::string(name) + ")"; }

std::string cycle_text(const std::vector<const InitTask*>& path, const InitTask* again) {
  size_t i = 0;
  while (path[i] != again) ++i;
  std::string text = "initialization cycle: " + quoted(path[i]->name);
  for (; i < path.size(); ++i) {
    const InitTask* const next = i + 1 < path.size() ? path[i + 1] : again;
    text += " depends on " + std::string(next->name);
    if (next != again) text += ", which";
  }
  return text;
}

// The first cycle that the task's dependencies lead to; empty: none. `path` is how the search came there.
std::string find_cycle(const InitTask& task, std::vector<const InitTask*>& path) {
  if (task.state == InitTask::State::done) return "";
  for (const InitTask* before : path) {
    if (before == &task) return cycle_text(path, &task);
  }
  path.push_back(&task);
  std::string found;
  each_dep(task.deps, [&](std::string_view name) {
    if (found.empty()) found = find_cycle(*find_task(name), path);
  });
  path.pop_back();
  return found;
}

// Why the tasks of a module, which is among modules(), cannot be run; empty: they can.
std::string check_module(const InitTasks& module) {
  std::string error;
  each_task(module, [&](InitTask& task) {
    if (!error.empty()) return;
    for (const InitTasks& other : modules()) {
      each_task(other, [&](InitTask& t) {
        if (&t != &task && t.name == task.name) error = quoted(task.name) + " is defined twice";
      });
    }
    each_dep(task.deps, [&](std::string_view name) {
      if (find_task(name) == nullptr) {
        error = quoted(task.name) + " depends on " + std::string(name) + ", which does not exist";
      }
    });
  });
  if (!error.empty()) return error;
  std::vector<const InitTask*> path;
  each_task(module, [&](InitTask& task) {
    if (error.empty()) error = find_cycle(task, path);
  });
  return error;
}

// A task that does not end, because it panics, has not run.
struct Running {
  InitTask& task;
  explicit Running(InitTask& t) : task(t) { task.state = InitTask::State::running; }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;
  ~Running() {
    if (task.state == InitTask::State::running) task.state = InitTask::State::waiting;
  }
};

void doinit1(InitTask& task) {
  if (task.state == InitTask::State::done) return;
  if (task.state == InitTask::State::running) throw_("recursive call during initialization: " + quoted(task.name));
  const Running running(task);
  each_dep(task.deps, [&](std::string_view name) { doinit1(*find_task(name)); });
  task.run();
  task.state = InitTask::State::done;
}

bool known(const InitTasks& tasks) {
  for (const InitTasks& module : modules()) {
    if (module.start == tasks.start) return true;
  }
  return false;
}

Mutex& opening() {
  static Mutex mutex;
  return mutex;
}

// Empty, or why the tasks of the library cannot run.
std::string init_plugin(void* handle) {
  const auto* const tasks = static_cast<const InitTasks*>(dlsym(handle, "reprise_module_inittasks"));
  if (tasks == nullptr || tasks->start == tasks->stop) return "";
  if (!known(*tasks)) {
    modules().push_back(*tasks);
    if (std::string error = check_module(*tasks); !error.empty()) {
      modules().pop_back();
      return error;
    }
  }
  each_task(*tasks, doinit1);
  return "";
}

}  // namespace

void modulesinit() {
  if (const std::string error = check_module(reprise_module_inittasks); !error.empty()) throw_(error);
}

void doinit() { each_task(reprise_module_inittasks, doinit1); }

}  // namespace reprise::rt

namespace reprise::plugin {

Result<Plugin> open(const std::string& path) {
  rt::require_booted("plugin::open");
  const std::lock_guard hold(rt::opening());
  void* const handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* const why = dlerror();
    return Error::system(ENOEXEC, "open plugin " + path + ": " + (why != nullptr ? why : "dlopen"));
  }
  if (const std::string error = rt::init_plugin(handle); !error.empty()) {
    return Error::system(EINVAL, "open plugin " + path + ": " + error);
  }
  return Plugin(handle);
}

void* Plugin::lookup(const std::string& name) const { return dlsym(handle_, name.c_str()); }

}  // namespace reprise::plugin
