// Atomic<T>: std::atomic<T> whose every operation is a scheduling point, so that schedules can be
// recorded, replayed and searched between any two of them.
//
// Thread safety and ordering are std::atomic's; the default order is sequentially consistent. In
// native mode an operation costs what std::atomic's does and one predicted branch.
#pragma once

#include <atomic>

#include <reprise/detail/seam_hook.h>

namespace reprise {

template <class T>
class Atomic {
 public:
  using value_type = T;
  using Order = std::memory_order;
  static constexpr Order kSeqCst = std::memory_order_seq_cst;

  constexpr Atomic() noexcept : value_(T{}) {}
  constexpr Atomic(T value) noexcept : value_(value) {}  // implicit, as std::atomic's
  Atomic(const Atomic&) = delete;
  Atomic& operator=(const Atomic&) = delete;

  T load(Order order = kSeqCst) const {
    rt::point(rt::PointKind::atomic_load, name_);
    return value_.load(order);
  }
  void store(T value, Order order = kSeqCst) {
    rt::point(rt::PointKind::atomic_store, name_);
    value_.store(value, order);
  }
  T exchange(T value, Order order = kSeqCst) {
    modify();
    return value_.exchange(value, order);
  }
  // Never fails spuriously, so that its outcome depends on the schedule alone.
  bool compare_exchange(T& expected, T desired, Order order = kSeqCst) {
    modify();
    return value_.compare_exchange_strong(expected, desired, order);
  }

  T fetch_add(auto delta, Order order = kSeqCst) {
    modify();
    return value_.fetch_add(delta, order);
  }
  T fetch_sub(auto delta, Order order = kSeqCst) {
    modify();
    return value_.fetch_sub(delta, order);
  }
  T fetch_and(T bits, Order order = kSeqCst) {
    modify();
    return value_.fetch_and(bits, order);
  }
  T fetch_or(T bits, Order order = kSeqCst) {
    modify();
    return value_.fetch_or(bits, order);
  }
  T fetch_xor(T bits, Order order = kSeqCst) {
    modify();
    return value_.fetch_xor(bits, order);
  }

  operator T() const { return load(); }
  T operator=(T value) {
    store(value);
    return value;
  }
  T operator++() { return fetch_add(1) + 1; }
  T operator++(int) { return fetch_add(1); }
  T operator--() { return fetch_sub(1) - 1; }
  T operator--(int) { return fetch_sub(1); }
  T operator+=(T delta) { return fetch_add(delta) + delta; }
  T operator-=(T delta) { return fetch_sub(delta) - delta; }

 private:
  void modify() { rt::point(rt::PointKind::atomic_rmw, name_); }

  std::atomic<T> value_;
  rt::ObjectName name_;
};

}  // namespace reprise
