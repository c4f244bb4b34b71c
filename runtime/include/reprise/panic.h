// panic: ends what the goroutine was doing, with a value; a DEFER may recover it (defer.h).
//
//   reprise::panic("no such account");
//   reprise::panic(std::out_of_range("row 7"));
//
// A panic notes where it happened, then leaves the goroutine's frames one by one: destructors and deferred
// calls run, the last first, until a deferred call recovers. If no frame defers anything the process
// ends at once, with the stack as it was. An unrecovered panic prints "panic: " and its text, the goroutine
// and its stack, and ends the process with status 2.
//
// It travels as a C++ exception of a type of its own: `catch (...)` must rethrow it, and to swallow it is a
// fatal error; a panic that would leave a noexcept function ends the process. Thread safety: any goroutine;
// on other threads, and where the runtime itself is in the middle of something, a panic ends the process.
#pragma once

#include <any>
#include <concepts>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <typeinfo>
#include <utility>

#include <reprise/result.h>

#include "runtime/sched/proc.h"

namespace reprise {

// What a panic of the runtime itself carries: a closed channel was sent to, a nil pointer followed.
struct RuntimeError {
  std::string text;
};

namespace detail {

struct PanicInfo {
  std::any value;
  std::string text;
};

std::string type_text(const std::type_info& type);  // "(TYPE)", demangled

template <class T>
PanicInfo panic_info(T value) {
  if constexpr (std::convertible_to<const T&, std::string_view>) {
    std::string text{std::string_view(value)};
    return {text, text};
  } else if constexpr (std::same_as<T, bool>) {
    return {value, value ? "true" : "false"};
  } else if constexpr (std::is_arithmetic_v<T>) {
    return {value, std::to_string(value)};
  } else if constexpr (std::derived_from<T, std::exception>) {
    std::string text = value.what();
    return {std::move(value), std::move(text)};
  } else if constexpr (requires { { value.message() } -> std::convertible_to<std::string>; }) {
    std::string text = value.message();
    return {std::move(value), std::move(text)};
  } else {
    static_assert(std::copy_constructible<T>, "panic() keeps its value in a std::any");
    return {std::move(value), type_text(typeid(T))};
  }
}

}  // namespace detail

// A panic that was recovered: its value and text. A shared reference; false if there was none.
class Panic {
 public:
  Panic() = default;
  explicit Panic(std::shared_ptr<const detail::PanicInfo> info) : info_(std::move(info)) {}

  explicit operator bool() const { return info_ != nullptr; }
  // What "panic: " would be followed by. REQUIRES: there was one, here and below.
  const std::string& text() const { return info_->text; }
  // The value if it is a T, else null. Text was kept as std::string; the runtime's own are RuntimeError.
  template <class T>
  const T* as() const {
    return std::any_cast<T>(&info_->value);
  }
  const std::shared_ptr<const detail::PanicInfo>& info() const { return info_; }

 private:
  std::shared_ptr<const detail::PanicInfo> info_;
};

namespace rt {
[[noreturn]] void gopanic_with(std::shared_ptr<const reprise::detail::PanicInfo> info);
}

// A new panic with this value: text, a number, an exception, or anything that can be copied. Does not
// return. Text is kept as std::string. A Panic goes on with the value that it has.
template <class T>
[[noreturn]] void panic(T&& value) {
  if constexpr (std::same_as<std::decay_t<T>, Panic>) {
    rt::gopanic_with(value.info());
  } else {
    rt::gopanic_with(std::make_shared<const detail::PanicInfo>(
        detail::panic_info<std::decay_t<T>>(std::forward<T>(value))));
  }
}

}  // namespace reprise
