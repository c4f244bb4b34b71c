// One operation of an explored thread, as it is announced before it is executed.
#pragma once

#include <cstdint>

#include "tests/model/memory.h"

namespace reprise::model {

enum class OpKind : uint8_t {
  none,
  load, store, rmw, fence,
  lock, unlock,             // of model::Lock
  futex_wait, resume,       // resume: after the wake-up
  futex_wake,
  pause,                    // a loop that waits for others
};

// What a read-modify-write computes.
enum class Rmw : uint8_t { exchange, add, sub, bit_and, bit_or, bit_xor, cas_strong, cas_weak };

struct Op {
  OpKind kind = OpKind::none;
  Rmw rmw = Rmw::exchange;
  int place = -1;           // location, or number of the lock
  Order order = Order::seq_cst;
  Order failure = Order::seq_cst;
  uint64_t operand = 0;     // stored, added, ...; how many to wake
  uint64_t expected = 0;
  uint64_t mask = ~uint64_t{0};  // the type's width

  bool may_read() const {
    return kind == OpKind::load || kind == OpKind::rmw || kind == OpKind::futex_wait;
  }
  bool may_write() const { return kind == OpKind::store || kind == OpKind::rmw; }
  bool is_access() const {
    return kind == OpKind::load || kind == OpKind::store || kind == OpKind::rmw;
  }
  bool is_sc_access() const {
    return is_access() && (sequential(order) || (kind == OpKind::rmw && sequential(failure)));
  }
  bool is_sc_fence() const { return kind == OpKind::fence && sequential(order); }
  bool is_futex() const { return kind == OpKind::futex_wait || kind == OpKind::futex_wake; }
};

// What came of it.
struct Done {
  Op op;
  bool wrote = false;
};

}  // namespace reprise::model
