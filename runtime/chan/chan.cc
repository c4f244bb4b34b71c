// Channels: chansend, chanrecv, closechan (reference, section 7).
//
// Invariants, under c->lock:
//   At least one of sendq and recvq is empty, but for a goroutine that waits in one select both to
//   send on c and to receive from it.
//   Buffered: qcount > 0 implies that recvq holds nobody who can be woken;
//             qcount < dataqsiz implies the same of sendq.
//   A closed channel has no waiters, and stays closed.
// "Nobody who can be woken", not "nobody": a select that has fired elsewhere leaves its other
// sudogs queued until its goroutine runs; dequeue() passes over them.
//
// An element goes from the sender's frame straight into the receiver's where one of them waits:
// the frame of a parked goroutine is raw memory to everybody, and only whoever dequeued its sudog
// writes there, under c->lock, before goready() publishes it.
//
// Panics are raised after the lock is released but decided under it, so a send and a close cannot
// both succeed in the wrong order: whichever takes the lock second sees what the first one did.
//
// Who may free the channel. An operation counts no reference of its own, because counting is two locked
// instructions. Its caller's handle is there when it begins. It may go once somebody knows that the operation has
// been carried out (a receiver whose frame owns the channels returns, say), while the caller has not yet returned
// from here. Therefore:
//   What an operation does to a channel can be seen by whoever takes c->lock next, or is woken. The unlocking of c is
//   the last touch of any channel, and comes before goready(). (len() may see it earlier; it is no way to wait.)
//   Whoever is woken by a channel that it waits for alone does not look at it again: all that it must know is in its
//   sudog. So who waits need not count either. If nobody but such waiters is left, nobody can wake them: the
//   channel stays with them, for ever.
//   A select that was woken takes the locks of all its channels once more, so it counts while it waits.
//
// Rejected: moving arbitrary elements under the lock (a move constructor that takes a mutex would
// park with the lock held). The typed layer passes such elements as pointers to boxes.
#include "runtime/chan/chan.h"

#include <cstring>
#include <new>

#include "runtime/chan/wake.h"
#include "runtime/race/race.h"
#include "runtime/sched/foreign.h"
#include "runtime/sched/here.h"
#include "runtime/sched/proc.h"

namespace reprise::rt {

using seam::OpKind;

namespace {

constexpr uint64_t kMaxChanBytes = uint64_t{1} << 47;

// Creation order of channels. Relaxed: only distinct values are needed. Deterministic in
// controlled modes, where one goroutine runs at a time.
std::atomic<uint64_t> next_chan_seq{1};

void* slot(hchan* c, uint64_t i) {
  return static_cast<char*>(c->buf) + i * c->elemtype->size;
}

void typedmemmove(const ElemType* t, void* dst, void* src) {
  if (t->relocate != nullptr) {
    t->relocate(dst, src);
  } else if (t->size == sizeof(uint64_t)) {
    std::memcpy(dst, src, sizeof(uint64_t));
  } else if (t->size != 0) {
    std::memcpy(dst, src, t->size);
  }
}

void destroy(const ElemType* t, void* elem) {
  if (t->destroy != nullptr) t->destroy(elem);
}

// Moves *src to *dst, or drops it if the receiver wants none.
[[gnu::always_inline]] inline void pass(const ElemType* t, void* dst, void* src) {
  if (dst != nullptr) {
    typedmemmove(t, dst, src);
  } else {
    destroy(t, src);
  }
}

uint64_t advance(const hchan* c, uint64_t x) { return x + 1 == c->dataqsiz ? 0 : x + 1; }

// Elements that are moved without a call, where nobody is to be told: the buffer's two steps then have no frame.
bool moves_as_word(const ElemType* t) {
  return t->size == sizeof(uint64_t) && t->relocate == nullptr && race_hooks == nullptr;
}

void pushed(hchan* c) {
  c->sendx = advance(c, c->sendx);
  c->store_qcount(c->qcount + 1);
}

void popped(hchan* c) {
  c->recvx = advance(c, c->recvx);
  c->store_qcount(c->qcount - 1);
}

[[gnu::noinline]] void push_any(hchan* c, void* ep) {
  race_chan(ChanStep::push, c);
  typedmemmove(c->elemtype, slot(c, c->sendx), ep);
  pushed(c);
}

[[gnu::noinline]] void pop_any(hchan* c, void* ep) {
  race_chan(ChanStep::pop, c);
  pass(c->elemtype, ep, slot(c, c->recvx));
  popped(c);
}

// The waiter has its element, or has given it.
G* passed(Sudog* sg) {
  G* const gp = sg->g;
  sg->success = true;
  gp->param = sg;
  return gp;
}

// send_direct() and recv_direct(), in line where the element moves as a word and there is no buffer.
[[gnu::always_inline]] inline G* hand_to_receiver(hchan* c, Sudog* sg, void* ep) {
  if (sg->elem == nullptr || !moves_as_word(c->elemtype)) return send_direct(c, sg, ep);
  std::memcpy(sg->elem, ep, sizeof(uint64_t));
  return passed(sg);
}

[[gnu::always_inline]] inline G* take_from_sender(hchan* c, Sudog* sg, void* ep) {
  if (c->dataqsiz != 0 || ep == nullptr || !moves_as_word(c->elemtype)) return recv_direct(c, sg, ep);
  std::memcpy(ep, sg->elem, sizeof(uint64_t));
  return passed(sg);
}

size_t block_align(const ElemType* t) {
  return t->align > alignof(hchan) ? t->align : alignof(hchan);
}

// Nothing lies there. So a pointer behind the end of the block before, which every vector has, is none to the channel
// (sched/reach.h).
size_t front_bytes(const ElemType* t) { return block_align(t) > 16 ? block_align(t) : 16; }

size_t buf_offset(const ElemType* t) {
  const size_t align = block_align(t);
  return (sizeof(hchan) + align - 1) / align * align;
}

// Sends if somebody waits to receive or the buffer has room. Lock held on entry; released and the
// receiver readied if it returns true.
[[gnu::always_inline]] inline bool send_now(hchan* c, void* ep) {
  if (Sudog* sg = c->recvq.dequeue()) {
    G* gp = hand_to_receiver(c, sg, ep);
    c->lock.unlock();
    goready(gp);
    return true;
  }
  if (c->qcount < c->dataqsiz) {
    buffer_push(c, ep);
    c->lock.unlock();
    return true;
  }
  return false;
}

// Mirror image; *received is false when c is closed and drained.
[[gnu::always_inline]] inline bool recv_now(hchan* c, void* ep, bool* received) {
  *received = true;
  if (c->closed != 0 && c->qcount == 0) {
    race_chan(ChanStep::recv_closed, c);
    c->lock.unlock();
    *received = false;
    return true;
  }
  if (Sudog* sg = c->sendq.dequeue()) {
    G* gp = take_from_sender(c, sg, ep);
    c->lock.unlock();
    goready(gp);
    return true;
  }
  if (c->qcount > 0) {
    buffer_pop(c, ep);
    c->lock.unlock();
    return true;
  }
  return false;
}

// Queues the current goroutine on q and parks, releasing c->lock. Returns whether an element was
// passed; if not, c was closed. c may be gone when it returns.
bool wait_on(hchan* c, waitq* q, void* ep, WaitReason reason) {
  Sudog sg;
  G* gp = g_here();
  sg.g = gp;
  sg.elem = ep;
  sg.c = c;
  gp->waiting = &sg;
  gp->param = nullptr;
  q->enqueue(&sg);
  goparkunlock(&c->lock, reason);
  if (gp->param != &sg) throw_("channel: woken by something else than the channel");
  gp->waiting = nullptr;
  gp->param = nullptr;
  return sg.success;
}

// Without the lock. An operation that does not block may give up if there was one instant during
// the call at which the channel was open and not ready. These are read first, with acquire, then
// `closed`: a channel never reopens, so if it is open afterwards it was open at this read too.
bool looks_full(const hchan* c) {
  if (c->dataqsiz != 0) return c->load_qcount() == c->dataqsiz;
  return c->recvq.load_first() == nullptr;
}

bool looks_empty(const hchan* c) {
  if (c->dataqsiz != 0) return c->load_qcount() == 0;
  return c->sendq.load_first() == nullptr;
}

// Takes every waiter off q, to be readied by the caller.
void drain_waiters(waitq* q, WakeList* woken) {
  while (Sudog* sg = q->dequeue()) {
    sg->success = false;
    sg->g->param = sg;
    woken->push(sg->g);
  }
}

}  // namespace

// ---- making and dropping -----------------------------------------------------------------------

void chan_init(hchan* c, const ElemType* elemtype, int64_t size, void* buf) {
  c->elemtype = elemtype;
  c->dataqsiz = static_cast<uint64_t>(size);
  c->buf = buf;
  c->seq = next_chan_seq.fetch_add(1, std::memory_order_relaxed);
  if (seam_active) c->object = new_object_id();
}

hchan* makechan(const ElemType* elemtype, int64_t size) {
  const size_t elem = elemtype->size;
  if (size < 0 || (elem != 0 && static_cast<uint64_t>(size) > kMaxChanBytes / elem)) {
    gopanic("makechan: size out of range");
  }
  const size_t offset = buf_offset(elemtype);
  const std::align_val_t align{block_align(elemtype)};
  const size_t front = front_bytes(elemtype);
  auto* const at = static_cast<char*>(::operator new(front + offset + static_cast<size_t>(size) * elem, align)) + front;
  auto* c = new (at) hchan;
  chan_init(c, elemtype, size, at + offset);
  return c;
}

// Relaxed: the caller already holds a reference, so the count cannot reach zero meanwhile, and a
// reference is handed to another thread only through something that synchronises.
void chan_retain(hchan* c) {
  if (c != nullptr) c->refs.fetch_add(1, std::memory_order_relaxed);
}

// Release: what this owner did to the channel happens before its destruction. Acquire, by whoever
// drops the last reference: it sees what every other owner did.
void chan_release(hchan* c) {
  if (c == nullptr || c->refs.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  if (c->recvq.load_first() != nullptr || c->sendq.load_first() != nullptr) return;  // who waits does so for ever
  for (; c->qcount > 0; --c->qcount) {
    destroy(c->elemtype, slot(c, c->recvx));
    c->recvx = advance(c, c->recvx);
  }
  const std::align_val_t align{block_align(c->elemtype)};
  char* const block = reinterpret_cast<char*>(c) - front_bytes(c->elemtype);
  c->~hchan();
  ::operator delete(static_cast<void*>(block), align);
}

// ---- the buffer and the direct paths -------------------------------------------------------------

void buffer_push(hchan* c, void* ep) {
  if (!moves_as_word(c->elemtype)) return push_any(c, ep);
  std::memcpy(static_cast<uint64_t*>(c->buf) + c->sendx, ep, sizeof(uint64_t));
  pushed(c);
}

void buffer_pop(hchan* c, void* ep) {
  if (ep == nullptr || !moves_as_word(c->elemtype)) return pop_any(c, ep);
  std::memcpy(ep, static_cast<uint64_t*>(c->buf) + c->recvx, sizeof(uint64_t));
  popped(c);
}

G* send_direct(hchan* c, Sudog* sg, void* ep) {
  race_chan(ChanStep::send_direct, c, sg->g);
  pass(c->elemtype, sg->elem, ep);
  return passed(sg);
}

// With a buffer, a waiting sender means a full one: the receiver takes the head, and the sender's
// element goes into the slot that this frees, which is also the tail.
G* recv_direct(hchan* c, Sudog* sg, void* ep) {
  race_chan(ChanStep::recv_direct, c, sg->g);
  if (c->dataqsiz == 0) {
    pass(c->elemtype, ep, sg->elem);
  } else {
    void* qp = slot(c, c->recvx);
    pass(c->elemtype, ep, qp);
    typedmemmove(c->elemtype, qp, sg->elem);
    c->recvx = advance(c, c->recvx);
    c->sendx = c->recvx;
  }
  return passed(sg);
}

void block_forever(WaitReason reason) {
  gopark(nullptr, nullptr, reason);
  throw_("a goroutine that waits for ever was woken");
}

// ---- send --------------------------------------------------------------------------------------

bool chansend(hchan* c, void* ep, bool block) {
  if (c == nullptr) {
    if (!block) return false;
    block_forever(WaitReason::chan_send_nil);
  }
  seam_point(OpKind::chan_send, c->object, true);
  if (!block && looks_full(c) && !c->load_closed()) return false;

  c->lock.lock();
  if (c->closed != 0) {
    c->lock.unlock();
    gopanic("send on closed channel");
  }
  if (send_now(c, ep)) return true;
  if (!block) {
    c->lock.unlock();
    return false;
  }
  if (on_foreign_thread()) {
    c->lock.unlock();
    on_goroutine([=] { chansend(c, ep, true); });
    return true;
  }
  if (wait_on(c, &c->sendq, ep, WaitReason::chan_send)) return true;
  gopanic("send on closed channel");
}

bool selectnbsend(hchan* c, void* ep) {
  if (seam_active) [[unlikely]] {
    scase k{c, ep, true};
    return selectgo({&k, 1}, false).index == 0;
  }
  return chansend(c, ep, false);
}

bool chan_trysend_system(hchan* c, void* ep) {
  c->lock.lock();
  if (c->closed == 0 && send_now(c, ep)) return true;
  c->lock.unlock();
  return false;
}

// ---- receive -----------------------------------------------------------------------------------

// Out of line, or what it captures would be in memory for every receive.
[[gnu::noinline]] static RecvResult recv_on_goroutine(hchan* c, void* ep) {
  RecvResult result{};
  on_goroutine([&] { result = chanrecv(c, ep, true); });
  return result;
}

RecvResult chanrecv(hchan* c, void* ep, bool block) {
  if (c == nullptr) {
    if (!block) return {false, false};
    block_forever(WaitReason::chan_receive_nil);
  }
  seam_point(OpKind::chan_recv, c->object, true);
  if (!block && looks_empty(c) && !c->load_closed()) return {false, false};

  c->lock.lock();
  bool received;
  if (recv_now(c, ep, &received)) return {true, received};
  if (!block) {
    c->lock.unlock();
    return {false, false};
  }
  if (on_foreign_thread()) {
    c->lock.unlock();
    return recv_on_goroutine(c, ep);
  }
  received = wait_on(c, &c->recvq, ep, WaitReason::chan_receive);
  return {true, received};
}

[[gnu::noinline]] static RecvResult selectnbrecv_under_policy(hchan* c, void* ep) {
  scase k{c, ep, false};
  const SelectResult got = selectgo({&k, 1}, false);
  return {got.index == 0, got.received};
}

// Without a frame while there is nothing: a loop that polls comes here every time round.
RecvResult selectnbrecv(hchan* c, void* ep) {
  if (seam_attention.load(std::memory_order_relaxed) == 0) [[likely]] {
    if (c == nullptr || (looks_empty(c) && !c->load_closed())) return {false, false};
  } else if (seam_active) {
    return selectnbrecv_under_policy(c, ep);
  }
  return chanrecv(c, ep, false);
}

bool chan_tryrecv_system(hchan* c, void* ep) {
  c->lock.lock();
  bool received;
  if (recv_now(c, ep, &received)) return received;
  c->lock.unlock();
  return false;
}

// ---- close, len, cap ---------------------------------------------------------------------------

// Everybody is taken off the queues under the lock and readied after it, so that a goroutine that
// starts to run at once does not find the lock held.
static bool close_and_wake(hchan* c) {
  WakeList woken;
  c->lock.lock();
  if (c->closed != 0) {
    c->lock.unlock();
    return false;
  }
  race_chan(ChanStep::close, c);
  // Release: a receiver that sees it without the lock also sees every element sent before.
  std::atomic_ref(c->closed).store(1, std::memory_order_release);
  drain_waiters(&c->recvq, &woken);
  drain_waiters(&c->sendq, &woken);
  c->lock.unlock();
  woken.ready_all();
  return true;
}

void closechan(hchan* c) {
  if (c == nullptr) gopanic("close of nil channel");
  seam_point(OpKind::chan_close, c->object, true);
  if (!close_and_wake(c)) gopanic("close of closed channel");
}

void closechan_system(hchan* c) { close_and_wake(c); }

int64_t chanlen(hchan* c) {
  if (c == nullptr) return 0;
  seam_point(OpKind::chan_len, c->object, false);
  return static_cast<int64_t>(c->load_qcount());
}

int64_t chancap(const hchan* c) {
  return c == nullptr ? 0 : static_cast<int64_t>(c->dataqsiz);
}

}  // namespace reprise::rt
