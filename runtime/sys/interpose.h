// What the interposed functions of libc share: libc's own versions, and names of objects.
//
// Every runtime/sys/*.cc that defines a symbol of libc is left out under sanitizers, which interpose
// the same ones.
#pragma once

#include <dlfcn.h>
#include <pthread.h>

#include <atomic>
#include <cerrno>
#include <cstdint>

#include "runtime/race/race.h"
#include "runtime/sched/proc.h"
#include "runtime/sched/stays.h"
#include "runtime/seam/decision.h"
#include "runtime/sys/parking.h"

namespace reprise::rt {

// libc's function of this name. The version matters for pthread_cond_*, which libc has twice.
template <class F>
F* libc_function(const char* name, const char* version = nullptr) {
  void* const found = version != nullptr ? dlvsym(RTLD_NEXT, name, version)
                                         : dlsym(RTLD_NEXT, name);
  return reinterpret_cast<F*>(found);
}

// The seam's name of an object of libc's, kept in a word of the object that its initialisers zero
// and libc does not use: given at the first use by a goroutine in a controlled run.
inline seam::ObjectId name_of_object(uint64_t* word) {
  std::atomic_ref<uint64_t> name(*word);
  // Relaxed: the name stands alone.
  uint64_t known = name.load(std::memory_order_relaxed);
  if (known == 0) {
    const uint64_t fresh = new_object_id().name;
    if (name.compare_exchange_strong(known, fresh, std::memory_order_relaxed)) known = fresh;
  }
  return {known, 0};
}

// Announces an operation on such an object. A scheduling point, if on a goroutine, which goes on on the same thread (stays.h); the
// checked flavour hears of threads too.
inline void announce_object(seam::OpKind op, uint64_t* word, bool write) {
  if (!seam_attends()) return;
  if (!seam_active) return preempt_point_on_thread();
  if (!on_goroutine() && (race_hooks == nullptr || getg() != nullptr)) return;
  const StaysOnThread stays;
  seam_point(op, name_of_object(word), write);
}

// The same for an operation that names no object.
inline void announce_call(seam::OpKind op) {
  if (!seam_attends()) return;
  if (!seam_active) return preempt_point_on_thread();
  const StaysOnThread stays;
  seam_point(op, {});
}

// Who holds a lock, as it is written in the lock: never 0, differs between goroutines and threads.
uint32_t lock_owner_id();

// Locks of kinds that belong to a thread by libc's or the kernel's doing (robust, priority
// inheriting, shared between processes) pin the goroutine that uses them to a thread of its own.
class PinnedCall {
 public:
  PinnedCall() : pinned_(on_goroutine()) {
    if (pinned_) lock_os_thread();
  }
  ~PinnedCall() {
    if (pinned_ && !kept_) unlock_os_thread();
  }
  PinnedCall(const PinnedCall&) = delete;
  PinnedCall& operator=(const PinnedCall&) = delete;
  // The goroutine holds the lock now, and stays where it is until it unlocks.
  void keep() { kept_ = true; }

 private:
  bool pinned_;
  bool kept_ = false;
};

// Takes a lock of libc's on a goroutine: attempt() until it answers other than EBUSY, sleeping in
// between, because a call that waits inside libc would hold the P. ETIMEDOUT after the deadline.
void sleep_between_attempts();
template <class Attempt>
int attempt_until(const Deadline* deadline, Attempt attempt) {
  for (;;) {
    const int result = attempt();
    if (result != EBUSY) return result;
    if (deadline != nullptr && remaining_ns(*deadline) <= 0) return ETIMEDOUT;
    sleep_between_attempts();
  }
}

// Threads of the program that run, those of the runtime not counted: while there are any, goroutines
// that all wait are no deadlock.
uint32_t program_threads();
// A thread that libc made for itself calls functions of the program from now on.
void thread_of_libcs_calls();
// In the child of a fork: there are none, or one which called fork().
void program_threads_are_gone(bool but_one);

#ifdef REPRISE_SANITIZED
// What the sanitizer puts in libc's place: a thread that it does not know of cannot be.
using PthreadCreate = int(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
PthreadCreate* sanitizers_pthread_create();
#endif

// Boot's step: ends the program unless the interposed functions are the ones in use. g0.
void interposeinit();

}  // namespace reprise::rt
