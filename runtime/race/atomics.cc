// __tsan_atomic*: the atomic operations of checked code, each a scheduling point on the object's memory.
//
// Carried out as written by the program, but for the order: never weaker. One goroutine runs at a time under
// a policy, so what weaker orders would allow beyond interleaving is not explored.
#include <cstdint>

#include "runtime/race/access.h"
#include "runtime/race/objects.h"
#include "runtime/race/sync.h"
#include "runtime/race/task.h"
#include "runtime/race/wide_atomic.h"

namespace race = reprise::race;
using reprise::seam::OpKind;

namespace {

// Both compilers number the orders so; higher bits are hints.
enum Order : int { relaxed, consume, acquire, release, acq_rel, seq_cst };
Order order_of(int value) { return static_cast<Order>(value & 7); }
bool acquires(Order o) { return o != relaxed && o != release; }
bool releases(Order o) { return o >= release; }

// Announces the operation and tells the detector. Null: nobody looks.
[[gnu::always_inline]] inline race::Task* begin(const volatile void* at, OpKind op, const void* pc) {
  const auto stack = reinterpret_cast<uint64_t>(__builtin_frame_address(0));
  race::Task* const task = race::running_task(stack);
  const auto address = reinterpret_cast<uint64_t>(at);
  if (task == nullptr || race::is_thread_local(task, address)) return nullptr;
  if (task->points_at_atomic) {
    task->points_at_atomic = false;
  } else {
    race::point(task, address, op, op != OpKind::atomic_load, pc);
  }
  return task;
}

// The bare operations, by size.
template <class T>
T bare_load(const volatile T* at) { return __atomic_load_n(at, __ATOMIC_SEQ_CST); }
race::Wide bare_load(const volatile race::Wide* at) { return race::wide_load(at); }

template <class T>
void bare_store(volatile T* at, T value, Order o) {
  if (o == seq_cst) return __atomic_store_n(at, value, __ATOMIC_SEQ_CST);
  __atomic_store_n(at, value, __ATOMIC_RELEASE);
}
void bare_store(volatile race::Wide* at, race::Wide value, Order) { race::wide_exchange_n(at, value, __ATOMIC_SEQ_CST); }

template <class T>
bool bare_exchange_if(volatile T* at, T* expected, T desired) {
  return __atomic_compare_exchange_n(at, expected, desired, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}
bool bare_exchange_if(volatile race::Wide* at, race::Wide* expected, race::Wide desired) {
  return race::wide_exchange_if(at, expected, desired);
}

template <class T>
[[gnu::always_inline]] inline T load(const volatile T* at, int o, const void* pc) {
  race::Task* const task = begin(at, OpKind::atomic_load, pc);
  const T value = bare_load(at);
  if (task != nullptr) race::atomic_load(task, reinterpret_cast<uint64_t>(at), sizeof(T), acquires(order_of(o)), pc);
  return value;
}

template <class T>
[[gnu::always_inline]] inline void store(volatile T* at, T value, int o, const void* pc) {
  if (race::Task* const task = begin(at, OpKind::atomic_store, pc)) {
    race::atomic_store(task, reinterpret_cast<uint64_t>(at), sizeof(T), releases(order_of(o)), pc);
  }
  bare_store(at, value, order_of(o));
}

// `change(at)` makes the change and returns the old value.
template <class T, class Change>
[[gnu::always_inline]] inline T modify(volatile T* at, int o, const void* pc, Change change) {
  if (race::Task* const task = begin(at, OpKind::atomic_rmw, pc)) {
    race::atomic_modify(task, reinterpret_cast<uint64_t>(at), sizeof(T), acquires(order_of(o)), releases(order_of(o)), pc);
  }
  return change(at);
}

// A failure is a load of its own order. Never fails spuriously.
template <class T>
[[gnu::always_inline]] inline bool compare_exchange(volatile T* at, T* expected, T desired, int o, int failure,
                                                    const void* pc) {
  race::Task* const task = begin(at, OpKind::atomic_rmw, pc);
  const bool done = bare_exchange_if(at, expected, desired);
  if (task == nullptr) return done;
  const auto address = reinterpret_cast<uint64_t>(at);
  if (done) {
    race::atomic_modify(task, address, sizeof(T), acquires(order_of(o)), releases(order_of(o)), pc);
  } else {
    race::atomic_load(task, address, sizeof(T), acquires(order_of(failure)), pc);
  }
  return done;
}

}  // namespace

#define REPRISE_PC __builtin_return_address(0)
#define REPRISE_RMW(bits, T, name, builtin)                                                       \
  T __tsan_atomic##bits##_##name(volatile T* at, T value, int o) {                                \
    return modify(at, o, REPRISE_PC, [=](volatile T* p) { return builtin(p, value, __ATOMIC_SEQ_CST); }); \
  }
#define REPRISE_ATOMIC(bits, T, by)                                                               \
  T __tsan_atomic##bits##_load(const volatile T* at, int o) { return load(at, o, REPRISE_PC); }   \
  void __tsan_atomic##bits##_store(volatile T* at, T value, int o) { store(at, value, o, REPRISE_PC); } \
  REPRISE_RMW(bits, T, exchange, by##_exchange_n)                                             \
  REPRISE_RMW(bits, T, fetch_add, by##_fetch_add)                                             \
  REPRISE_RMW(bits, T, fetch_sub, by##_fetch_sub)                                             \
  REPRISE_RMW(bits, T, fetch_and, by##_fetch_and)                                             \
  REPRISE_RMW(bits, T, fetch_or, by##_fetch_or)                                               \
  REPRISE_RMW(bits, T, fetch_xor, by##_fetch_xor)                                             \
  REPRISE_RMW(bits, T, fetch_nand, by##_fetch_nand)                                           \
  int __tsan_atomic##bits##_compare_exchange_strong(volatile T* at, T* expected, T desired, int o, int f) { \
    return compare_exchange(at, expected, desired, o, f, REPRISE_PC);                             \
  }                                                                                               \
  int __tsan_atomic##bits##_compare_exchange_weak(volatile T* at, T* expected, T desired, int o, int f) { \
    return compare_exchange(at, expected, desired, o, f, REPRISE_PC);                             \
  }                                                                                               \
  T __tsan_atomic##bits##_compare_exchange_val(volatile T* at, T expected, T desired, int o, int f) { \
    compare_exchange(at, &expected, desired, o, f, REPRISE_PC);                                   \
    return expected;                                                                              \
  }

extern "C" {

REPRISE_ATOMIC(8, uint8_t, __atomic)
REPRISE_ATOMIC(16, uint16_t, __atomic)
REPRISE_ATOMIC(32, uint32_t, __atomic)
REPRISE_ATOMIC(64, uint64_t, __atomic)
REPRISE_ATOMIC(128, race::Wide, race::wide)

void __tsan_atomic_thread_fence(int o) {
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  race::Task* const task = race::running_task(reinterpret_cast<uint64_t>(__builtin_frame_address(0)));
  if (task != nullptr) race::atomic_fence(task, acquires(order_of(o)), releases(order_of(o)));
}
// Orders a thread and its own handlers only.
void __tsan_atomic_signal_fence(int) { __atomic_signal_fence(__ATOMIC_SEQ_CST); }

}  // extern "C"
