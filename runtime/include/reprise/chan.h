// Chan<T>: a queue between goroutines, with or without a buffer.
//
// Unbuffered, a send and a receive meet: each waits for the other. Buffered, a send waits only
// while the buffer is full. Waiters are served first come, first served. Closing says that nothing
// more will be sent: what is buffered is still received, then every receive reports the end at once.
//
// Thread safety: any goroutine may do anything with its own handle. Ownership: a Chan is a
// shared reference, cheap to copy; the last one to go destroys what was never received.
//
// Elements only need to be movable. Moving happens outside the channel's lock, except for types
// whose move runs no code of the program's (see QuietlyMovable), so constructors may throw and may
// use the runtime. If building the element throws, nothing was sent; if moving it out throws in a
// receive, the element is lost with the exception.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <reprise/detail/chan_core.h>

namespace reprise {

template <class T>
class Chan;

// The element of channels that only signal.
struct Unit {};

// Types whose move constructor and destructor cannot throw, block, or call into the runtime, and
// which are worth keeping in the channel itself instead of in a box of their own. Specialise it for
// your own types that qualify.
template <class T>
inline constexpr bool kQuietlyMovable = std::is_trivially_copyable_v<T>;
template <class C, class Traits>
inline constexpr bool kQuietlyMovable<std::basic_string<C, Traits, std::allocator<C>>> = true;
template <class T>
inline constexpr bool kQuietlyMovable<std::unique_ptr<T, std::default_delete<T>>> = true;
template <class T>
inline constexpr bool kQuietlyMovable<std::shared_ptr<T>> = true;
template <class T>
inline constexpr bool kQuietlyMovable<std::vector<T, std::allocator<T>>> = true;
template <class T>
inline constexpr bool kQuietlyMovable<Chan<T>> = true;
template <class T>
inline constexpr bool kQuietlyMovable<std::optional<T>> = kQuietlyMovable<T>;
template <class A, class B>
inline constexpr bool kQuietlyMovable<std::pair<A, B>> = kQuietlyMovable<A> && kQuietlyMovable<B>;

namespace detail {

// What a channel of T's really carries, and where one lies between the program and the core:
// nothing, the T itself, or a pointer to a T in a box.
template <class T>
class Slot {
  static constexpr bool kEmpty = std::is_empty_v<T> && std::is_trivially_copyable_v<T> &&
                                 std::is_trivially_default_constructible_v<T>;
  static constexpr bool kBoxed = !kQuietlyMovable<T>;
  using Stored = std::conditional_t<kBoxed, T*, T>;

 public:
  Slot() = default;
  explicit Slot(T&& value) {
    if constexpr (kBoxed) {
      new (storage_) Stored(new T(std::move(value)));
    } else {
      new (storage_) Stored(std::move(value));
    }
    full_ = true;
  }
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;
  ~Slot() {
    if (full_) destroy(storage_);
  }

  void* address() { return storage_; }
  void set_full(bool full) { full_ = full; }  // the core took the element away, or put one here
  bool full() const { return full_; }

  // REQUIRES: full().
  T take() {
    full_ = false;
    if constexpr (kBoxed) {
      const std::unique_ptr<T> box(*stored());
      return std::move(*box);
    } else if constexpr (std::is_trivially_destructible_v<T>) {
      return std::move(*stored());
    } else {
      const Destroyer destroyer{stored()};
      return std::move(*stored());
    }
  }

  static const rt::ElemType kType;

 private:
  struct Destroyer {
    Stored* stored;
    ~Destroyer() { stored->~Stored(); }
  };

  Stored* stored() { return std::launder(reinterpret_cast<Stored*>(storage_)); }

  static void relocate(void* dst, void* src) noexcept {
    if constexpr (!std::is_trivially_copyable_v<Stored>) {
      auto* from = std::launder(static_cast<Stored*>(src));
      new (dst) Stored(std::move(*from));
      from->~Stored();
    }
  }
  static void destroy(void* elem) noexcept {
    auto* stored = std::launder(static_cast<Stored*>(elem));
    if constexpr (kBoxed) {
      delete *stored;
    } else {
      stored->~Stored();
    }
  }

  alignas(Stored) unsigned char storage_[sizeof(Stored)];
  bool full_ = false;
};

template <class T>
constexpr rt::ElemType Slot<T>::kType{
    .size = kEmpty ? 0 : sizeof(Stored),
    .align = kEmpty ? 1 : alignof(Stored),
    .relocate = std::is_trivially_copyable_v<Stored> ? nullptr : &Slot::relocate,
    .destroy = std::is_trivially_destructible_v<T> && !kBoxed ? nullptr : &Slot::destroy};

}  // namespace detail

template <class T>
class Chan {
  static_assert(std::is_object_v<T> && std::is_nothrow_destructible_v<T>);
  static_assert(std::is_move_constructible_v<T>);
  using Slot = detail::Slot<T>;

 public:
  using value_type = T;

  // A new channel; capacity 0 is unbuffered. Panics if it is negative or does not fit in memory.
  explicit Chan(int64_t capacity = 0) : c_(rt::makechan(&Slot::kType, capacity)) {}
  // No channel: sends and receives block for ever, a select never takes them.
  template <std::same_as<std::nullptr_t> Nil>  // not a plain parameter: Chan(0) means capacity 0
  Chan(Nil) : c_(nullptr) {}

  Chan(const Chan& other) : c_(other.c_) { rt::chan_retain(c_); }
  Chan(Chan&& other) noexcept : c_(std::exchange(other.c_, nullptr)) {}
  Chan& operator=(Chan other) noexcept {
    std::swap(c_, other.c_);
    return *this;
  }
  ~Chan() { rt::chan_release(c_); }

  // Blocks the goroutine until the element is received or buffered. Panics if the channel is
  // closed, also when it is closed while the send waits.
  void send(T value) const {
    Slot slot(std::move(value));
    rt::chansend(c_, slot.address(), true);
    slot.set_full(false);
  }
  // False, at once, if the send would block; `value` is gone either way.
  bool try_send(T value) const {
    Slot slot(std::move(value));
    const bool sent = rt::chansend(c_, slot.address(), false);
    if (sent) slot.set_full(false);
    return sent;
  }

  // Blocks the goroutine until there is an element or the channel is closed and drained: nullopt.
  std::optional<T> recv() const {
    Slot slot;
    return result(slot, rt::chanrecv(c_, slot.address(), true));
  }
  // The same into `out`; false at the end, with `out` unchanged.
  bool recv(T& out) const
    requires std::movable<T>
  {
    Slot slot;
    slot.set_full(rt::chanrecv(c_, slot.address(), true).received);
    if (!slot.full()) return false;
    out = slot.take();
    return true;
  }
  // nullopt, at once, if there is nothing to receive. *ended tells whether there ever will be.
  std::optional<T> try_recv(bool* ended = nullptr) const {
    Slot slot;
    const rt::RecvResult r = rt::chanrecv(c_, slot.address(), false);
    if (ended != nullptr) *ended = r.selected && !r.received;
    return result(slot, r);
  }

  // Panics if it is closed already, or nil.
  void close() const { rt::closechan(c_); }

  int64_t len() const { return rt::chanlen(c_); }  // elements in the buffer
  int64_t cap() const { return rt::chancap(c_); }

  explicit operator bool() const { return c_ != nullptr; }
  friend bool operator==(const Chan& a, const Chan& b) { return a.c_ == b.c_; }

  // for (T v : ch): receives until the end.
  class Iterator {
   public:
    using iterator_concept = std::input_iterator_tag;
    using value_type = T;
    using difference_type = std::ptrdiff_t;

    explicit Iterator(const Chan& ch) : ch_(ch), current_(ch_.recv()) {}
    T&& operator*() const { return std::move(*current_); }
    Iterator& operator++() {
      next();
      return *this;
    }
    void operator++(int) { next(); }
    bool operator==(std::default_sentinel_t) const { return !current_.has_value(); }

   private:
    // In place, so that T need not be assignable.
    void next() {
      current_.reset();
      if (std::optional<T> received = ch_.recv()) current_.emplace(std::move(*received));
    }

    Chan ch_;
    mutable std::optional<T> current_;
  };
  Iterator begin() const { return Iterator(*this); }
  std::default_sentinel_t end() const { return {}; }

  rt::hchan* core() const { return c_; }

 private:
  static std::optional<T> result(Slot& slot, rt::RecvResult r) {
    slot.set_full(r.received);
    if (!r.received) return std::nullopt;
    return slot.take();
  }

  rt::hchan* c_;
};

}  // namespace reprise
