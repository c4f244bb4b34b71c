// Context: carries a cancellation, a deadline and values down a tree of calls and goroutines.
//
// Contexts form a tree. Cancelling one cancels everything below it. done() closes when that
// happens; err() says why. Pass a Context as the first parameter; keep none in a structure.
//
// Thread safety: any goroutine. Ownership: a shared reference. A context that can be cancelled is
// known to its parent until it is cancelled, so call its CancelFunc as soon as the work is over.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include <reprise/chan.h>
#include <reprise/time.h>

namespace reprise {

namespace detail {
struct ContextState;  // runtime/time/context.cc
}

// Why a context is done. Compared by identity: kCanceled, kDeadlineExceeded, or one of yours, which
// must outlive the contexts that it ends; make it static.
class ContextError {
 public:
  constexpr explicit ContextError(const char* text, bool timeout = false)
      : text_(text), timeout_(timeout) {}
  ContextError(const ContextError&) = delete;
  ContextError& operator=(const ContextError&) = delete;
  const char* text() const { return text_; }
  // Whether time ran out; the same may succeed with more of it.
  bool timeout() const { return timeout_; }

 private:
  const char* text_;
  bool timeout_;
};
extern const ContextError kCanceled;          // "context canceled"
extern const ContextError kDeadlineExceeded;  // "context deadline exceeded"

// Names a value of type T in contexts, by identity; make it static.
template <class T>
class ContextKey {
 public:
  constexpr ContextKey() = default;
  ContextKey(const ContextKey&) = delete;
  ContextKey& operator=(const ContextKey&) = delete;

 private:
  char identity_ = 0;  // keys of static storage differ in address
};

class Context {
 public:
  // Closed when the context is done; nil if it never will be.
  Chan<Unit> done() const;
  // null while not done, then &kCanceled or &kDeadlineExceeded.
  const ContextError* err() const;
  // What was given to the CancelCauseFunc that ended it; else as err().
  const ContextError* cause() const;
  std::optional<TimePoint> deadline() const;
  // How it was derived, for people: "context.Background.WithCancel.WithDeadline(1.5s left)".
  std::string to_string() const;

  // The value of the nearest context that has one for the key; null if none has. Lives as long as
  // that context.
  template <class T>
  const T* value(const ContextKey<T>& key) const {
    return static_cast<const T*>(find_value(&key));
  }

  // For the runtime's own use.
  explicit Context(std::shared_ptr<detail::ContextState> state) : state_(std::move(state)) {}
  const std::shared_ptr<detail::ContextState>& state() const { return state_; }

 private:
  const void* find_value(const void* key) const;

  std::shared_ptr<detail::ContextState> state_;
};

// Cancels a context; later calls do nothing.
class CancelFunc {
 public:
  explicit CancelFunc(std::shared_ptr<detail::ContextState> state) : state_(std::move(state)) {}
  // `cause` is what Context::cause() reports.
  void operator()(const ContextError* cause = nullptr) const;

 private:
  std::shared_ptr<detail::ContextState> state_;
};

struct Cancelable {
  Context ctx;
  CancelFunc cancel;
};

Context background();  // never done, no values, no deadline
Context todo();        // the same, where it is not clear yet which context belongs there

// These panic with "cannot create context from nil parent" if the parent was moved from.
Cancelable with_cancel(const Context& parent);
// Done at the deadline, or with the parent, or when cancelled. A deadline after the parent's
// changes nothing.
Cancelable with_deadline(const Context& parent, TimePoint deadline,
                         const ContextError* cause = nullptr);
Cancelable with_timeout(const Context& parent, Duration timeout,
                        const ContextError* cause = nullptr);
// Keeps the values, drops cancellation and deadline.
Context without_cancel(const Context& parent);

namespace detail {
Context with_value_erased(const Context& parent, const void* key, std::shared_ptr<const void> value);
std::function<bool()> context_after_func(const Context& ctx, std::function<void()> fn);
// How many children a context that can be cancelled would cancel with it.
size_t context_children_for_test(const Context& ctx);
}  // namespace detail

template <class T>
Context with_value(const Context& parent, const ContextKey<T>& key, std::type_identity_t<T> value) {
  return detail::with_value_erased(parent, &key, std::make_shared<const T>(std::move(value)));
}

// Runs fn in a goroutine of its own once ctx is done. The result prevents that when called: true if
// it did, false if fn was started or prevented before.
template <class F>
std::function<bool()> after_func(const Context& ctx, F fn) {
  return detail::context_after_func(ctx, std::function<void()>(std::move(fn)));
}

}  // namespace reprise
