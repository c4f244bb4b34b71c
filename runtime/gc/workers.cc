// Who marks, beside the driver of controlled modes: background workers and assists (reference, sections 6.1 and 6.2).
//
// A cycle of native mode has one worker goroutine for each P. They park in a pool, not in run queues: schedule() takes one out,
//   - as *dedicated* while the plan wants whole Ps: it marks until the P is wanted for something that it must do,
//   - as *fractional* while the P has spent less than its share of the cycle: until it has spent that,
//   - as *idle* where the P has nothing else: until it has.
//
// No deadlock (6.2): a worker takes no lock of the program's, never allocates from the collected heap and so never assists,
// and looks between two batches whether it should give way; an assist never waits for a worker: it marks by itself, takes
// credit that workers left, or, if there is nothing to mark for it, goes on. (The reference lets it queue there. The heap may so
// pass its goal by what is allocated while the last buffers are in others' hands, and nobody depends on anybody.)
//
// What an assist finds and does not look into stays with its P, for the P's next assist or worker. Such a P counts as
// marking (GcP::counted); one that goes idle or is no more gives it to all.
//
// Termination: whoever stops marking, sees no work, and no other P that marks, wakes the driver, which looks with the world
// stopped. Work that is only in a P's barrier buffer is found there.
#include <algorithm>
#include <utility>

#include "runtime/gc/gc.h"
#include "runtime/mem/mheap.h"
#include "runtime/sched/fibers.h"
#include "runtime/sched/native.h"
#include "runtime/sched/sched.h"
#include "runtime/sched/seam.h"

namespace reprise::rt {

namespace {

constexpr int64_t kBatch = 16 << 10;  // bytes between two looks whether to give way
constexpr seam::ObjectId kWorker{0x6763'776f'726b'6572, 0};

// gc_cycle_lock.
struct Pool {
  G* parked = nullptr;          // by schedlink
  G* driver = nullptr;          // it waits until marking may be over
  bool maybe_over = false;      // and that it may be was noticed
  G* assists = nullptr;         // GcSeeded::assists_queue
};
Pool pool;
std::atomic<uint64_t> workers_named{0};

bool into_pool(G* gp, void*) {
  gc_cycle_lock.lock();
  // A cycle that has ended has no pool any more.
  const bool stay = gc_state.marking.load(std::memory_order_relaxed);
  if (stay) {
    gp->schedlink = pool.parked;
    pool.parked = gp;
  }
  gc_cycle_lock.unlock();
  return stay;
}

G* take_parked() {
  gc_cycle_lock.lock();
  G* gp = pool.parked;
  if (gp != nullptr) pool.parked = gp->schedlink;
  gc_cycle_lock.unlock();
  if (gp != nullptr) {
    gp->schedlink = nullptr;
    casgstatus(gp, GStatus::waiting, GStatus::runnable);
  }
  return gp;
}

bool there_is_work() { return work_available() || !gc_roots_done(); }

bool asked_for_p(const P* pp) {
  return pp->preempt.load(std::memory_order_relaxed) || sched.gcwaiting.load(std::memory_order_relaxed);
}

bool want_to_stop(WorkerMode mode, P* pp, int64_t begun_ns) {
  if (asked_for_p(pp)) return true;
  if (mode == WorkerMode::dedicated) return false;
  if (mode == WorkerMode::idle) return !runqempty(pp) || sched.global_size.load(std::memory_order_relaxed) != 0;
  const int64_t now = monotonic_ns();
  const auto share = static_cast<double>(now - gc_state.mark_start_ns) * gc_state.fractional_goal.load(std::memory_order_relaxed);
  return static_cast<double>(static_cast<GcP*>(pp->gc)->fractional_ns + now - begun_ns) > 1.2 * share;
}

void begin_marking(GcP* gcp) {
  if (!std::exchange(gcp->counted, true)) gc_state.marking_now.fetch_add(1, std::memory_order_seq_cst);
}

// Who leaves last and sees no work lets the driver go on.
void end_marking(GcP* gcp) {
  if (!gcp->work.empty()) return;
  gcp->counted = false;
  gc_state.marking_now.fetch_sub(1, std::memory_order_seq_cst);
  gc_marking_may_be_over();
}

// Grey objects before what the barrier noted: that is seldom more than a few.
int64_t drain_all(GcP* gcp, int64_t budget) {
  const int64_t done = gc_drain(&gcp->work, budget);
  if (done != 0) return done;
  gc_flush_shaded(gcp);
  return gc_drain(&gcp->work, budget);
}

void wake_others() {
  if (sched.wakeup.npidle.load(std::memory_order_relaxed) != 0 && work_available()) wakep();
}

void mark_as(WorkerMode mode) {
  P* const pp = getp();
  GcP* const gcp = static_cast<GcP*>(pp->gc);
  const int64_t begun = monotonic_ns();
  begin_marking(gcp);
  do {
    const int64_t done = drain_all(gcp, kBatch);
    gc_state.background_credit.fetch_add(done, std::memory_order_relaxed);
    if (done == 0) break;
    gcp->work.balance();
    wake_others();
  } while (!want_to_stop(mode, pp, begun));
  gcp->work.dispose();
  gc_flush_counts(&gcp->work);
  end_marking(gcp);
  if (mode == WorkerMode::fractional) gcp->fractional_ns += monotonic_ns() - begun;
  if (mode == WorkerMode::dedicated) gc_state.dedicated_needed.fetch_add(1, std::memory_order_relaxed);
}

void worker(void*) {
  for (;;) {
    gopark(into_pool, nullptr, WaitReason::none);
    if (!gc_state.marking.load(std::memory_order_relaxed)) break;
    mark_as(gc_p()->next_mode);
  }
  gc_goroutine_ends();
}

bool take_dedicated() {
  int32_t needed = gc_state.dedicated_needed.load(std::memory_order_relaxed);
  while (needed > 0) {
    if (gc_state.dedicated_needed.compare_exchange_weak(needed, needed - 1, std::memory_order_relaxed)) return true;
  }
  return false;
}

bool fraction_left(const P* pp) {
  const double goal = gc_state.fractional_goal.load(std::memory_order_relaxed);
  if (goal == 0) return false;
  const int64_t passed = monotonic_ns() - gc_state.mark_start_ns;
  return static_cast<double>(static_cast<const GcP*>(pp->gc)->fractional_ns) <
         static_cast<double>(passed) * goal;
}

G* as(P* pp, WorkerMode mode) {
  G* const gp = take_parked();
  if (gp != nullptr) static_cast<GcP*>(pp->gc)->next_mode = mode;
  return gp;
}

int64_t steal_credit(int64_t wanted) {
  int64_t there = gc_state.background_credit.load(std::memory_order_relaxed);
  while (there > 0) {
    const int64_t take = std::min(there, wanted);
    if (gc_state.background_credit.compare_exchange_weak(there, there - take, std::memory_order_relaxed)) return take;
  }
  return 0;
}

// Natively in batches, and no longer than until somebody wants the P: what is owed may be much.
int64_t mark_for(int64_t wanted) {
  P* const pp = getp();
  GcP* const gcp = gc_p();
  begin_marking(gcp);
  int64_t done = 0;
  for (bool more = true; more;) {
    const int64_t batch = drain_all(gcp, seam_active ? wanted : std::min(wanted - done, kBatch));
    done += batch;
    more = batch != 0 && done < wanted && !asked_for_p(pp);
  }
  gcp->work.balance();
  gc_flush_counts(&gcp->work);
  end_marking(gcp);
  return done;
}

// As the reference has it where credit is short, without its way out.
void queue_assist() {
  gc_cycle_lock.lock();
  gopark([](G* gp, void*) {
    gp->schedlink = pool.assists;
    pool.assists = gp;
    gc_cycle_lock.unlock();
    return true;
  }, nullptr, WaitReason::none);
}

bool may_assist(const G* gp) {
  return gp != nullptr && gp == curg() && (!gp->system || gc_seeded_for_test.workers_assist) && gp->no_preempt == 0 && gp->ctx.m->locks == 0;
}

}  // namespace

// One that went on in the child of a fork is not counted there.
void gc_goroutine_ends() {
  int32_t there = gc_state.goroutines.load(std::memory_order_relaxed);
  while (there > 0 && !gc_state.goroutines.compare_exchange_weak(there, there - 1, std::memory_order_release)) {
  }
}

G* gc_find_worker(P* pp) {
  if (!gc_has_work(pp)) return nullptr;
  if (take_dedicated()) {
    G* const gp = as(pp, WorkerMode::dedicated);
    if (gp == nullptr) gc_state.dedicated_needed.fetch_add(1, std::memory_order_relaxed);
    if (gp == nullptr) return nullptr;
    while (G* other = runqget(pp).gp) globrunqput(other);  // the P is not theirs for some time
    return gp;
  }
  if (G* const gp = fraction_left(pp) ? as(pp, WorkerMode::fractional) : nullptr) return gp;
  gc_give_work(pp);  // its next goroutine may never assist
  return nullptr;
}

bool gc_has_work(const P* pp) {
  const auto* const gcp = static_cast<const GcP*>(pp->gc);
  return gcp != nullptr && (!gcp->work.empty() || there_is_work());
}

void gc_give_work(P* pp) {
  auto* const gcp = static_cast<GcP*>(pp->gc);
  if (gcp == nullptr || !gcp->counted) return;
  gcp->work.dispose();
  gc_flush_counts(&gcp->work);
  gcp->counted = false;
  gc_state.marking_now.fetch_sub(1, std::memory_order_seq_cst);
}

bool gc_wants_worker(const P* pp) {
  if (!gc_has_work(pp)) return false;
  return gc_state.dedicated_needed.load(std::memory_order_relaxed) > 0 || fraction_left(pp);
}

// All workers may be on their way to the pool. Who comes there looks for work then, and the driver has begun them all.
G* gc_find_idle_worker(P* pp) {
  if (!gc_has_work(pp)) return nullptr;
  if (G* const gp = as(pp, WorkerMode::idle)) return gp;
  gc_give_work(pp);
  return as(pp, WorkerMode::idle);
}

void gc_start_workers(int32_t procs) {
  const WorkerPlan plan = plan_workers(procs);
  gc_state.dedicated_needed.store(plan.dedicated, std::memory_order_relaxed);
  gc_state.fractional_goal.store(plan.fractional, std::memory_order_relaxed);
  gc_state.goroutines.fetch_add(procs, std::memory_order_relaxed);
  for (int32_t i = 0; i < procs; ++i) {
    newproc(worker, nullptr, nullptr,
            {.system = true, .maker = &kWorker, .maker_index = workers_named.fetch_add(1, std::memory_order_relaxed)});
  }
}

void gc_let_assists_go_on() {
  if (!gc_seeded_for_test.assists_queue) return;
  while (pool.assists != nullptr) {
    G* const gp = std::exchange(pool.assists, pool.assists->schedlink);
    gp->schedlink = nullptr;
    goready(gp);
  }
}

void gc_stop_workers() {
  while (G* gp = take_parked()) ready_put(gp);
}

// What is allocated until the driver goes on is beyond the goal, and it would inherit what is left of a slice.
void gc_marking_may_be_over() {
  if (gc_state.marking_now.load(std::memory_order_seq_cst) != 0 || there_is_work()) return;
  gc_cycle_lock.lock();
  pool.maybe_over = true;
  G* const driver = pool.driver;
  pool.driver = nullptr;
  gc_cycle_lock.unlock();
  if (driver == nullptr) return;
  casgstatus(driver, GStatus::waiting, GStatus::runnable);
  fiber_readied(driver);
  yield_to(driver);
}

void gc_wait_for_marking() {
  gc_cycle_lock.lock();
  while (!pool.maybe_over) {
    gopark([](G* gp, void*) {
      pool.driver = gp;
      gc_cycle_lock.unlock();
      return true;
    }, nullptr, WaitReason::none);
    gc_cycle_lock.lock();
  }
  pool.maybe_over = false;
  gc_cycle_lock.unlock();
}

void gc_revise() {
  const auto live = static_cast<int64_t>(mheap_.heap_live.load(std::memory_order_relaxed));
  gc_cycle_lock.lock();
  const AssistRatio ratio = gc_pacer.revise(live, gc_state.scan_work.load(std::memory_order_relaxed));
  gc_state.work_per_byte.store(ratio.work_per_byte, std::memory_order_relaxed);
  gc_state.bytes_per_work.store(ratio.bytes_per_work, std::memory_order_relaxed);
  gc_state.revise_at.store(live + kGcReviseBytes, std::memory_order_relaxed);
  gc_cycle_lock.unlock();
}

void gc_revise_if_due() {
  if (static_cast<int64_t>(mheap_.heap_live.load(std::memory_order_relaxed)) <
      gc_state.revise_at.load(std::memory_order_relaxed)) {
    return;
  }
  gc_revise();
  if (seam_active) gosched();  // allocating is no scheduling point, and the driver has to come to an end
}

namespace {

// True: somebody wants the P, and the rest of the debt is for afterwards.
bool pay_some(G* gp) {
  const double bytes_per_work = gc_state.bytes_per_work.load(std::memory_order_relaxed);
  const auto owed = static_cast<int64_t>(static_cast<double>(-gp->gcAssistBytes) *
                                         gc_state.work_per_byte.load(std::memory_order_relaxed)) + 1;
  // Ahead of what is owed, so that not every allocation comes here; in small steps where a policy looks on.
  const int64_t wanted = seam_active ? owed : std::max(owed, kGcOverAssistWork);
  int64_t done = steal_credit(wanted);
  if (done < owed) done += mark_for(wanted - done);
  const double earned = std::min(static_cast<double>(done) * bytes_per_work + 1, static_cast<double>(kGcMaxCreditBytes));
  gp->gcAssistBytes += static_cast<int64_t>(earned);
  if (gp->gcAssistBytes < 0 && done < owed && !seam_active && asked_for_p(getp())) return true;
  gp->gcAssistBytes = std::max(gp->gcAssistBytes, int64_t{0});  // there is nothing to mark for it
  return false;
}

}  // namespace

// Who may not assist now goes on with its debt.
void gc_assist() {
  G* const gp = getg();
  if (!may_assist(gp) || gc_p() == nullptr) return;
  gc_revise_if_due();
  if (gc_seeded_for_test.assists_queue) [[unlikely]] return queue_assist();
  while (pay_some(gp)) preempt_point();
}

}  // namespace reprise::rt
