// hchan: the untyped channel (reference, section 7).
//
// Thread safety: any goroutine, and g0 for the functions that say so. Ownership: counted
// references. An operation borrows its caller's, which may go as soon as somebody can see what the operation
// did; who uses a channel after that counts (chan.cc). The first two words are len and cap, as compilers of Go have it.
#pragma once

#include <atomic>
#include <cstdint>

#include "runtime/chan/sudog.h"
#include "runtime/chan/waitq.h"
#include <reprise/detail/chan_core.h>
#include "runtime/sched/lock.h"
#include "runtime/seam/decision.h"

namespace reprise::rt {

using waitq = WaitqOf<Sudog>;

struct hchan {
  // Written under `lock`; read without it as hints, hence only through atomic_ref.
  uint64_t qcount = 0;    // elements in the buffer
  uint64_t dataqsiz = 0;  // capacity; constant
  void* buf = nullptr;    // dataqsiz elements, behind this struct in one block
  const ElemType* elemtype = nullptr;
  uint32_t closed = 0;
  uint64_t sendx = 0;
  uint64_t recvx = 0;
  waitq recvq;
  waitq sendq;
  Lock lock{LockRank::chan};

  uint64_t seq = 0;  // order of creation, unique: the order in which a select locks
  seam::ObjectId object;
  std::atomic<uint32_t> refs{1};

  // Acquire and release keep a reader without the lock from seeing `closed` older than these.
  uint64_t load_qcount() const {
    return std::atomic_ref(const_cast<uint64_t&>(qcount)).load(std::memory_order_acquire);
  }
  void store_qcount(uint64_t n) { std::atomic_ref(qcount).store(n, std::memory_order_release); }
  bool load_closed() const {
    return std::atomic_ref(const_cast<uint32_t&>(closed)).load(std::memory_order_acquire) != 0;
  }
};

// A channel in storage of the caller's, with one reference that is never released: for a wait
// that ends with the caller's frame. `buf` holds `size` elements.
void chan_init(hchan* c, const ElemType* elemtype, int64_t size, void* buf);

// Without a scheduling point and without blocking: for timers and other code on g0.
bool chan_trysend_system(hchan* c, void* ep);
bool chan_tryrecv_system(hchan* c, void* ep);
void closechan_system(hchan* c);  // no-op if closed

// Shared with select.cc. Both consume `sg` and are called with c's lock held; they return the
// goroutine to ready once every lock is released, with its param set.
G* send_direct(hchan* c, Sudog* sg, void* ep);
G* recv_direct(hchan* c, Sudog* sg, void* ep);
void buffer_push(hchan* c, void* ep);  // REQUIRES: qcount < dataqsiz, lock held
void buffer_pop(hchan* c, void* ep);   // REQUIRES: qcount > 0, lock held

[[noreturn]] void block_forever(WaitReason reason);

}  // namespace reprise::rt
