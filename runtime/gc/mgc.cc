// The cycle: who runs it, its phases, and who waits for it.
//
//   sweep termination   what the last cycle left is swept, so that every mark bit is clear
//   mark, world stopped barrier and black allocation on, no stack scanned yet
//   mark, concurrent    workers, assists; the mutators go on, each after its stack was scanned
//   mark termination    world stopped again: if all buffers are empty marking is over (or nearly, then the rest is done here);
//                       else the mutators go on and so does marking
//   sweep               by whoever allocates, and by the driver for what is left; then finalizers
//
// Invariants: one driver at a time (`running`) comes as far as the sweep. Natively the next may begin while the last one sweeps: it
// sweeps the rest first, or a driver that waits for a P would let the heap grow. The world stands still while barrier, black allocation, sweepgen or the grey-stacks
// flag change. The driver parks only where no phase is half done.
//
// Controlled modes: one thread runs anyway, nothing needs stopping; the driver marks by itself in small steps, and gives way
// between them, so the policy decides how a cycle and the program interleave.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "runtime/boot/boot_internal.h"
#include "runtime/gc/gc.h"
#include "runtime/gc/mfinal.h"
#include "runtime/gc/pauses.h"
#include "runtime/gc/roots.h"
#include "runtime/mem/mallocgc.h"
#include "runtime/mem/mcache.h"
#include "runtime/mem/mcentral.h"
#include "runtime/mem/scavenge.h"
#include "runtime/sched/fibers.h"
#include "runtime/sched/native.h"
#include "runtime/sched/sched.h"

namespace reprise::rt {

constinit GcState gc_state;
constinit Pacer gc_pacer;
constinit Lock gc_cycle_lock{LockRank::gc_cycle};

namespace {

constexpr int64_t kForceNs = 120'000'000'000;   // the reference's forcegcperiod
constexpr int64_t kTerminationBudget = 32 << 10;  // bytes that may be marked while the world is stopped
constexpr int kSweepBatch = 16;                 // spans between two chances for others
constexpr int kSweepMost = 128;                 // spans that one allocation sweeps: it is not stopped meanwhile
// What drivers are named after.
constexpr seam::ObjectId kDriver{0x6763'6472'6976'6572, 0};

// gc_cycle_lock, unless said otherwise.
struct Cycles {
  G* waiters = nullptr;                  // by schedlink: until a cycle ends
  std::atomic<uint32_t> ended{0};
  std::atomic<int64_t> last_ns{0};       // when one began; native mode
  int64_t pause_begun_ns = 0;            // the driver
  PauseWork pause_work;                  // the driver; of this pause
  uint64_t drivers = 0;                  // named so far; who made `running` true
  bool marks_are_dirty = false;          // a fork lost a cycle half way; the driver
  // Pages to sweep for a byte that is allocated, so that all is swept when the next cycle begins.
  std::atomic<double> sweep_pages_per_byte{0};
};
Cycles cycles;

template <class F>
void each_gcp(F f) {
  for (int32_t i = 0; i < kMaxProcs; ++i) {
    P* pp = allp[i].load(std::memory_order_acquire);
    if (pp == nullptr) break;
    if (pp->gc != nullptr) f(static_cast<GcP*>(pp->gc));
  }
}

void stop_world() {
  if (seam_active) return;
  cycles.pause_begun_ns = monotonic_ns();
  stop_the_world();
}
void start_world() {
  if (seam_active) return;
  pause_note_work(std::exchange(cycles.pause_work, PauseWork()));
  const int64_t ended_ns = start_the_world(sched.nprocs.load(std::memory_order_relaxed));
  pause_note(ended_ns - cycles.pause_begun_ns);
}

// Natively the driver gives its P up only to who stops the world, until marking is over: it inherits the slice of
// who woke it, and who gets the P keeps it for a slice, each in its turn, and allocates all that time.
class Urgent {
 public:
  Urgent() : gp_(seam_active ? nullptr : getg()) { add(1); }
  ~Urgent() { add(-1); }
  Urgent(const Urgent&) = delete;
  Urgent& operator=(const Urgent&) = delete;

  void give_way_to_stop() {
    if (!sched.gcwaiting.load(std::memory_order_relaxed)) return;
    add(-1);
    preempt_point();
    add(1);
  }

 private:
  void add(int n) {
    if (gp_ != nullptr) gp_->no_preempt += static_cast<uint32_t>(n);
  }
  G* gp_;
};

void finish_sweep(bool may_yield, Urgent* urgent) {
  for (int n = 1; sweepone() != SIZE_MAX; ++n) {
    if (!may_yield || n % kSweepBatch != 0) continue;
    if (seam_active) gosched();
    else if (urgent != nullptr) urgent->give_way_to_stop();
    else preempt_point();
  }
}

// Of whom a fork did not leave the marker: bits of a cycle that never ended.
void clear_marks() {
  each_span([](MSpan* s) {
    for (uint32_t i = 0; i < s->mark_words(); ++i) s->gcmarkBits[i].store(0, std::memory_order_relaxed);
  });
}

void set_attention(bool marking) {
  if (marking && !gc_seeded_for_test.no_black_allocation) {
    heap_attention.fetch_or(kHeapMarking, std::memory_order_relaxed);
  } else {
    heap_attention.fetch_and(static_cast<uint8_t>(~kHeapMarking), std::memory_order_relaxed);
  }
}

// REQUIRES: the world is stopped.
void begin_mark() {
  for (int32_t i = 0; i < kMaxProcs; ++i) {
    P* pp = allp[i].load(std::memory_order_acquire);
    if (pp == nullptr) break;
    if (pp->gc == nullptr) pp->gc = new (persistentalloc(sizeof(GcP), 64)) GcP;
    static_cast<GcP*>(pp->gc)->fractional_ns = 0;
  }
  if (std::exchange(cycles.marks_are_dirty, false)) clear_marks();
  gc_state.cycle.fetch_add(1, std::memory_order_relaxed);
  for (auto* counter : {&gc_state.scan_work, &gc_state.bytes_marked, &gc_state.stack_work, &gc_state.background_credit}) {
    counter->store(0, std::memory_order_relaxed);
  }
  gc_pacer.begin(static_cast<int64_t>(mheap_.heap_live.load(std::memory_order_relaxed)));
  gc_revise();
  gc_begin_roots();
  gc_stacks_grey.store(true, std::memory_order_relaxed);
  gc_set_barrier(true);
  set_attention(true);
  gc_state.marking.store(true, std::memory_order_relaxed);
  gc_scan_own();
}

// REQUIRES: the world is stopped. Everything that is grey goes to this P; true if nothing was.
bool collect_grey() {
  GcWork* const mine = &gc_p()->work;
  each_gcp([mine](GcP* gcp) {
    cycles.pause_work.barrier_words += gcp->shaded_count;
    gc_flush_shaded(gcp);
    if (&gcp->work != mine) gcp->work.dispose();
    gc_flush_counts(&gcp->work);
    gcp->counted = false;
  });
  gc_state.marking_now.store(0, std::memory_order_relaxed);
  gc_flush_foreign(mine);
  return gc_roots_done() && mine->empty() && !work_available();
}

// REQUIRES: the world is stopped. True: nothing is grey any more.
bool mark_is_over() {
  if (collect_grey()) return true;
  GcWork* const mine = &gc_p()->work;
  const int64_t done = gc_drain(mine, kTerminationBudget);
  cycles.pause_work.scanned_bytes += done;
  if (done < kTerminationBudget && collect_grey()) return true;
  mine->dispose();
  return false;
}

void publish_pacer() {
  mheap_.gc_trigger.store(static_cast<uint64_t>(gc_pacer.trigger()), std::memory_order_relaxed);
}

double sweep_ratio(int64_t live) {
  const int64_t trigger = gc_pacer.trigger();
  if (trigger == kNoLimit) return 0;
  mheap_.lock.lock();
  const auto pages = static_cast<double>(mheap_.pages_in_use);
  mheap_.lock.unlock();
  return pages / static_cast<double>(std::max<int64_t>(trigger - live - (64 << 10), static_cast<int64_t>(kHeapPageBytes)));
}

// REQUIRES: the world is stopped.
void mark_termination() {
  fibers_stopped();
  gc_state.marking.store(false, std::memory_order_relaxed);
  gc_stacks_grey.store(false, std::memory_order_relaxed);
  gc_set_barrier(false);
  set_attention(false);
  each_gcp([](GcP* gcp) { gc_flush_counts(&gcp->work); });
  cycles.pause_work.spans += flushallmcaches();
  const int64_t marked = gc_state.bytes_marked.load(std::memory_order_relaxed);
  const int64_t live = static_cast<int64_t>(mheap_.heap_live.load(std::memory_order_relaxed));
  gc_cycle_lock.lock();
  gc_pacer.end(marked, live, gc_state.scan_work.load(std::memory_order_relaxed),
               gc_state.stack_work.load(std::memory_order_relaxed));
  publish_pacer();
  gc_cycle_lock.unlock();
  mheap_.heap_live.store(static_cast<uint64_t>(marked), std::memory_order_relaxed);
  cycles.sweep_pages_per_byte.store(sweep_ratio(marked), std::memory_order_relaxed);
  mheap_.begin_sweep();
}

void mark_in_steps(bool may_yield) {
  const auto give_way = [may_yield] {
    if (may_yield && !gc_seeded_for_test.no_yield) gosched();
  };
  give_way();  // before the roots, too
  // Small steps while there is little, so that a small heap is marked in many places of a schedule.
  int64_t budget = 1;
  for (;;) {
    GcP* const gcp = gc_p();
    const int64_t done = gc_drain(&gcp->work, may_yield ? budget : INT64_MAX);
    gc_state.background_credit.fetch_add(done, std::memory_order_relaxed);
    gc_flush_counts(&gcp->work);
    if (done == 0 && collect_grey()) return gc_let_assists_go_on();
    const int64_t heap_work =
        gc_state.scan_work.load(std::memory_order_relaxed) - gc_state.stack_work.load(std::memory_order_relaxed);
    budget = 1 + std::max<int64_t>(heap_work, 0) / 64;
    if (gc_seeded_for_test.in_step != nullptr) gc_seeded_for_test.in_step();
    gc_let_assists_go_on();
    give_way();
  }
}

// Native mode: others mark, until all is marked. Returns with the world stopped.
void mark_by_workers() {
  gc_start_workers(sched.nprocs.load(std::memory_order_relaxed));
  for (;;) {
    gc_wait_for_marking();
    stop_world();
    if (mark_is_over()) return;
    start_world();
  }
}

void wake_waiters() {
  gc_cycle_lock.lock();
  G* gp = cycles.waiters;
  cycles.waiters = nullptr;
  gc_cycle_lock.unlock();
  while (gp != nullptr) {
    G* const next = gp->schedlink;
    gp->schedlink = nullptr;
    goready(gp);
    gp = next;
  }
}

void end_cycle() {
  gc_cycle_lock.lock();
  const int64_t goal = gc_pacer.goal();
  cycles.ended.fetch_add(1, std::memory_order_release);
  gc_cycle_lock.unlock();
  if (goal != kNoLimit) scavenge_set_goal(static_cast<uint64_t>(goal + goal / 10));
}

void let_next_begin() {
  gc_cycle_lock.lock();
  gc_state.running.store(false, std::memory_order_release);
  gc_cycle_lock.unlock();
}

void mark(bool may_yield) {
  Urgent urgent;
  finish_sweep(may_yield, &urgent);
  if (!seam_active) cycles.last_ns.store(monotonic_ns(), std::memory_order_relaxed);
  const bool inline_marking = seam_active || !may_yield;
  stop_world();
  begin_mark();
  if (inline_marking) {
    mark_in_steps(may_yield);
  } else {
    gc_state.mark_start_ns = monotonic_ns();
    start_world();
    mark_by_workers();
  }
  mark_termination();
  start_world();
  if (!inline_marking) {
    gc_stop_workers();
    let_next_begin();
  }
}

// may_yield false: for the caller alone to see, between two schedules of an exploration.
void run_cycle(bool may_yield) {
  mark(may_yield);
  finish_sweep(may_yield, nullptr);
  end_cycle();
  if (seam_active || !may_yield) let_next_begin();
}

void driver(void*) {
  run_cycle(true);
  finalizers_start();
  bgscavenge_start();
  wake_waiters();
  gc_goroutine_ends();
}

// False: one is running.
bool claim_cycle() { return !gc_state.running.exchange(true, std::memory_order_acq_rel); }

SpawnOptions next_driver() {
  gc_state.goroutines.fetch_add(1, std::memory_order_relaxed);
  return {.system = true, .maker = &kDriver, .maker_index = cycles.drivers++};
}

void start_driver() {
  if (claim_cycle()) newproc(driver, nullptr, nullptr, next_driver());
}

// HeapHooks::trigger. The driver goes at once, or the heap would grow by what this goroutine allocates in the rest of its slice, and
// others in theirs; and in controlled modes allocating is no scheduling point.
void triggered() {
  const G* gp = getg();
  if (gp->system || gp->no_preempt != 0 || gp->ctx.m->locks != 0) return;
  if (gc_state.marking.load(std::memory_order_relaxed)) return gc_revise_if_due();
  if (!claim_cycle()) return;
  if (!seam_active) return yield_to(newproc_for_now(driver, nullptr, next_driver()));
  newproc(driver, nullptr, nullptr, next_driver());
  gosched();
}

void allocated_black(MSpan* s, uint32_t) {
  if (GcP* const gcp = gc_p()) gcp->work.bytes_marked += static_cast<int64_t>(s->elemsize);
}

// The reference's deductSweepCredit, in whole spans. What is beyond the most is left to the driver.
void sweep_credit(size_t bytes) {
  double pages = static_cast<double>(bytes) * cycles.sweep_pages_per_byte.load(std::memory_order_relaxed);
  for (int most = kSweepMost; pages > 0 && most > 0; pages -= 1, --most) {
    if (sweepone() != SIZE_MAX) continue;
    cycles.sweep_pages_per_byte.store(0, std::memory_order_relaxed);
    return;
  }
}

void poison(MSpan* s, uint32_t index) {
  const FiberUnseen unseen;
  std::memset(reinterpret_cast<void*>(s->objBase(index)), kGcPoison, s->elemsize);
}

// ---- GOGC and GOMEMLIMIT ----

[[noreturn]] void bad(const char* name, const char* expected, const char* text) {
  boot_usage_error(std::string(name) + ": expected " + expected + ", got \"" + text + "\"");
}

// Digits alone, no sign, at most INT64_MAX.
bool parse_digits(std::string_view text, int64_t* value) {
  if (text.empty()) return false;
  *value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9' || __builtin_mul_overflow(*value, 10, value) || __builtin_add_overflow(*value, c - '0', value)) {
      return false;
    }
  }
  return true;
}

void read_gogc() {
  const char* const text = std::getenv("GOGC");
  if (text == nullptr || *text == 0) return;
  if (std::string_view(text) == "off") return gc_pacer.set_percent(-1);
  int64_t percent = 0;
  if (!parse_digits(text, &percent) || percent > INT32_MAX) bad("GOGC", "a percentage or off", text);
  gc_pacer.set_percent(static_cast<int32_t>(percent));
}

// Bytes with an optional B, KiB, MiB, GiB or TiB, as the reference.
bool parse_bytes(std::string_view text, int64_t* bytes) {
  struct Unit {
    std::string_view suffix;
    int shift;
  };
  for (const Unit unit : {Unit{"KiB", 10}, Unit{"MiB", 20}, Unit{"GiB", 30}, Unit{"TiB", 40}, Unit{"B", 0}}) {
    if (!text.ends_with(unit.suffix)) continue;
    text.remove_suffix(unit.suffix.size());
    return parse_digits(text, bytes) && !__builtin_mul_overflow(*bytes, int64_t{1} << unit.shift, bytes);
  }
  return parse_digits(text, bytes);
}

void read_gomemlimit() {
  const char* const text = std::getenv("GOMEMLIMIT");
  if (text == nullptr || *text == 0 || std::string_view(text) == "off") return;
  int64_t bytes = 0;
  if (!parse_bytes(text, &bytes)) bad("GOMEMLIMIT", "bytes, as 512MiB, or off", text);
  gc_pacer.set_limit(bytes);
  heap_set_memory_limit(static_cast<uint64_t>(bytes));
}

bool commit_wait(G* gp, void*) {
  gp->schedlink = cycles.waiters;
  cycles.waiters = gp;
  gc_cycle_lock.unlock();
  return true;
}

// REQUIRES: gc_cycle_lock, which it releases. Until some cycle ends.
void wait_for_end() { gopark(commit_wait, nullptr, WaitReason::none); }

}  // namespace

void gcinit() {
  read_gogc();
  read_gomemlimit();
  publish_pacer();
  heap_hooks.assist = gc_assist;
  heap_hooks.allocated_black = allocated_black;
  heap_hooks.trigger = triggered;
  heap_hooks.before_sweep = specials_before_sweep;
  heap_hooks.sweep_credit = sweep_credit;
}

void gc_make_p(P* pp) {
  if (gc_state.cycle.load(std::memory_order_relaxed) != 0) pp->gc = new (persistentalloc(sizeof(GcP), 64)) GcP;
}

void gc_collect() {
  gc_cycle_lock.lock();
  // A driver that has not begun to mark will see all that is unreachable now.
  const uint32_t target = gc_state.cycle.load(std::memory_order_relaxed) + 1;
  while (static_cast<int32_t>(cycles.ended.load(std::memory_order_acquire) - target) < 0) {
    if (!gc_state.running.load(std::memory_order_acquire)) {
      gc_cycle_lock.unlock();
      start_driver();
      gc_cycle_lock.lock();
      if (!gc_state.running.load(std::memory_order_acquire)) continue;
    }
    wait_for_end();
    gc_cycle_lock.lock();
  }
  gc_cycle_lock.unlock();
}

void gc_quiesce() {
  for (;;) {
    gc_cycle_lock.lock();
    if (!gc_state.running.load(std::memory_order_acquire)) break;
    wait_for_end();
  }
  gc_cycle_lock.unlock();
  while (gc_state.goroutines.load(std::memory_order_acquire) != 0) gosched();
  if (!seam_active) scavenge_quiesce();
}

int32_t gc_set_percent(int32_t percent) {
  gc_cycle_lock.lock();
  const int32_t before = gc_pacer.percent();
  gc_pacer.set_percent(percent);
  publish_pacer();
  gc_cycle_lock.unlock();
  return before;
}

int64_t gc_set_memory_limit(int64_t bytes) {
  gc_cycle_lock.lock();
  const int64_t before = gc_pacer.limit();
  if (bytes >= 0) {
    gc_pacer.set_limit(bytes);
    publish_pacer();
  }
  gc_cycle_lock.unlock();
  if (bytes >= 0) heap_set_memory_limit(bytes == kNoLimit ? UINT64_MAX : static_cast<uint64_t>(bytes));
  return before;
}

uint32_t gc_cycles() { return cycles.ended.load(std::memory_order_acquire); }

void gc_begin_schedule() {
  if (mheap_.heap_live.load(std::memory_order_relaxed) == 0) return;
  if (!claim_cycle()) throw_("gc: a schedule begins in the middle of a cycle");
  run_cycle(false);
  finalizers_discard();
  cycles.drivers = 0;
  gc_pacer.reset();
  publish_pacer();
}

void gc_force_if_old(int64_t now_ns) {
  const int64_t last = cycles.last_ns.load(std::memory_order_relaxed);
  if (last == 0 || now_ns - last < kForceNs || gc_pacer.percent() < 0) return;
  start_driver();
}

void gc_poison_for_test(bool on) { heap_hooks.freed = on ? poison : nullptr; }

void gc_before_fork() { gc_cycle_lock.lock(); }

// In the child a cycle that others ran is over, without a result.
void gc_after_fork(bool in_child) {
  if (in_child && gc_state.running.load(std::memory_order_relaxed)) {
    gc_state.running.store(false, std::memory_order_relaxed);
    gc_state.marking.store(false, std::memory_order_relaxed);
    gc_stacks_grey.store(false, std::memory_order_relaxed);
    gc_barrier_on.store(0, std::memory_order_relaxed);
    set_attention(false);
    cycles.waiters = nullptr;
    each_gcp([](GcP* gcp) {
      gcp->shaded_count = 0;
      gcp->counted = false;
      gcp->work.forget();
    });
    gc_state.marking_now.store(0, std::memory_order_relaxed);
    work_is_gone();
    cycles.marks_are_dirty = true;
  }
  if (in_child) gc_state.goroutines.store(0, std::memory_order_relaxed);
  gc_cycle_lock.unlock();
}

}  // namespace reprise::rt
