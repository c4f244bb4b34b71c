// The table of waiters, hashed by address.
//
// Invariants, under the bucket's lock: a waiter is on its bucket's list exactly while it is `queued`;
// whoever takes it off (unpark, the timer, the sleeper's own timeout) sets why, and alone wakes it.
// The list is in order of arrival over all keys of the bucket, so the order within a key does not
// depend on which keys share it.
//
// No lost wakeup: the condition is read under the lock, and whoever changes it calls unpark(), which
// takes the same lock, afterwards.
//
// The lock is not held while goroutines are readied or threads woken: goready() has locks of its own.
#include "runtime/sys/parking.h"

#include <linux/futex.h>
#include <sys/syscall.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "runtime/panic/fatal.h"
#include "runtime/race/race.h"
#include "runtime/sched/idle.h"
#include "runtime/sched/lock.h"
#include "runtime/sched/proc.h"
#include "runtime/sched/seam.h"
#include "runtime/sys/syscall.h"
#include "runtime/time/clock.h"
#include "runtime/time/timer.h"

namespace reprise::rt {
namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr size_t kFewWaiters = 16;  // of one key, who are looked at without an allocation

struct Waiter {
  const void* key = nullptr;
  G* gp = nullptr;      // null: a thread
  uint64_t ticket = 0;
  bool queued = false;
  bool woken = false;      // taken off by unpark(), or never queued
  bool timed_out = false;  // goroutine: the timer has fired, perhaps before it was queued
  std::atomic<uint32_t> fired{0};  // a thread's futex word
  Waiter* prev = nullptr;
  Waiter* next = nullptr;
};

struct Bucket {
  Lock lock{LockRank::parking};
  Waiter* head = nullptr;  // lock
  Waiter* tail = nullptr;  // lock
  uint64_t tickets = 0;    // lock

  void append(Waiter* w);
  void remove(Waiter* w);
};

constexpr size_t kBuckets = 509;  // prime
constinit Bucket buckets[kBuckets];

Bucket& bucket_of(const void* key) {
  return buckets[(reinterpret_cast<uintptr_t>(key) >> 2) % kBuckets];
}

void Bucket::append(Waiter* w) {
  w->ticket = ++tickets;
  w->queued = true;
  w->prev = tail;
  (tail != nullptr ? tail->next : head) = w;
  tail = w;
}

void Bucket::remove(Waiter* w) {
  (w->prev != nullptr ? w->prev->next : head) = w->next;
  (w->next != nullptr ? w->next->prev : tail) = w->prev;
  w->prev = w->next = nullptr;
  w->queued = false;
}

// The timer of a goroutine's wait; g0, of any M. It may come before the goroutine is queued, which
// then finds timed_out set, or after somebody woke it, which then stands.
void expire(void* arg, uint64_t, int64_t) {
  auto* w = static_cast<Waiter*>(arg);
  Bucket& bucket = bucket_of(w->key);
  bucket.lock.lock();
  const bool ours = w->queued;
  if (ours) bucket.remove(w);
  if (ours || !w->woken) w->timed_out = true;
  bucket.lock.unlock();
  if (ours) goready(w->gp);
}

// Of the goroutine that is about to park. Under a policy one runs at a time.
constinit bool for_ever = false;

// The goroutine waits by now. Where nobody else goes on either, the scheduler says so in its own words.
bool park_for_ever(G*, void* lock) {
  static_cast<Lock*>(lock)->unlock();
  if (ready_size() != 0 || timers_pending() || netpoll_waiting()) partial_deadlock();
  return true;
}

Parked park_goroutine(const void* key, bool (*still)(const void*), const void* arg,
                      WaitReason reason, const Deadline* deadline) {
  const bool last = std::exchange(for_ever, false);
  Waiter w;
  w.key = key;
  w.gp = curg();
  int64_t left = 0;
  std::optional<Timer> timer;
  if (deadline != nullptr) {
    left = remaining_ns(*deadline);
    if (left > 0) timer.emplace(expire, &w);
  }
  Bucket& bucket = bucket_of(key);
  if (timer) timer_start(&*timer, when_after(left), 0);
  bucket.lock.lock();
  const bool wanted = still(arg);
  if (!wanted || w.timed_out || (deadline != nullptr && left <= 0)) {
    w.woken = true;
    bucket.lock.unlock();
    if (timer) timer_stop(&*timer);
    return wanted ? Parked::timed_out : Parked::not_needed;
  }
  bucket.append(&w);
  if (__builtin_expect(last, 0)) {
    gopark(park_for_ever, &bucket.lock, reason);
  } else {
    goparkunlock(&bucket.lock, reason);
  }
  if (timer) timer_stop(&*timer);
  return w.timed_out ? Parked::timed_out : Parked::woken;
}

// Sleeps until `fired`, or the deadline. False: the deadline came.
bool sleep_as_thread(Waiter& w, const Deadline* deadline) {
  int op = FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG;
  if (deadline != nullptr && deadline->clock == CLOCK_REALTIME) op |= FUTEX_CLOCK_REALTIME;
  const timespec* at = deadline != nullptr ? &deadline->at : nullptr;
  while (w.fired.load(std::memory_order_acquire) == 0) {
    const long result =
        sys::call(SYS_futex, &w.fired, op, 0, at, nullptr, FUTEX_BITSET_MATCH_ANY);
    if (result == -ETIMEDOUT) return false;
  }
  return true;
}

Parked park_thread(const void* key, bool (*still)(const void*), const void* arg,
                   const Deadline* deadline) {
  Waiter w;
  w.key = key;
  Bucket& bucket = bucket_of(key);
  bucket.lock.lock();
  if (!still(arg)) {
    bucket.lock.unlock();
    return Parked::not_needed;
  }
  bucket.append(&w);
  bucket.lock.unlock();
  if (sleep_as_thread(w, deadline)) return race_acquire(&w.fired), Parked::woken;
  bucket.lock.lock();
  const bool ours = w.queued;
  if (ours) bucket.remove(&w);
  bucket.lock.unlock();
  if (ours) return Parked::timed_out;
  sleep_as_thread(w, nullptr);  // somebody is about to wake us and still looks at `w`
  return Parked::woken;
}

// Which of the waiters is woken. Threads go in order of arrival among themselves and before
// goroutines that came later; the policy chooses between goroutines.
Waiter* choose(std::span<Waiter*> waiting) {
  if (getg() == nullptr) return waiting.front();
  if (std::any_of(waiting.begin(), waiting.end(), [](Waiter* w) { return w->gp == nullptr; }))
    return waiting.front();
  std::sort(waiting.begin(), waiting.end(),
            [](const Waiter* a, const Waiter* b) { return a->gp->goid < b->gp->goid; });
  const auto choose_of = [waiting](seam::Candidate* room) {
    for (size_t i = 0; i < waiting.size(); ++i) {
      const Waiter* const w = waiting[i];
      room[i] = {.goroutine = w->gp->name,
                 .goid = w->gp->goid,
                 .ready_step = w->ticket,
                 .op = w->gp->op,
                 .site = w->gp->op_site,
                 .accesses = {}};
    }
    return waiting[seam_choose(seam::DecisionKind::wake, std::span(room, waiting.size()))];
  };
  if (waiting.size() > kFewWaiters) return choose_of(std::vector<seam::Candidate>(waiting.size()).data());
  seam::Candidate room[kFewWaiters];
  return choose_of(room);
}

void wake(Waiter* w) {
  if (w->gp != nullptr) return goready(w->gp);
  // Once `fired` is set the waiter may be gone; only its address is used from there on.
  std::atomic<uint32_t>* const word = &w->fired;
  race_release(word);
  word->store(1, std::memory_order_release);
  sys::call(SYS_futex, word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, nullptr, nullptr, 0);
}

// Takes w off the list for a wake-up.
Waiter* take(Bucket& bucket, Waiter* w) {
  bucket.remove(w);
  w->woken = true;
  return w;
}

Waiter* next_of(const void* key, Waiter* from) {
  while (from != nullptr && from->key != key) from = from->next;
  return from;
}

// Takes the chosen waiter of the key off the list; null if there is none.
Waiter* take_one(const void* key) {
  Bucket& bucket = bucket_of(key);
  Waiter* const first = next_of(key, bucket.head);
  if (first == nullptr) return nullptr;
  if (!seam_active || next_of(key, first->next) == nullptr) return take(bucket, first);
  size_t count = 0;
  for (Waiter* w = first; w != nullptr; w = next_of(key, w->next)) ++count;
  const auto take_of = [&](Waiter** room) {
    Waiter** end = room;
    for (Waiter* w = first; w != nullptr; w = next_of(key, w->next)) *end++ = w;
    return take(bucket, choose({room, end}));
  };
  if (count > kFewWaiters) return take_of(std::vector<Waiter*>(count).data());
  Waiter* room[kFewWaiters];
  return take_of(room);
}

// Takes up to `count` off, in order of arrival, linked by next.
Waiter* take_many(const void* key, size_t count) {
  Bucket& bucket = bucket_of(key);
  Waiter* first = nullptr;
  Waiter** link = &first;
  for (Waiter *w = bucket.head, *next; w != nullptr && count > 0; w = next) {
    next = w->next;
    if (w->key != key) continue;
    take(bucket, w);
    *link = w;
    link = &w->next;
    --count;
  }
  return first;
}

}  // namespace

bool on_goroutine() {
  const G* gp = getg();
  return gp != nullptr && gp->ctx.m != nullptr && gp->ctx.m->ctx.curg == gp &&
         gp->ctx.m->locks == 0;
}

Parked park(const void* key, bool (*still)(const void*), const void* arg, WaitReason reason,
            const Deadline* deadline) {
  return on_goroutine() ? park_goroutine(key, still, arg, reason, deadline)
                        : park_thread(key, still, arg, deadline);
}

void next_park_is_for_ever() { for_ever = true; }

size_t unpark(const void* key, size_t count) {
  Bucket& bucket = bucket_of(key);
  bucket.lock.lock();
  Waiter* w = count == 1 ? take_one(key) : take_many(key, count);
  bucket.lock.unlock();
  size_t woken = 0;
  while (w != nullptr) {
    Waiter* const next = w->next;
    wake(w);
    w = next;
    ++woken;
  }
  return woken;
}

int64_t remaining_ns(const Deadline& deadline) {
  const int64_t now = deadline.clock == CLOCK_REALTIME ? walltime() : nanotime();
  if (deadline.at.tv_sec > INT64_MAX / kSecond - 1) return INT64_MAX / 2;
  if (deadline.at.tv_sec < 0) return -1;
  return deadline.at.tv_sec * kSecond + deadline.at.tv_nsec - now;
}

int check_deadline(clockid_t clock, const timespec* at) {
  const bool valid = (clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC) && at->tv_nsec >= 0 &&
                     at->tv_nsec < kSecond;
  return valid ? 0 : EINVAL;
}

}  // namespace reprise::rt
