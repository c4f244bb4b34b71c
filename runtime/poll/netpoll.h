// The network poller: parks goroutines until a descriptor is ready, a deadline passes, or the
// descriptor is closed (reference, section 15: sockets never enter a blocking call).
//
// A PollDesc is one registered descriptor. Its two words rg and wg are binary semaphores on which
// the reader and the writer park (poll_word.h).
//
// Ownership: PollDescs are pooled and never unmapped, so a late event may safely look at one; its
// sequence number tells whether the event still means it.
// Thread safety: any goroutine or g0 unless said otherwise; at most one reader and one writer wait
// on a PollDesc at a time (FD's locks see to it). Blocks the G only.
#pragma once

#include <atomic>
#include <cstdint>

#include "runtime/poll/poll_word.h"
#include "runtime/sched/g_m_p.h"
#include "runtime/sched/idle.h"
#include "runtime/sched/lock.h"
#include "runtime/seam/decision.h"
#include "runtime/time/timer.h"

namespace reprise::rt {

enum class PollError : uint8_t { none, closing, timeout, not_pollable };
enum class PollMode : uint8_t { read, write };

struct PollDesc {
  PollDesc();

  PollDesc* link = nullptr;  // free list; pollcache lock
  int fd = -1;
  seam::ObjectId object;              // what reads and writes of this descriptor touch
  bool simulated = false;             // no kernel knows fd (runtime/sim)
  std::atomic<uint16_t> fdseq{0};     // changes with every reuse: stale events are told by it
  std::atomic<uintptr_t> rg{pdNil};
  std::atomic<uintptr_t> wg{pdNil};

  // `lock` guards writes of what follows; reads on the way into a wait go without it.
  Lock lock{LockRank::polldesc};
  std::atomic<bool> closing{false};
  std::atomic<bool> event_err{false};  // the last event was EPOLLERR alone: a scan failed
  std::atomic<bool> short_read_may_lie{false};  // end of stream, error or urgent data was reported
  std::atomic<int64_t> rd{0};          // read deadline, ns on the monotonic clock; 0 none, -1 passed
  std::atomic<int64_t> wd{0};
  Timer rt;                            // read deadline; never started or stopped under `lock`
  Timer wt;

  std::atomic<uintptr_t>& semaphore(PollMode mode) { return mode == PollMode::read ? rg : wg; }
};

// ---- what FD calls (the reference's internal/poll side) ----

// Registers a descriptor. Null and *error (an errno) if the kernel refuses; EPERM means that the
// descriptor cannot be polled (a regular file).
PollDesc* pollOpen(int fd, int* error);
// REQUIRES: pollUnblock() was called and nobody waits.
void pollClose(PollDesc* pd);
// The state of the descriptor without waiting: closing and passed deadlines.
inline PollError pollCheck(const PollDesc* pd, PollMode mode) {
  if (pd->closing.load()) return PollError::closing;
  if ((mode == PollMode::read ? pd->rd : pd->wd).load() < 0) return PollError::timeout;
  // An error that only a read can fetch: let the read find it; writers learn it from write().
  if (mode == PollMode::read && pd->event_err.load()) return PollError::not_pollable;
  return PollError::none;
}
// Prepares for an operation: forgets readiness reported before it.
inline PollError pollReset(PollDesc* pd, PollMode mode) {
  const PollError error = pollCheck(pd, mode);
  if (error == PollError::none) pd->semaphore(mode).store(pdNil);
  return error;
}
// Parks until ready, closed or past the deadline.
PollError pollWait(PollDesc* pd, PollMode mode);
// Deadline on the monotonic clock in ns: 0 none, negative or past: now.
void pollSetDeadline(PollDesc* pd, PollMode mode, int64_t deadline_ns);
// Marks as closing and readies whoever waits.
void pollUnblock(PollDesc* pd);

// ---- what the scheduler calls is in runtime/sched/idle.h ----

// Sets the poller up, once; later calls do nothing. Fatal if the kernel refuses.
void netpollinit();
bool netpollinited();

// ---- between the portable half and the platform's ----

// Registers for edge-triggered readiness; 0 or an errno.
int netpollopen(int fd, PollDesc* pd);
// Somebody waits for a descriptor of the kernel's, or a thread may wake somebody.
bool netpoll_waits_for_kernel();
int netpollclose(int fd);
// In the child of a fork: an instance of its own, nothing registered. One thread.
void netpollreset();
struct ReadyList;
// Marks a descriptor ready and collects the goroutines that waited for it.
void netpollready(ReadyList* list, PollDesc* pd, bool read, bool write);
// One look at the kernel; wait_ns as in netpoll(), in whole milliseconds, rounded up.
void netpoll_platform(int64_t wait_ns, ReadyList* list);

}  // namespace reprise::rt
