// pthread_create, join and detach: joining parks the goroutine, and threads of the program are known.
//
// Each thread of the program has a record from its creation to its join, or to its end if it is
// detached; its end is marked when its function has returned or pthread_exit has unwound it, and the
// joiner then needs libc's pthread_join only to collect it, which takes no longer than the thread's
// last instructions. Threads that the runtime makes for itself (on g0) have none.
#ifndef REPRISE_SANITIZED

#include <pthread.h>

#include <cerrno>
#include <new>

#include "runtime/poll/netpoll.h"
#include "runtime/sched/idle.h"
#include "runtime/sched/lock.h"
#include "runtime/sys/interpose.h"

namespace reprise::rt {
namespace {

struct ThreadRecord {
  void* (*function)(void*);
  void* arg;
  pthread_t id = 0;                 // records.lock; set by the creator
  std::atomic<uint32_t> ended{0};
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

class AtEnd {
 public:
  explicit AtEnd(ThreadRecord* record) : record_(record) {}
  ~AtEnd() {
    const bool last = running.fetch_sub(1, std::memory_order_relaxed) == 1;
    record_->ended.store(1, std::memory_order_release);
    unpark(&record_->ended, kAllWaiters);
    let_go(record_);
    if (last) netpoll_break();  // goroutines that all wait are a deadlock from now on
  }
  AtEnd(const AtEnd&) = delete;
  AtEnd& operator=(const AtEnd&) = delete;

 private:
  ThreadRecord* record_;
};

void* thread_start(void* arg) {
  auto* const record = static_cast<ThreadRecord*>(arg);
  const AtEnd at_end(record);
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
  const int error = libc_create(out, attr, thread_start, record);
  if (error != 0) {
    running.fetch_sub(1, std::memory_order_relaxed);
    delete record;
  } else if (made_detached(attr)) {
    let_go(record);
  } else {
    list(record, *out);
  }
  return error;
}

bool on_g0() {
  const G* gp = getg();
  return gp != nullptr && gp->ctx.m != nullptr && gp->ctx.m->ctx.g0 == gp;
}

}  // namespace

uint32_t program_threads() { return running.load(std::memory_order_relaxed); }

}  // namespace reprise::rt

using namespace reprise::rt;

extern "C" {

int pthread_create(pthread_t* out, const pthread_attr_t* attr, void* (*function)(void*),
                   void* arg) noexcept {
  static const auto libc_create = libc_function<Create>("pthread_create");
  if (on_g0()) return libc_create(out, attr, function, arg);
  seam_point(reprise::seam::OpKind::spawn, {});
  return create(libc_create, out, attr, function, arg);
}

int pthread_join(pthread_t thread, void** value) {
  static const auto libc_join = libc_function<int(pthread_t, void**)>("pthread_join");
  ThreadRecord* const record = pthread_equal(thread, pthread_self()) ? nullptr : find(thread, false);
  if (record == nullptr) return libc_join(thread, value);
  seam_point(reprise::seam::OpKind::wait, {});
  while (record->ended.load(std::memory_order_acquire) == 0)
    park(&record->ended, WaitReason::pthread_join, nullptr,
         [record] { return record->ended.load(std::memory_order_relaxed) == 0; });
  find(thread, true);
  const int error = libc_join(thread, value);
  let_go(record);
  return error;
}

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
