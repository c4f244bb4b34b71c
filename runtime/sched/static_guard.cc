// __cxa_guard_*: the initialisation of function-local statics, aware of goroutines.
//
// The C++ library's version blocks the thread, and with it every goroutine, the initialising one
// included, which may have parked in the initialiser. Here a goroutine that finds an initialisation
// under way parks; a thread that the runtime does not know sleeps on the guard's word.
//
// The guard is 64 bits, the compiler reads its first byte: 1 means initialised. Ours: the low word is
// 0, kPending (perhaps with kThreadWaits), or kDone; the high word names the initialising goroutine
// or thread while pending, to tell recursion from waiting, and is 0 otherwise.
//
// Works before the runtime is up and when it is gone: static constructors use it first.
//
// ThreadSanitizer brings its own, which holds the thread; there these functions are linked in its stead
// (-Wl,--wrap, CMakeLists.txt).
#include <cxxabi.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <climits>

#include "asm/asm.h"
#include "runtime/race/race.h"
#include "runtime/sched/sched.h"

namespace reprise::rt {

namespace {

constexpr uint32_t kDone = 1;
constexpr uint32_t kPending = 1u << 8;
constexpr uint32_t kThreadWaits = 1u << 16;

struct Guard {
  std::atomic<uint32_t> state;
  std::atomic<uint32_t> owner;
};
static_assert(sizeof(Guard) == sizeof(uint64_t));

// On the waiting goroutine's stack.
struct Waiter {
  Guard* guard;
  G* gp;
  Waiter* next;
};

constinit Lock waiters_lock{LockRank::static_guard};
Waiter* first_waiter = nullptr;  // waiters_lock; in order of arrival
Waiter* last_waiter = nullptr;   // waiters_lock

G* waiting_goroutine() {
  G* gp = getg();
  return gp != nullptr && gp == curg() ? gp : nullptr;
}

// Goroutines by id, threads by where their thread-local block lies; only compared for equality.
uint32_t self() {
  if (const G* gp = waiting_goroutine()) return static_cast<uint32_t>(gp->goid) | 1u << 31;
  return static_cast<uint32_t>(reinterpret_cast<uint64_t>(&reprise_tls_g) >> 4) & ~(1u << 31);
}

bool commit_wait(G* gp, void* arg) {
  auto* waiter = static_cast<Waiter*>(arg);
  const bool pending = (waiter->guard->state.load(std::memory_order_acquire) & kPending) != 0;
  if (pending) {
    waiter->gp = gp;
    (first_waiter == nullptr ? first_waiter : last_waiter->next) = waiter;
    last_waiter = waiter;
  }
  waiters_lock.unlock();
  return pending;
}

void wait_parked(Guard* guard) {
  Waiter waiter{guard, nullptr, nullptr};
  waiters_lock.lock();
  gopark(commit_wait, &waiter, WaitReason::semacquire);
}

void wait_asleep(Guard* guard, uint32_t seen) {
  if ((seen & kThreadWaits) == 0 &&
      !guard->state.compare_exchange_strong(seen, seen | kThreadWaits, std::memory_order_acquire)) {
    return;
  }
  syscall(SYS_futex, &guard->state, FUTEX_WAIT_PRIVATE, seen | kThreadWaits, nullptr, nullptr, 0);
}

// Takes the waiters of this guard off the list, in order.
Waiter* take_waiters(Guard* guard) {
  Waiter* taken = nullptr;
  Waiter** taken_end = &taken;
  Waiter** at = &first_waiter;
  last_waiter = nullptr;
  while (Waiter* waiter = *at) {
    if (waiter->guard != guard) {
      last_waiter = waiter;
      at = &waiter->next;
      continue;
    }
    *at = waiter->next;
    waiter->next = nullptr;
    *taken_end = waiter;
    taken_end = &waiter->next;
  }
  return taken;
}

void finish(Guard* guard, uint32_t state) {
  race_release(guard);
  guard->owner.store(0, std::memory_order_relaxed);
  const uint32_t before = guard->state.exchange(state, std::memory_order_acq_rel);
  if ((before & kThreadWaits) != 0) {
    syscall(SYS_futex, &guard->state, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
  }
  if (getg() == nullptr && !sched.booted) return;
  waiters_lock.lock();
  Waiter* waiter = take_waiters(guard);
  waiters_lock.unlock();
  while (waiter != nullptr) {
    Waiter* next = waiter->next;  // goready may end the frame that it lies in
    goready(waiter->gp);
    waiter = next;
  }
}

bool acquire(Guard* guard) {
  for (;;) {
    uint32_t seen = 0;
    if (guard->state.compare_exchange_strong(seen, kPending, std::memory_order_acq_rel)) {
      guard->owner.store(self(), std::memory_order_relaxed);
      return true;
    }
    if ((seen & 0xff) == kDone) {
      race_acquire(guard);
      return false;
    }
    if (guard->owner.load(std::memory_order_relaxed) == self()) {
      throw_("recursive initialization of a function-local static");
    }
    if (waiting_goroutine() != nullptr) {
      wait_parked(guard);
    } else {
      wait_asleep(guard, seen);
    }
  }
}

Guard* guard_of(__cxxabiv1::__guard* raw) { return reinterpret_cast<Guard*>(raw); }

}  // namespace
}  // namespace reprise::rt

#ifdef REPRISE_WRAPPED_GUARDS
#define __cxa_guard_acquire __wrap___cxa_guard_acquire
#define __cxa_guard_release __wrap___cxa_guard_release
#define __cxa_guard_abort __wrap___cxa_guard_abort
#endif

extern "C" {

int __cxa_guard_acquire(__cxxabiv1::__guard* raw) {
  return reprise::rt::acquire(reprise::rt::guard_of(raw)) ? 1 : 0;
}

void __cxa_guard_release(__cxxabiv1::__guard* raw) noexcept {
  reprise::rt::finish(reprise::rt::guard_of(raw), reprise::rt::kDone);
}

void __cxa_guard_abort(__cxxabiv1::__guard* raw) noexcept {
  reprise::rt::finish(reprise::rt::guard_of(raw), 0);
}

}  // extern "C"
