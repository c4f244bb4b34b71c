// Error and Result<T>: how input and output report what went wrong. No exceptions for I/O.
//
// A Result is a value or an Error; an Error carries what the caller may do next (kind), the
// kernel's number if there is one, and a context such as "read tcp 127.0.0.1:7399". Success
// allocates nothing. Thread safety: that of a plain value. Ownership: each owns its text.
#pragma once

#include <cerrno>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace reprise {

enum class ErrorKind : unsigned char {
  system,       // the kernel refused: code() says why
  end_of_file,  // nothing more will come; only the read_full family reports it as an error
  closed,       // the handle was closed, here or by another goroutine: give it up
  timeout,      // a deadline passed: set a new one and the handle works again
  address,      // an address that cannot be parsed or resolved
};

class [[nodiscard]] Error {
 public:
  Error(ErrorKind kind, int code, std::string context)
      : detail_(std::make_unique<Detail>(Detail{kind, code, std::move(context)})) {}
  Error(const Error& other) : detail_(std::make_unique<Detail>(*other.detail_)) {}
  Error& operator=(const Error& other) {
    detail_ = std::make_unique<Detail>(*other.detail_);
    return *this;
  }
  Error(Error&&) noexcept = default;
  Error& operator=(Error&&) noexcept = default;

  static Error system(int code, std::string context) {
    return Error(ErrorKind::system, code, std::move(context));
  }

  ErrorKind kind() const { return detail_->kind; }
  int code() const { return detail_->code; }  // errno value; 0 unless kind() is system
  const std::string& context() const { return detail_->context; }
  bool timeout() const { return kind() == ErrorKind::timeout; }
  bool closed() const { return kind() == ErrorKind::closed; }
  bool end_of_file() const { return kind() == ErrorKind::end_of_file; }
  bool is(int errno_value) const { return kind() == ErrorKind::system && code() == errno_value; }

  // "context: reason", one line.
  std::string message() const;

 private:
  struct Detail {
    ErrorKind kind;
    int code;
    std::string context;
  };
  std::unique_ptr<Detail> detail_;
};

namespace detail {
// Panics: the value of a failed Result was asked for.
[[noreturn]] void result_without_value(const Error& error);
}  // namespace detail

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}
  Result(Error error) : error_(std::move(error)) {}

  bool ok() const { return value_.has_value(); }
  explicit operator bool() const { return ok(); }

  // REQUIRES: ok(), or a panic with the error's message.
  T& value() & { return check(), *value_; }
  const T& value() const& { return check(), *value_; }
  T&& value() && { return check(), std::move(*value_); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  // REQUIRES: !ok().
  const Error& error() const& { return *error_; }
  Error&& error() && { return std::move(*error_); }

 private:
  void check() const {
    if (!value_) detail::result_without_value(*error_);
  }

  std::optional<T> value_;
  std::optional<Error> error_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}

  bool ok() const { return !error_; }
  explicit operator bool() const { return ok(); }

  // REQUIRES: !ok().
  const Error& error() const& { return *error_; }
  Error&& error() && { return std::move(*error_); }

 private:
  std::optional<Error> error_;
};

using Status = Result<void>;

}  // namespace reprise
