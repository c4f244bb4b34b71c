// The portable half of the network poller: semaphores, deadlines, and the order of reports.
//
// Invariants:
//   - A goroutine parked on rg or wg is readied exactly once: whoever takes its pointer out of the
//     word by compare-and-swap owns the wake-up.
//   - closing and deadlines are published before rg and wg are looked at by those who wake, and a
//     waiter checks them after it announced itself with pdWait. One of both sees the other.
//   - A goroutine on the pending list has been taken out of its word; it is readied by a later
//     netpoll() and by nothing else, so a close in between cannot ready it twice.
//
// Reports are decisions. In controlled mode the goroutines found ready are offered in the order of
// their ids, and the policy picks again and again from what remains; after the first pick it may
// stop, and the rest stays pending. There is no stop before the first: a policy that always stops
// would starve input and output.
#include "runtime/poll/netpoll.h"

#include <algorithm>
#include <cerrno>
#include <vector>

#include "runtime/poll/poll_word.h"
#include "runtime/poll/ready_list.h"
#include "runtime/sched/native.h"
#include "runtime/sched/proc.h"
#include "runtime/sim/sim.h"
#include "runtime/sys/blocking.h"
#include "runtime/sys/interpose.h"
#include "runtime/time/clock.h"

namespace reprise::rt {
namespace {

constexpr int kPollBlock = 64;  // PollDescs allocated at a time

struct PollBlock {
  PollDesc descs[kPollBlock];
  PollBlock* next = nullptr;  // constant once published
};

// Never freed; `lock` guards the list.
struct PollCache {
  Lock lock{LockRank::pollcache};
  PollDesc* first = nullptr;
  std::atomic<PollBlock*> blocks{nullptr};  // appended to under lock
};
constinit PollCache pollcache;

std::atomic<uint32_t> netpollWaiters{0};  // for the kernel's descriptors

PollDesc* pollcache_alloc() {
  pollcache.lock.lock();
  if (!pollcache.first) {
    auto* block = new PollBlock;
    for (int i = kPollBlock - 1; i >= 0; --i) {
      block->descs[i].link = pollcache.first;
      pollcache.first = &block->descs[i];
    }
    block->next = pollcache.blocks.load(std::memory_order_relaxed);
    // Release: whoever finds the block finds it built.
    pollcache.blocks.store(block, std::memory_order_release);
  }
  PollDesc* pd = pollcache.first;
  pollcache.first = pd->link;
  pollcache.lock.unlock();
  return pd;
}

void pollcache_free(PollDesc* pd) {
  // Events already harvested for the old descriptor carry the old number.
  pd->fdseq.fetch_add(1, std::memory_order_release);
  pd->fd = -1;
  pollcache.lock.lock();
  pd->link = pollcache.first;
  pollcache.first = pd;
  pollcache.lock.unlock();
}

struct Park {
  std::atomic<uintptr_t>* word;
  uint32_t counts;  // 0: only this program itself can wake it
};

// gopark's commit: publishes the goroutine unless readiness came first.
bool netpollblockcommit(G* gp, void* arg) {
  const Park park = *static_cast<Park*>(arg);
  // Counted before it can be taken out again, or the count would pass below zero. Relaxed: a hint,
  // but for the look for a deadlock, which comes after everybody stopped.
  netpollWaiters.fetch_add(park.counts, std::memory_order_relaxed);
  const bool parked = poll_word_park(*park.word, reinterpret_cast<uintptr_t>(gp));
  if (!parked) netpollWaiters.fetch_sub(park.counts, std::memory_order_relaxed);
  return parked;
}

// Waits on the semaphore. True: readiness; false: timeout or closing.
bool netpollblock(PollDesc* pd, PollMode mode) {
  auto& word = pd->semaphore(mode);
  Park park{&word, pd->simulated ? 0u : 1u};
  return poll_word_wait(
      word, [&] { return pollCheck(pd, mode) == PollError::none; },
      [&] { gopark(netpollblockcommit, &park, WaitReason::io_wait); });
}

// Takes the waiter out of the semaphore, if there is one; it is then the caller's to ready.
G* netpollunblock(PollDesc* pd, PollMode mode, bool ioready) {
  const uintptr_t waiter = poll_word_take(pd->semaphore(mode), ioready);
  if (waiter == 0) return nullptr;
  netpollWaiters.fetch_sub(pd->simulated ? 0 : 1, std::memory_order_relaxed);
  return reinterpret_cast<G*>(waiter);
}

void ready_if(G* gp) {
  if (gp) goready(gp);
}

std::atomic<int64_t>& deadline_of(PollDesc* pd, PollMode mode) {
  return mode == PollMode::read ? pd->rd : pd->wd;
}

// A deadline's timer fired. It may be late news: then the deadline in force is another one, whose
// own timer is set or about to be.
void deadline_passed(PollDesc* pd, PollMode mode, int64_t now_ns) {
  pd->lock.lock();
  const int64_t deadline = deadline_of(pd, mode).load();
  const bool passed = deadline > 0 && deadline <= now_ns;
  if (passed) deadline_of(pd, mode).store(-1);
  G* gp = passed ? netpollunblock(pd, mode, false) : nullptr;
  pd->lock.unlock();
  ready_if(gp);
}

void netpollReadDeadline(void* arg, uint64_t, int64_t now_ns) {
  deadline_passed(static_cast<PollDesc*>(arg), PollMode::read, now_ns);
}

void netpollWriteDeadline(void* arg, uint64_t, int64_t now_ns) {
  deadline_passed(static_cast<PollDesc*>(arg), PollMode::write, now_ns);
}

// Makes the timer agree with the deadline. Whoever changed the deadline calls it afterwards, without
// the lock; if two did, the last look is at the last value.
void rearm(PollDesc* pd, PollMode mode) {
  Timer* timer = mode == PollMode::read ? &pd->rt : &pd->wt;
  const auto& deadline = deadline_of(pd, mode);
  int64_t seen;
  do {
    seen = deadline.load();
    if (seen > 0) {
      if (!timer_restart(timer, seen, 0)) timer_start(timer, seen, 0);
    } else {
      timer_stop(timer);
    }
  } while (deadline.load() != seen);
}

}  // namespace

PollDesc::PollDesc() : rt(netpollReadDeadline, this), wt(netpollWriteDeadline, this) {}

PollDesc* pollOpen(int fd, int* error) {
  netpollinit();
  PollDesc* pd = pollcache_alloc();
  pd->lock.lock();
  if (pd->rg.load() > pdReady || pd->wg.load() > pdReady) {
    throw_("runtime: somebody waits on a free polldesc");
  }
  pd->fd = fd;
  pd->closing.store(false);
  pd->event_err.store(false);
  pd->short_read_may_lie.store(false);
  pd->rg.store(pdNil);
  pd->wg.store(pdNil);
  pd->rd.store(0);
  pd->wd.store(0);
  pd->simulated = sim::owns(fd);
  pd->object = pd->simulated ? sim::object_of(fd) : new_object_id();
  pd->lock.unlock();
  *error = netpollopen(fd, pd);
  if (*error == 0) return pd;
  pollcache_free(pd);
  return nullptr;
}

void pollClose(PollDesc* pd) {
  if (!pd->closing.load()) throw_("runtime: close polldesc without unblock");
  if (pd->rg.load() > pdReady || pd->wg.load() > pdReady) {
    throw_("runtime: blocked goroutine on a closing polldesc");
  }
  netpollclose(pd->fd);
  pollcache_free(pd);
}

PollError pollWait(PollDesc* pd, PollMode mode) {
  PollError error = pollCheck(pd, mode);
  if (error != PollError::none) return error;
  while (!netpollblock(pd, mode)) {
    error = pollCheck(pd, mode);
    if (error != PollError::none) return error;
    // Woken by a deadline that was changed before we ran: wait again.
  }
  return PollError::none;
}

void pollSetDeadline(PollDesc* pd, PollMode mode, int64_t deadline_ns) {
  if (deadline_ns != 0 && deadline_ns <= nanotime()) deadline_ns = -1;
  pd->lock.lock();
  if (pd->closing.load()) {
    pd->lock.unlock();
    return;
  }
  const int64_t before = deadline_of(pd, mode).exchange(deadline_ns);
  G* gp = deadline_ns < 0 ? netpollunblock(pd, mode, false) : nullptr;
  pd->lock.unlock();
  if (before > 0 || deadline_ns > 0) rearm(pd, mode);
  ready_if(gp);
}

void pollUnblock(PollDesc* pd) {
  pd->lock.lock();
  if (pd->closing.exchange(true)) throw_("runtime: unblock on closing polldesc");
  G* reader = netpollunblock(pd, PollMode::read, false);
  G* writer = netpollunblock(pd, PollMode::write, false);
  const bool read_timer = pd->rd.exchange(0) > 0;
  const bool write_timer = pd->wd.exchange(0) > 0;
  pd->lock.unlock();
  if (read_timer) rearm(pd, PollMode::read);
  if (write_timer) rearm(pd, PollMode::write);
  ready_if(reader);
  ready_if(writer);
}

void pollcache_before_fork() { pollcache.lock.lock(); }
void pollcache_after_fork() { pollcache.lock.unlock(); }

// Registered again with the child's own instance; what is ready is reported anew. A descriptor that the
// program has closed behind our back is not there any more.
void netpoll_leave_parents() {
  if (!netpollinited()) return;
  netpollreset();
  PollBlock* block = pollcache.blocks.load(std::memory_order_acquire);
  for (; block != nullptr; block = block->next) {
    for (PollDesc& pd : block->descs) {
      if (pd.fd < 0 || pd.closing.load()) continue;
      const int error = netpollopen(pd.fd, &pd);
      if (error != 0 && error != EBADF) throw_("runtime: the poller of a forked child cannot be set up");
    }
  }
}

// ---- reports ----------------------------------------------------------------------------------

namespace {

// Controlled modes only: touched by netpoll() alone, and one M at a time polls. Kept for its memory, never destroyed:
// static destructors may still wait for descriptors.
struct Reports {
  ReadyList pending{.by_decision = true};  // found ready and not yet reported
  std::vector<seam::Candidate> candidates;
  std::vector<size_t> order;  // indices into pending, parallel to candidates
  std::vector<Ready> rest;
};
Reports& reports = *new Reports;

void collect_completions(ReadyList* list) {
  BlockingTask* task = take_completions();
  while (task) {
    BlockingTask* next = task->next;  // the task dies with its goroutine's frame
    list->add(task->gp, seam::OpKind::io_other, {});
    task = next;
  }
}

seam::Candidate candidate_of(const Ready& ready) {
  seam::Candidate candidate;
  candidate.goroutine = ready.gp->name;
  candidate.goid = ready.gp->goid;
  candidate.ready_step = ready.gp->ready_step;
  candidate.op = ready.op;
  candidate.site = ready.gp->wait_site;
  candidate.accesses = {&ready.access, 1};
  return candidate;
}

// The policy picks one after the other until it stops.
int report_by_decision(ReadyList* list) {
  auto& items = list->items;
  std::sort(items.begin(), items.end(),
            [](const Ready& a, const Ready& b) { return a.gp->goid < b.gp->goid; });
  auto& candidates = reports.candidates;
  auto& order = reports.order;
  candidates.clear();
  order.clear();
  const auto digest = [](const seam::Candidate& c) { return seam::digest_of(c.goroutine, c.goid, c.op); };
  uint64_t sum = 0;
  for (size_t i = 0; i < items.size(); ++i) {
    candidates.push_back(candidate_of(items[i]));
    sum += digest(candidates.back());
    order.push_back(i);
  }
  seam::Candidate stop;
  stop.op = seam::OpKind::stop;
  int reported = 0;
  while (!order.empty()) {
    const size_t pick =
        candidates.size() > 1 ? seam_choose(seam::DecisionKind::poll, {candidates, sum}) : 0;
    if (pick == order.size()) break;  // the stop
    sum -= digest(candidates[pick]);
    goready(items[order[pick]].gp);
    candidates.erase(candidates.begin() + static_cast<ptrdiff_t>(pick));
    order.erase(order.begin() + static_cast<ptrdiff_t>(pick));
    if (reported++ != 0 || order.empty()) continue;
    candidates.push_back(stop);
    sum += digest(stop);
  }
  reports.rest.clear();
  for (size_t index : order) reports.rest.push_back(items[index]);
  items.swap(reports.rest);
  return reported;
}

}  // namespace

void netpollready(ReadyList* list, PollDesc* pd, bool read, bool write) {
  // Only a policy wants it. Without one a late event may meet a pollOpen() that names the next descriptor.
  seam::Access access{};
  if (seam_active) access = {pd->object, true};
  if (read) {
    if (G* gp = netpollunblock(pd, PollMode::read, true)) {
      list->add(gp, seam::OpKind::io_read, access);
    }
  }
  if (write) {
    if (G* gp = netpollunblock(pd, PollMode::write, true)) {
      list->add(gp, seam::OpKind::io_write, access);
    }
  }
}

bool netpoll_waiting_natively() {
  return netpollWaiters.load(std::memory_order_relaxed) > 0 || blocking_in_flight() > 0;
}

bool netpoll_waiting() {
  return netpoll_waiting_natively() || !reports.pending.items.empty() || sim::events_waiting();
}

bool netpoll_waits_for_kernel() {
  return netpollWaiters.load(std::memory_order_relaxed) > 0 || blocking_in_flight() > 0 || program_threads() > 0;
}

G* netpoll_collect(int64_t wait_ns) {
  if (!netpollinited()) {
    if (wait_ns == 0) return nullptr;
    netpollinit();
  }
  ReadyList list;
  if (has_completions()) wait_ns = 0;
  netpoll_platform(wait_ns, &list);
  collect_completions(&list);
  return list.first;
}

// Without a policy: in the order of discovery.
static bool netpoll_ready_all(int64_t wait_ns) {
  G* gp = netpoll_collect(wait_ns);
  if (gp == nullptr) return false;
  while (gp != nullptr) {
    G* next = gp->schedlink;  // goready() links it anew
    gp->schedlink = nullptr;
    goready(gp);
    gp = next;
  }
  return true;
}

bool netpoll(int64_t wait_ns) {
  if (!seam_active) return netpoll_ready_all(wait_ns);
  if (!netpollinited()) {
    if (wait_ns == 0) return false;
    netpollinit();
  }
  ReadyList* pending = &reports.pending;
  if (!pending->items.empty() || has_completions()) wait_ns = 0;
  netpoll_platform(wait_ns, pending);
  collect_completions(pending);
  if (pending->items.empty()) return false;
  return report_by_decision(pending) > 0;
}

}  // namespace reprise::rt
