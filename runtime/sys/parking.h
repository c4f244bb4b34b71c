// Waiting on an address: the one place where interposed locks, conditions, semaphores, joins and
// futexes put a goroutine to sleep, or a thread.
//
// Like a futex whose waiters may be goroutines: park() sleeps on a key if a condition still holds,
// unpark() wakes who sleeps there. A goroutine parks, so its M goes on; a thread of the program
// sleeps in the kernel. Waiters of a key stand in order of arrival; which of several goroutines is
// woken is a `wake` decision. The state of the object stays in the object, whose address is the key;
// the table holds waiters only, so static initialisers need no help, and an object that nobody
// waits for costs nothing.
//
// Thread safety: any goroutine, any thread, g0 (which sleeps as a thread does). Signal handlers may
// not call unpark: sem_post comes here only if somebody waits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <ctime>
#include <type_traits>

#include "runtime/sched/g_m_p.h"

namespace reprise::rt {

enum class Parked : uint8_t {
  woken,      // by unpark()
  timed_out,
  not_needed  // the condition no longer held
};

struct Deadline {
  clockid_t clock;  // CLOCK_REALTIME or CLOCK_MONOTONIC
  timespec at;      // absolute
};

// The caller runs on a goroutine that may park: not on g0, not within the runtime's locks.
bool on_goroutine();

// Sleeps on `key` if still(arg), called under the table's lock, says so. Null deadline: for ever.
Parked park(const void* key, bool (*still)(const void*), const void* arg, WaitReason reason,
            const Deadline* deadline);

// The same with a function object.
template <class F>
Parked park(const void* key, WaitReason reason, const Deadline* deadline, const F& still) {
  return park(key, [](const void* arg) { return (*static_cast<const F*>(arg))(); }, &still, reason,
              deadline);
}

// The next park() of this goroutine lets nobody of a ring of waiters ever run again: ends the run if others go on.
// REQUIRES: ends_when_stuck().
void next_park_is_for_ever();

// Wakes up to `count` waiters; returns how many.
size_t unpark(const void* key, size_t count);
inline constexpr size_t kAllWaiters = SIZE_MAX;

// What is left until the deadline on its clock; may be negative.
int64_t remaining_ns(const Deadline& deadline);

// 0, or EINVAL for a time that POSIX refuses.
int check_deadline(clockid_t clock, const timespec* at);

}  // namespace reprise::rt
