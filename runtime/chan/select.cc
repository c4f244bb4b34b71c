// selectgo: waits on several channels, acts on one, in one instant (reference, section 7).
//
// Three passes, as in the reference. Pass 1, with every channel locked, collects the ready cases
// and carries out one; with all locks held there is one instant at which they are all ready. Pass
// 2 queues a sudog on each channel and parks, releasing the locks last to first. Pass 3, woken
// and with the locks taken again, withdraws the sudogs that did not fire.
//
// Lock order: channels are locked in order of creation (hchan::seq), never by address, each once.
// Poll order: where several cases are ready the seam chooses, uniformly at random in native mode;
// the reference's shuffled scan has the same distribution. Cases that wait on one channel are queued
// there in random order, since whoever comes takes the first.
//
// Who fires: several channels may want the same goroutine at once. waitq::dequeue() turns
// g->select_done from 0 to 1 and only the winner touches its sudog. The word is 0 only while the
// sudogs are queued: reset under all locks in pass 2, and pass 3 takes all locks before the frame
// that holds the sudogs goes away.
#include <algorithm>
#include <memory>

#include "runtime/chan/chan.h"
#include "runtime/race/race.h"
#include "runtime/sched/foreign.h"
#include "runtime/sched/here.h"
#include "runtime/sched/proc.h"
#include "runtime/time/timer.h"

namespace reprise::rt {

using seam::OpKind;

namespace {

constexpr size_t kInlineCases = 8;
constexpr size_t kMaxCases = 65536;

// An array of n, in place if n is small: most selects have a handful of cases. Only what is made of the n is touched.
template <class T>
class SmallArray {
 public:
  explicit SmallArray(size_t n) : n_(n), data_(n > kInlineCases ? new T[n] : reinterpret_cast<T*>(few_)) {
    if (n <= kInlineCases) std::uninitialized_default_construct_n(data_, n);
  }
  SmallArray(const SmallArray&) = delete;
  SmallArray& operator=(const SmallArray&) = delete;
  ~SmallArray() {
    if (n_ > kInlineCases) {
      delete[] data_;
    } else {
      std::destroy_n(data_, n_);
    }
  }
  T* data() { return data_; }
  T& operator[](size_t i) { return data_[i]; }

 private:
  size_t n_;
  T* data_;
  alignas(T) unsigned char few_[kInlineCases * sizeof(T)];
};

// The cases of one select and the order in which to lock their channels; nil ones are left out.
class Select {
 public:
  explicit Select(std::span<scase> cases) : cases_(cases), lockorder_(cases.size()), locks_(cases.size()) {
    // The handful is mostly in order already, as the channels were made.
    uint64_t last = 0;
    for (size_t i = 0; i < cases.size(); ++i) {
      hchan* const c = cases[i].c;
      if (c == nullptr) continue;
      const uint64_t seq = c->seq;
      if (seq < last) [[unlikely]] {
        sort();
        break;
      }
      if (seq != last) locks_[distinct_++] = c;
      last = seq;
      lockorder_[active_++] = static_cast<uint16_t>(i);
    }
  }

  void announce();
  SelectResult run(bool block);

 private:
  scase& in_order(size_t i) { return cases_[lockorder_[i]]; }
  void sort();
  void lock_all();
  void unlock_all();
  void unlock_after(hchan* fired);
  static bool unlock_all_commit(G* gp, void* select);
  bool ready(const scase& k);
  size_t collect_ready(SmallArray<uint16_t>& ready_cases);
  size_t choose(SmallArray<uint16_t>& ready_cases, size_t count);
  bool fire(scase& k, SelectResult* result);
  bool fire_send(scase& k);
  bool fire_recv(scase& k, SelectResult* result);
  void shuffle_cases_of_one_channel();
  void enqueue(Sudog* sudogs);
  SelectResult withdraw(Sudog* sudogs, Sudog* fired);
  SelectResult wait();

  std::span<scase> cases_;
  SmallArray<uint16_t> lockorder_;
  SmallArray<hchan*> locks_;  // the channels in that order, each once
  size_t active_ = 0;
  size_t distinct_ = 0;
};

// By insertion.
[[gnu::noinline]] void Select::sort() {
  active_ = distinct_ = 0;
  for (size_t i = 0; i < cases_.size(); ++i) {
    if (cases_[i].c == nullptr) continue;
    const uint64_t seq = cases_[i].c->seq;
    size_t at = active_++;
    for (; at > 0 && in_order(at - 1).c->seq > seq; --at) lockorder_[at] = lockorder_[at - 1];
    lockorder_[at] = static_cast<uint16_t>(i);
  }
  for (size_t i = 0; i < active_; ++i) {
    hchan* c = in_order(i).c;
    if (distinct_ == 0 || locks_[distinct_ - 1] != c) locks_[distinct_++] = c;
  }
}

void Select::announce() {
  if (!seam_active) return;
  SmallArray<seam::Access> accesses(active_);
  for (size_t i = 0; i < active_; ++i) accesses[i] = {in_order(i).c->object, true};
  seam_point(OpKind::select, {accesses.data(), active_});
}

void Select::lock_all() {
  for (size_t i = 0; i < distinct_; ++i) locks_[i]->lock.lock();
}

// As pass 2's commit this runs while the goroutine is parked: the last unlock, of the lock that pass 3 takes first, lets it
// go on, and *this, which is in its frame, may be gone from then on.
void Select::unlock_all() {
  for (size_t i = distinct_; i-- > 0;) locks_[i]->lock.unlock();
}

// After a case was carried out on `fired`, which comes last: who knows of it has taken that lock, and may then give up
// the handles of all the channels, which we borrow (chan.cc).
void Select::unlock_after(hchan* fired) {
  for (size_t i = distinct_; i-- > 0;) {
    if (locks_[i] != fired) locks_[i]->lock.unlock();
  }
  fired->lock.unlock();
}

bool Select::unlock_all_commit(G*, void* select) {
  static_cast<Select*>(select)->unlock_all();
  return true;
}

bool Select::ready(const scase& k) {
  hchan* c = k.c;
  if (k.is_send) return c->closed != 0 || c->recvq.peek() != nullptr || c->qcount < c->dataqsiz;
  return c->qcount > 0 || c->closed != 0 || c->sendq.peek() != nullptr;
}

// In order of the program's cases, whatever the lock order.
size_t Select::collect_ready(SmallArray<uint16_t>& ready_cases) {
  size_t count = 0;
  for (size_t i = 0; i < cases_.size(); ++i) {
    if (cases_[i].c != nullptr && ready(cases_[i])) ready_cases[count++] = static_cast<uint16_t>(i);
  }
  return count;
}

// An index into ready_cases. The candidates are named by the chooser and their case's index.
size_t Select::choose(SmallArray<uint16_t>& ready_cases, size_t count) {
  if (count == 1) return 0;
  if (!seam_active) return seam_draw() % count;
  G* gp = curg();
  SmallArray<seam::Candidate> candidates(count);
  SmallArray<seam::Access> accesses(count);
  for (size_t i = 0; i < count; ++i) {
    const scase& k = cases_[ready_cases[i]];
    accesses[i] = {k.c->object, true};
    candidates[i] = {.goroutine = gp->name,
                     .goid = gp->goid,
                     .ready_step = i,
                     .op = k.is_send ? OpKind::chan_send : OpKind::chan_recv,
                     .site = ready_cases[i],
                     .accesses = {&accesses[i], 1}};
  }
  const std::span<const seam::Candidate> list(candidates.data(), count);
  return seam_choose(seam::DecisionKind::select, list);
}

bool Select::fire_send(scase& k) {
  hchan* c = k.c;
  if (c->closed != 0) {
    unlock_all();
    gopanic("send on closed channel");
  }
  if (Sudog* sg = c->recvq.dequeue()) {
    G* gp = send_direct(c, sg, k.elem);
    unlock_after(c);
    goready(gp);
    return true;
  }
  if (c->qcount == c->dataqsiz) return false;
  buffer_push(c, k.elem);
  unlock_after(c);
  return true;
}

bool Select::fire_recv(scase& k, SelectResult* result) {
  hchan* c = k.c;
  result->received = true;
  if (Sudog* sg = c->sendq.dequeue()) {
    G* gp = recv_direct(c, sg, k.elem);
    unlock_after(c);
    goready(gp);
    return true;
  }
  if (c->qcount > 0) {
    buffer_pop(c, k.elem);
    unlock_after(c);
    return true;
  }
  if (c->closed == 0) return false;
  race_chan(ChanStep::recv_closed, c);
  result->received = false;
  unlock_all();
  return true;
}

// False, with the locks still held: a waiter that made the case ready was taken by a channel that
// is not among ours, whose lock we do not hold.
bool Select::fire(scase& k, SelectResult* result) {
  result->index = static_cast<int>(&k - cases_.data());
  result->received = false;
  return k.is_send ? fire_send(k) : fire_recv(k, result);
}

// The lock order stays: only neighbours with the same channel change places.
void Select::shuffle_cases_of_one_channel() {
  for (size_t first = 0, end; first < active_; first = end) {
    for (end = first + 1; end < active_ && in_order(end).c == in_order(first).c; ++end) {
      const size_t with = first + seam_draw() % (end - first + 1);
      std::swap(lockorder_[end], lockorder_[with]);
    }
  }
}

void Select::enqueue(Sudog* sudogs) {
  G* gp = g_here();
  // Relaxed: published by the channels' locks, under which alone it is looked at.
  gp->select_done.store(0, std::memory_order_relaxed);
  gp->param = nullptr;
  Sudog** link = &gp->waiting;
  for (size_t i = 0; i < active_; ++i) {
    scase& k = in_order(i);
    Sudog* sg = &sudogs[i];
    sg->g = gp;
    sg->is_select = true;
    sg->elem = k.elem;
    sg->c = k.c;
    *link = sg;
    link = &sg->waitlink;
    chan_retain(k.c);
    (k.is_send ? k.c->sendq : k.c->recvq).enqueue(sg);
  }
  *link = nullptr;
}

// Pass 3. Releases the references that enqueue() took, after the locks.
SelectResult Select::withdraw(Sudog* sudogs, Sudog* fired) {
  SelectResult result{kSelectDefault, false};
  bool sent_on_closed = false;
  for (size_t i = 0; i < active_; ++i) {
    scase& k = in_order(i);
    if (&sudogs[i] != fired) {
      (k.is_send ? k.c->sendq : k.c->recvq).remove(&sudogs[i]);
      continue;
    }
    result.index = static_cast<int>(&k - cases_.data());
    result.received = !k.is_send && fired->success;
    sent_on_closed = k.is_send && !fired->success;
  }
  unlock_all();
  if (result.index < 0) throw_("selectgo: bad wakeup");
  for (size_t i = 0; i < active_; ++i) chan_release(sudogs[i].c);
  if (sent_on_closed) gopanic("send on closed channel");
  return result;
}

// Passes 2 and 3, locks held on entry.
SelectResult Select::wait() {
  SmallArray<Sudog> sudogs(active_);
  shuffle_cases_of_one_channel();
  enqueue(sudogs.data());
  gopark(unlock_all_commit, this, WaitReason::select);
  G* gp = g_here();
  lock_all();
  auto* fired = static_cast<Sudog*>(gp->param);
  gp->param = nullptr;
  gp->waiting = nullptr;
  return withdraw(sudogs.data(), fired);
}

SelectResult Select::run(bool block) {
  if (active_ == 0) {
    if (!block) return {kSelectDefault, false};
    block_forever(cases_.empty() ? WaitReason::select_no_cases : WaitReason::select);
  }
  lock_all();
  SmallArray<uint16_t> ready_cases(cases_.size());
  while (const size_t count = collect_ready(ready_cases)) {
    SelectResult result;
    if (fire(cases_[ready_cases[choose(ready_cases, count)]], &result)) return result;
  }
  if (block && !on_foreign_thread()) return wait();
  unlock_all();
  if (block) {
    SelectResult result;
    on_goroutine([&] { result = selectgo(cases_, true); });
    return result;
  }
  return {kSelectDefault, false};
}

// Fired by the timer of a select with a limit.
void select_timed_out(void* c, uint64_t, int64_t) {
  char unit = 0;
  chan_trysend_system(static_cast<hchan*>(c), &unit);
}

// Runs for a scope, which may end by a panic.
class LimitTimer {
 public:
  LimitTimer(hchan* c, int64_t timeout_ns) : timer_(select_timed_out, c) {
    timer_start(&timer_, when_after(timeout_ns), 0);
  }
  ~LimitTimer() { timer_stop(&timer_); }
  LimitTimer(const LimitTimer&) = delete;
  LimitTimer& operator=(const LimitTimer&) = delete;

 private:
  Timer timer_;
};

constexpr ElemType kUnitType{.size = 0, .align = 1, .relocate = nullptr, .destroy = nullptr};

void check_count(std::span<scase> cases) {
  if (cases.size() >= kMaxCases) gopanic("select: too many cases");
}

}  // namespace

SelectResult selectgo(std::span<scase> cases, bool block) {
  check_count(cases);
  Select select(cases);
  select.announce();
  return select.run(block);
}

// The limit is one more case, on a channel and a timer in this frame. It is made only if nothing
// is ready at first: the common case costs no clock and no timer.
SelectResult selectgo_timeout(std::span<scase> cases, int64_t timeout_ns) {
  check_count(cases);
  {
    Select select(cases);
    select.announce();
    const SelectResult now = select.run(false);
    if (now.index != kSelectDefault) return now;
  }
  hchan limit;
  char buf[1];
  chan_init(&limit, &kUnitType, 1, buf);
  const LimitTimer timer(&limit, timeout_ns);
  SmallArray<scase> all(cases.size() + 1);
  std::copy(cases.begin(), cases.end(), all.data());
  all[cases.size()] = {.c = &limit, .elem = nullptr, .is_send = false};
  const SelectResult result = Select({all.data(), cases.size() + 1}).run(true);
  if (result.index == static_cast<int>(cases.size())) return {kSelectTimeout, false};
  return result;
}

}  // namespace reprise::rt
