// pthread_create, join and detach, and C11's: joining parks the goroutine, and threads of the program
// are known.
//
// Each thread of the program has a record from its creation to its join, or to its end if it is
// detached; its end is marked when nothing of the program's is left to run on it, and the joiner then needs libc's
// pthread_join only to collect it, which takes no longer than the thread's last instructions. Threads that the runtime makes
// for itself (on g0) have none.
//
// A thread's function returns, or pthread_exit unwinds it; then come the destructors of its thread_locals and then, in up to
// four rounds, those of keys. Any of them may wait for a goroutine or wake one (promise::set_value_at_thread_exit does), so the end is
// marked by a key's destructor in the last round.
#ifndef REPRISE_SANITIZED

#include <pthread.h>
#include <threads.h>

#include <cerrno>
#include <climits>
#include <cstdint>
#include <new>

#include "runtime/panic/fatal.h"
#include "runtime/poll/netpoll.h"
#include "runtime/race/race.h"
#include "runtime/sched/idle.h"
#include "runtime/sched/lock.h"
#include "runtime/sys/interpose.h"

namespace reprise::rt {
namespace {

struct ThreadRecord {
  void* (*function)(void*);
  void* arg;
  void* race = nullptr;             // what the checked flavour knows it by
  pthread_t id = 0;                 // records.lock; set by the creator
  std::atomic<uint32_t> ended{0};
  uint32_t rounds = 0;              // of destructors of keys, so far; the thread
  uint32_t holders = 2;             // records.lock: the thread, and whoever may join it
  ThreadRecord* next = nullptr;     // records.lock
};

struct Records {
  Lock lock{LockRank::threads};
  ThreadRecord* first = nullptr;  // lock: those that may be joined
};
constinit Records records;
constinit std::atomic<uint32_t> running{0};

void let_go(ThreadRecord* record) {
  records.lock.lock();
  const bool last = --record->holders == 0;
  records.lock.unlock();
  if (last) delete record;
}

// The record of a thread that may be joined, taken off the list if so asked; null if there is none.
ThreadRecord* find(pthread_t id, bool take) {
  records.lock.lock();
  ThreadRecord** link = &records.first;
  while (*link != nullptr && (*link)->id != id) link = &(*link)->next;
  ThreadRecord* const record = *link;
  if (record != nullptr && take) *link = record->next;
  records.lock.unlock();
  return record;
}

void mark_end(ThreadRecord* record) {
  record->ended.store(1, std::memory_order_release);
  unpark(&record->ended, kAllWaiters);
  let_go(record);
  // After the joiner is runnable: in between nobody would run, and a deadlock would be reported. Release
  // with checkdead's acquire: who sees the lower count sees the joiner too.
  if (running.fetch_sub(1, std::memory_order_acq_rel) == 1) recheck_deadlock();  // goroutines that all wait are a deadlock from now on
}

void key_round(void* arg);

pthread_key_t end_key() {
  static const pthread_key_t key = [] {
    pthread_key_t made;
    if (pthread_key_create(&made, key_round) != 0) throw_("pthread_create: the program has taken all keys");
    return made;
  }();
  return key;
}

void at_end(ThreadRecord* record) {
  if (pthread_setspecific(end_key(), record) != 0) throw_("pthread_create: out of memory");
}

void key_round(void* arg) {
  auto* const record = static_cast<ThreadRecord*>(arg);
  if (++record->rounds < PTHREAD_DESTRUCTOR_ITERATIONS) return at_end(record);
  mark_end(record);
}

void* thread_start(void* arg) {
  auto* const record = static_cast<ThreadRecord*>(arg);
  at_end(record);
  if (race_hooks != nullptr) race_hooks->thread_starts(record->race);
  return record->function(record->arg);
}

bool made_detached(const pthread_attr_t* attr) {
  int state = PTHREAD_CREATE_JOINABLE;
  if (attr != nullptr) pthread_attr_getdetachstate(attr, &state);
  return state == PTHREAD_CREATE_DETACHED;
}

void list(ThreadRecord* record, pthread_t id) {
  records.lock.lock();
  record->id = id;
  record->next = records.first;
  records.first = record;
  records.lock.unlock();
}

using Create = int(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);

int create(Create* libc_create, pthread_t* out, const pthread_attr_t* attr,
           void* (*function)(void*), void* arg) {
  auto* const record = new (std::nothrow) ThreadRecord{function, arg};
  if (record == nullptr) return EAGAIN;
  // A thread may ready goroutines; without the poller's break nobody would notice.
  if (curg() != nullptr) netpollinit();
  running.fetch_add(1, std::memory_order_relaxed);
  if (race_hooks != nullptr) record->race = race_hooks->thread_made();
  const int error = libc_create(out, attr, thread_start, record);
  if (error != 0) {
    running.fetch_sub(1, std::memory_order_relaxed);
    if (race_hooks != nullptr) race_hooks->thread_over(record->race);
    delete record;
  } else if (made_detached(attr)) {
    let_go(record);
  } else {
    list(record, *out);
  }
  return error;
}

// A thread of C11's, whose function has another type. libc's own thrd_create would bypass us.
struct C11Start {
  thrd_start_t function;
  void* arg;
};

void* c11_start(void* arg) {
  const C11Start start = *static_cast<const C11Start*>(arg);
  delete static_cast<const C11Start*>(arg);
  return reinterpret_cast<void*>(static_cast<intptr_t>(start.function(start.arg)));
}

int c11_result(int error) {
  switch (error) {
    case 0: return thrd_success;
    case ENOMEM:
    case EAGAIN: return thrd_nomem;
    case ETIMEDOUT: return thrd_timedout;
    case EBUSY: return thrd_busy;
    default: return thrd_error;
  }
}

// The caller may wait for it: not itself, and not detached or unknown.
ThreadRecord* joinable(pthread_t thread) {
  return pthread_equal(thread, pthread_self()) ? nullptr : find(thread, false);
}

bool runs(const ThreadRecord* record) { return record->ended.load(std::memory_order_acquire) == 0; }

// False: the deadline passed first. Null deadline: for ever.
bool wait_for_end(const ThreadRecord* record, const Deadline* deadline) {
  while (runs(record)) {
    const Parked how = park(&record->ended, WaitReason::pthread_join, deadline,
                            [record] { return record->ended.load(std::memory_order_relaxed) == 0; });
    if (how == Parked::timed_out) return !runs(record);
  }
  return true;
}

// Its function is over: libc waits no longer than for the thread's last instructions.
int collect(ThreadRecord* record, pthread_t thread, void** value) {
  static const auto libc_join = libc_function<int(pthread_t, void**)>("pthread_join");
  find(thread, true);
  const int error = libc_join(thread, value);
  if (race_hooks != nullptr) race_hooks->thread_over(record->race);
  let_go(record);
  return error;
}

int join_before(pthread_t thread, void** value, clockid_t clock, const timespec* at) {
  static const auto libc_join =
      libc_function<int(pthread_t, void**, clockid_t, const timespec*)>("pthread_clockjoin_np");
  ThreadRecord* const record = joinable(thread);
  if (record == nullptr) return libc_join(thread, value, clock, at);
  if (at != nullptr) {
    if (const int error = check_deadline(clock, at)) return error;
  }
  seam_point(reprise::seam::OpKind::wait, {});
  const Deadline deadline = at != nullptr ? Deadline{clock, *at} : Deadline{};
  if (!wait_for_end(record, at != nullptr ? &deadline : nullptr)) return ETIMEDOUT;
  return collect(record, thread, value);
}

bool on_g0() {
  const G* gp = getg();
  return gp != nullptr && gp->ctx.m != nullptr && gp->ctx.m->ctx.g0 == gp;
}

}  // namespace

uint32_t program_threads() { return running.load(std::memory_order_acquire); }

// Once is enough: it stays.
void thread_of_libcs_calls() {
  static std::atomic<bool> known{false};
  if (!known.exchange(true, std::memory_order_relaxed)) running.fetch_add(1, std::memory_order_relaxed);
}

// Relaxed: the child has one thread.
void program_threads_are_gone(bool but_one) { running.store(but_one ? 1 : 0, std::memory_order_relaxed); }

}  // namespace reprise::rt

using namespace reprise::rt;

extern "C" {

int pthread_create(pthread_t* out, const pthread_attr_t* attr, void* (*function)(void*),
                   void* arg) noexcept {
  static const auto libc_create = libc_function<Create>("pthread_create");
  if (on_g0()) return libc_create(out, attr, function, arg);
  announce_call(reprise::seam::OpKind::spawn);
  return create(libc_create, out, attr, function, arg);
}

int pthread_join(pthread_t thread, void** value) {
  static const auto libc_join = libc_function<int(pthread_t, void**)>("pthread_join");
  ThreadRecord* const record = joinable(thread);
  if (record == nullptr) return libc_join(thread, value);
  seam_point(reprise::seam::OpKind::wait, {});
  wait_for_end(record, nullptr);
  return collect(record, thread, value);
}

int pthread_tryjoin_np(pthread_t thread, void** value) noexcept {
  static const auto libc_tryjoin = libc_function<int(pthread_t, void**)>("pthread_tryjoin_np");
  ThreadRecord* const record = joinable(thread);
  if (record == nullptr) return libc_tryjoin(thread, value);
  seam_point(reprise::seam::OpKind::wait, {});
  return runs(record) ? EBUSY : collect(record, thread, value);
}

int pthread_timedjoin_np(pthread_t thread, void** value, const timespec* at) {
  return join_before(thread, value, CLOCK_REALTIME, at);
}

int pthread_clockjoin_np(pthread_t thread, void** value, clockid_t clock, const timespec* at) {
  return join_before(thread, value, clock, at);
}

int thrd_create(thrd_t* out, thrd_start_t function, void* arg) {
  auto* const start = new (std::nothrow) C11Start{function, arg};
  if (start == nullptr) return thrd_nomem;
  const int error = pthread_create(out, nullptr, c11_start, start);
  if (error != 0) delete start;
  return c11_result(error);
}

int thrd_join(thrd_t thread, int* result) {
  void* value = nullptr;
  const int error = pthread_join(thread, &value);
  if (error == 0 && result != nullptr) *result = static_cast<int>(reinterpret_cast<intptr_t>(value));
  return c11_result(error);
}

int thrd_detach(thrd_t thread) { return c11_result(pthread_detach(thread)); }

void thrd_exit(int result) { pthread_exit(reinterpret_cast<void*>(static_cast<intptr_t>(result))); }

int pthread_detach(pthread_t thread) noexcept {
  static const auto libc_detach = libc_function<int(pthread_t)>("pthread_detach");
  ThreadRecord* const record = find(thread, true);
  const int error = libc_detach(thread);
  if (record != nullptr) let_go(record);
  return error;
}

void pthread_exit(void* value) {
  static const auto libc_exit = libc_function<void(void*)>("pthread_exit");
  if (on_goroutine()) throw_("pthread_exit on a goroutine: use goexit");
  libc_exit(value);
  __builtin_unreachable();
}

}  // extern "C"

#endif  // REPRISE_SANITIZED
