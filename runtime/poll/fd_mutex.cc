// FdMutex, after the reference's internal/poll: one word (fd_mutex_word.h), and two semaphores for those
// who wait.
#include "runtime/poll/fd_mutex.h"

#include "runtime/sched/proc.h"

namespace reprise::rt {

struct FdSemaphore::Waiter {
  G* gp = nullptr;
  Waiter* next = nullptr;
};

void FdSemaphore::acquire() {
  Waiter waiter;
  lock_.lock();
  if (count_ > 0) {
    count_--;
    lock_.unlock();
    return;
  }
  waiter.gp = curg();
  (head_ ? tail_->next : head_) = &waiter;
  tail_ = &waiter;
  goparkunlock(&lock_, WaitReason::semacquire);
}

void FdSemaphore::release() {
  lock_.lock();
  Waiter* waiter = head_;
  G* gp = nullptr;
  if (waiter) {
    head_ = waiter->next;
    gp = waiter->gp;
  } else {
    count_++;
  }
  lock_.unlock();
  if (gp) goready(gp);
}

bool FdMutex::incref() { return fd_word_incref(state_); }

bool FdMutex::increfAndClose() {
  return fd_word_incref_and_close(state_, [this](bool read) { semaphore(read).release(); });
}

bool FdMutex::closed() const { return state_.load(std::memory_order_acquire) & kFdClosed; }

}  // namespace reprise::rt
