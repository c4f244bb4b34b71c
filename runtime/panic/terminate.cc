// An exception that nobody catches: printed as a panic, with its type and what().
//
// std::terminate is called from the throw, before any frame is unwound (the search for a handler
// found none, since a goroutine's first frame ends the search), so the traceback shows the throw.
#include <cxxabi.h>

#include <cstdlib>
#include <exception>
#include <string>

#include "runtime/panic/fatal.h"
#include "runtime/panic/panic.h"
#include "runtime/sched/proc.h"

namespace reprise::rt {

namespace {

std::string demangled(const char* name) {
  int status = 0;
  char* text = abi::__cxa_demangle(name, nullptr, nullptr, &status);
  std::string result = status == 0 ? text : name;
  std::free(text);
  return result;
}

std::string describe_current_exception() {
  const std::type_info* type = abi::__cxa_current_exception_type();
  if (type == nullptr) return "std::terminate called without an exception";
  const std::string name = demangled(type->name());
  try {
    throw;
  } catch (const std::exception& e) {
    return name + ": " + e.what();
  } catch (const char* text) {
    return name + ": " + text;
  } catch (const std::string& text) {
    return name + ": " + text;
  } catch (...) {
    return name;
  }
}

// A panic that would have left a noexcept function, or that met an exception half way, arrives here too.
[[noreturn]] void on_terminate() {
  const std::type_info* type = abi::__cxa_current_exception_type();
  const G* gp = curg();
  if (type != nullptr && *type == typeid(detail::PanicUnwind) && unrecovered(gp) != nullptr) die_of_panics(gp);
  die_of_panic(describe_current_exception());
}

}  // namespace

void install_terminate_handler() { std::set_terminate(on_terminate); }

}  // namespace reprise::rt
