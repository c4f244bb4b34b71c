// FdMutex: serialises readers, serialises writers, and keeps a descriptor open while it is in use.
//
// One 64-bit word (fd_mutex_word.h). Closing wakes all waiters, whose lock attempts then fail.
//
// Thread safety: any goroutine. Blocks the G.
#pragma once

#include <atomic>
#include <cstdint>

#include "runtime/poll/fd_mutex_word.h"
#include "runtime/sched/g_m_p.h"
#include "runtime/sched/lock.h"

namespace reprise::rt {

// A counting semaphore, first in first out, for the runtime's own waits: no scheduling point of its
// own, no decision.
class FdSemaphore {
 public:
  void acquire();
  void release();

 private:
  struct Waiter;

  Lock lock_{LockRank::fd_semaphore};
  uint32_t count_ = 0;        // lock_
  Waiter* head_ = nullptr;    // lock_
  Waiter* tail_ = nullptr;    // lock_
};

class FdMutex {
 public:
  // Each is false if the descriptor is closed; then nothing was taken.
  bool incref();
  bool increfAndClose();  // takes a reference and closes; false if already closed
  // In line, as the two that follow: which side it is is known to the caller, and nobody waits mostly.
  bool rwlock(bool read) {
    return fd_word_lock(state_, read, [this, read] { semaphore(read).acquire(); });
  }

  // Each is true if the last reference went and the descriptor is closed: destroy it now.
  bool decref() { return fd_word_decref(state_); }
  bool rwunlock(bool read) {
    return fd_word_unlock(state_, read, [this, read] { semaphore(read).release(); });
  }

  bool closed() const;

 private:
  FdSemaphore& semaphore(bool read) { return read ? rsema_ : wsema_; }

  std::atomic<uint64_t> state_{0};
  FdSemaphore rsema_;
  FdSemaphore wsema_;
};

}  // namespace reprise::rt
