// Plugins: libraries that are loaded while the program runs, with init tasks of their own.
//
//   auto plugin = reprise::plugin::open("./codec.so");
//   if (!plugin) return fail(plugin.error());
//   auto* encode = reinterpret_cast<Encode*>(plugin->lookup("encode"));
//
// open() loads the library, then runs its REPRISE_INIT tasks on the calling goroutine, in dependency order, before it
// returns; they may depend on each other's and on tasks that have run, the program's and those of plugins opened before.
// Opened again it is the same plugin, and nothing runs twice. dlopen() alone runs no tasks. A plugin takes the
// runtime from the program, which therefore exports its symbols (CMake: ENABLE_EXPORTS); it is never unloaded.
//
// Thread safety: any goroutine; one opens at a time, the others park.
#pragma once

#include <string>

#include <reprise/result.h>

namespace reprise::plugin {

class Plugin {
 public:
  explicit Plugin(void* handle) : handle_(handle) {}
  void* lookup(const std::string& name) const;  // null: no such symbol

 private:
  void* handle_;
};

// Errors: the library cannot be loaded; a task's name is taken, or what it depends on does not exist, or depends on it.
// Then none of its tasks has run. A task that panics does so through here; opened again, it is run again.
Result<Plugin> open(const std::string& path);

}  // namespace reprise::plugin
