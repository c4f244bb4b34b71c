// The explored family of atomics: stands where runtime/sched/atomics.h has StdAtomics.
//
// Same operations and orders as std::atomic, no defaults added but those of the standard. Plain<T>
// is a variable that must not be raced on. Objects are made in the set-up of an execution or by its
// threads, and registered with it.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>

#include "tests/model/op.h"

namespace reprise::model {

// The engine's door (engine.cc).
struct Outcome {
  uint64_t value = 0;
  bool success = true;
};
int new_location(uint64_t value);
void name_location(int place, const std::string& name);
Outcome perform(const Op& op);
int new_lock();
int new_event();

struct PlainState {
  uint32_t written = 0;          // clock of the writer
  int writer = kMain;
  uint32_t reads[kClocks] = {};  // clocks of readers since
};
void plain_read(PlainState* state, const char* name);
void plain_write(PlainState* state, const char* name);

template <class T>
uint64_t to_bits(T value) {
  static_assert(sizeof(T) <= 8 && std::is_trivially_copyable_v<T>);
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  return bits;
}
template <class T>
T from_bits(uint64_t bits) {
  T value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

// WEAKEN maps an order to a weaker one: a bug seeded in one variable's orders.
struct AsWritten {
  static constexpr Order of(Order order) { return order; }
};
struct AllRelaxed {
  static constexpr Order of(Order) { return Order::relaxed; }
};

template <class T, class Weaken = AsWritten>
class Atomic {
 public:
  using value_type = T;

  Atomic(T value = T{}) : place_(new_location(to_bits(value))) {}
  Atomic(const Atomic&) = delete;
  Atomic& operator=(const Atomic&) = delete;
  Atomic& named(const std::string& name) {
    name_location(place_, name);
    return *this;
  }

  T load(Order order = Order::seq_cst) const {
    return from_bits<T>(perform(make(OpKind::load, order)).value);
  }
  void store(T value, Order order = Order::seq_cst) {
    Op op = make(OpKind::store, order);
    op.operand = to_bits(value);
    perform(op);
  }
  T exchange(T value, Order order = Order::seq_cst) {
    return from_bits<T>(modify(Rmw::exchange, to_bits(value), order));
  }
  T fetch_add(T value, Order order = Order::seq_cst) {
    return from_bits<T>(modify(Rmw::add, to_bits(value), order));
  }
  T fetch_sub(T value, Order order = Order::seq_cst) {
    return from_bits<T>(modify(Rmw::sub, to_bits(value), order));
  }
  T fetch_and(T value, Order order = Order::seq_cst) {
    return from_bits<T>(modify(Rmw::bit_and, to_bits(value), order));
  }
  T fetch_or(T value, Order order = Order::seq_cst) {
    return from_bits<T>(modify(Rmw::bit_or, to_bits(value), order));
  }
  T fetch_xor(T value, Order order = Order::seq_cst) {
    return from_bits<T>(modify(Rmw::bit_xor, to_bits(value), order));
  }
  bool compare_exchange_strong(T& expected, T desired, Order success, Order failure) {
    return compare_exchange(Rmw::cas_strong, expected, desired, success, failure);
  }
  bool compare_exchange_strong(T& expected, T desired, Order order = Order::seq_cst) {
    return compare_exchange(Rmw::cas_strong, expected, desired, order, failure_of(order));
  }
  bool compare_exchange_weak(T& expected, T desired, Order success, Order failure) {
    return compare_exchange(Rmw::cas_weak, expected, desired, success, failure);
  }
  bool compare_exchange_weak(T& expected, T desired, Order order = Order::seq_cst) {
    return compare_exchange(Rmw::cas_weak, expected, desired, order, failure_of(order));
  }

  int place() const { return place_; }

 private:
  static constexpr Order failure_of(Order order) {
    if (order == Order::acq_rel) return Order::acquire;
    return order == Order::release ? Order::relaxed : order;
  }
  Op make(OpKind kind, Order order) const {
    Op op;
    op.kind = kind;
    op.place = place_;
    op.order = Weaken::of(order);
    op.failure = Order::relaxed;
    op.mask = sizeof(T) == 8 ? ~uint64_t{0} : (uint64_t{1} << 8 * (sizeof(T) % 8)) - 1;
    return op;
  }
  uint64_t modify(Rmw rmw, uint64_t operand, Order order) {
    Op op = make(OpKind::rmw, order);
    op.rmw = rmw;
    op.operand = operand;
    return perform(op).value;
  }
  bool compare_exchange(Rmw rmw, T& expected, T desired, Order success, Order failure) {
    Op op = make(OpKind::rmw, success);
    op.rmw = rmw;
    op.failure = Weaken::of(failure);
    op.expected = to_bits(expected);
    op.operand = to_bits(desired);
    const Outcome outcome = perform(op);
    if (!outcome.success) expected = from_bits<T>(outcome.value);
    return outcome.success;
  }

  const int place_;
};

template <class T>
class Plain {
 public:
  Plain(T value = T{}) : value_(value) { plain_write(&state_, name_); }
  Plain(const Plain& other) : value_(other) { plain_write(&state_, name_); }
  Plain& operator=(const Plain& other) { return *this = static_cast<T>(other); }
  Plain& operator=(T value) {
    plain_write(&state_, name_);
    value_ = value;
    return *this;
  }
  operator T() const {
    plain_read(&state_, name_);
    return value_;
  }
  T operator->() const { return *this; }
  Plain& named(const char* name) {
    name_ = name;
    return *this;
  }

 private:
  T value_;
  const char* name_ = "a plain variable";
  mutable PlainState state_;
};

inline void fence(Order order) {
  Op op;
  op.kind = OpKind::fence;
  op.order = order;
  perform(op);
}

// A loop that waits for others says so: it goes on when each of them has moved once, or cannot (the fair
// schedules of CHESS, OSDI 2008).
inline void pause() {
  Op op;
  op.kind = OpKind::pause;
  perform(op);
}

// The kernel's: waits if word is value. It reads the word after it has queued itself, under the lock
// of its bucket, and a wake looks at the queue under that lock after all that its thread did before:
// so either the wake finds the waiter or the waiter reads what the waker had written.
bool futex_wait(const Atomic<uint32_t>& word, uint32_t value);
void futex_wake(const Atomic<uint32_t>& word, int count);

// A lock that works, for what is not under test.
class Lock {
 public:
  Lock() : lock_(new_lock()) {}
  template <class Rank>
  explicit Lock(Rank) : Lock() {}  // as rt::Lock is made
  void lock() { step(OpKind::lock); }
  void unlock() { step(OpKind::unlock); }

 private:
  void step(OpKind kind) {
    Op op;
    op.kind = kind;
    op.place = lock_;
    perform(op);
  }
  const int lock_;
};

// What a thread waits for until another sets it; the wait resets it. For sleeping and waking where
// the futex protocol below it is not under test.
class Event {
 public:
  Event() : event_(new_event()) {}
  void wait() { step(OpKind::lock); }
  void set() { step(OpKind::unlock); }

 private:
  void step(OpKind kind) {
    Op op;
    op.kind = kind;
    op.place = event_;
    perform(op);
  }
  const int event_;
};

struct ModelAtomics {
  template <class T>
  using Atomic = model::Atomic<T>;
  template <class T>
  using Plain = model::Plain<T>;
  static void fence(Order order) { model::fence(order); }
};

}  // namespace reprise::model
