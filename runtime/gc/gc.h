// The collector's interface to the rest of the runtime, and what its files share.
//
// A cycle is run by a goroutine of its own, the *driver* (mgc.cc): it finishes sweeping, stops the world to turn the write barrier
// on, waits while workers mark, stops the world to turn it off, and sweeps what nobody swept meanwhile. In controlled modes
// driver and workers are goroutines like others to the policy; in native mode the scheduler gives workers their
// quarter of the Ps (workers.cc).
//
// Thread safety: as stated.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "runtime/gc/mbarrier.h"
#include "runtime/gc/mgcpacer.h"
#include "runtime/gc/mgcwork.h"
#include "runtime/mem/mspan.h"
#include "runtime/sched/g_m_p.h"

namespace reprise::rt {

enum class WorkerMode : uint8_t { dedicated, fractional, idle };

// What a P has for the collector, made before the first cycle; owner: who holds the P.
struct GcP {
  static constexpr uint32_t kShaded = 512;

  GcWork work;
  uint32_t shaded_count = 0;
  uintptr_t shaded[kShaded];
  WorkerMode next_mode = WorkerMode::idle;  // what schedule() took a worker out for
  bool counted = false;          // in GcState::marking_now
  int64_t fractional_ns = 0;     // spent by fractional workers in this cycle
};

// Written while the world is stopped, or atomics.
struct GcState {
  std::atomic<uint32_t> cycle{0};          // the one under way, or the last
  std::atomic<bool> running{false};        // a driver exists
  std::atomic<int32_t> goroutines{0};      // drivers and workers that have not ended
  std::atomic<bool> marking{false};        // workers and assists may mark
  std::atomic<int64_t> scan_work{0};       // of this cycle, taken over from the Ps
  std::atomic<int64_t> bytes_marked{0};
  std::atomic<int64_t> stack_work{0};      // of scan_work: stacks and roots
  std::atomic<int64_t> background_credit{0};  // work of workers that assists may take as theirs
  std::atomic<double> work_per_byte{0};    // the pacer's ratio, as published
  std::atomic<double> bytes_per_work{0};
  std::atomic<int64_t> revise_at{0};       // heap_live at which the ratio is computed anew

  std::atomic<int32_t> dedicated_needed{0};
  std::atomic<double> fractional_goal{0};  // relaxed: Ps look at it while it is set
  int64_t mark_start_ns = 0;               // native mode
  std::atomic<int32_t> marking_now{0};     // Ps that mark, or have grey objects left from marking
};
extern GcState gc_state;

// ---- for the runtime ----
// Some goroutine's stack may not have been scanned in this cycle: look before it runs. Relaxed: changes while the world is stopped.
extern std::atomic<bool> gc_stacks_grey;
void gcinit();                         // boot: reads GOGC and GOMEMLIMIT
void gc_make_p(P* pp);                 // a P is made, or the first cycle begins
// What pp has for others to mark goes to all of them. By who has pp.
void gc_give_work(P* pp);
// Whether there is something to mark for who has pp. Of some moment.
bool gc_has_work(const P* pp);
// Scans gp's stack unless this cycle has. On g0, with a P; gp does not run.
void gc_scan_before_run(G* gp);
// The same of the caller's own stack, after a system call.
void gc_scan_own();
// A mark worker for this P, already runnable, or null. g0; native mode.
G* gc_find_worker(P* pp);
// The same where the P has nothing else to do.
G* gc_find_idle_worker(P* pp);
// Whether gc_find_worker() might have one. Who has pp.
bool gc_wants_worker(const P* pp);
inline bool gc_may_need_worker() { return gc_state.marking.load(std::memory_order_relaxed); }
// Returns when no cycle is under way, the scavenger neither runs nor sleeps, and no cycle begins by itself before the caller goes on. Goroutine.
void gc_quiesce();
// Between two schedules of an exploration: everything unreachable is freed and the pacer forgets. Goroutine.
void gc_begin_schedule();
// sysmon: starts a cycle if the last one is two minutes old. Native mode.
void gc_force_if_old(int64_t now_ns);
// Before and after fork(); the second before_fork takes what is ordered behind the scheduler's locks.
void gc_before_fork();
void gc_before_fork_last();
void gc_after_fork_first(bool in_child);
void gc_after_fork(bool in_child);

// ---- for <reprise/gc.h> ----
void gc_collect();                     // a whole cycle that began after the call, sweep included. Goroutine
int32_t gc_set_percent(int32_t percent);   // < 0: off. Returns the one before
int64_t gc_set_memory_limit(int64_t bytes);  // < 0: only asks
uint32_t gc_cycles();                  // ended so far

// ---- switches of tests: rules of the collector, one by one left out ----
struct GcSeeded {
  bool no_deletion_barrier = false;
  bool no_insertion_barrier = false;
  bool no_black_allocation = false;
  // Section 6.2's, in controlled modes, where the driver is the worker.
  void (*in_step)() = nullptr;    // called by the worker between two batches: may take a lock of the program's, or allocate
  bool assists_queue = false;     // who is in debt waits for the worker's next batch
  bool workers_assist = false;    // and the worker is no exception
  bool no_yield = false;          // it marks to the end at one go
};
extern GcSeeded gc_seeded_for_test;
// Freed objects are filled with kGcPoison. Before the first allocation.
inline constexpr unsigned char kGcPoison = 0xdb;
void gc_poison_for_test(bool on);

// ---- mgcmark.cc ----
// Of whatever word: if it points into an object that is not marked, marks it and notes it as grey.
void gc_shade(uintptr_t word, GcWork* work);
void gc_scan_words(uintptr_t from, uintptr_t to, GcWork* work);
// What an object points to, but not itself.
void gc_scan_inside(uintptr_t object, GcWork* work);
// Takes up to `budget` bytes of work: root jobs first, then grey objects. Returns what was done, 0 if there is none.
int64_t gc_drain(GcWork* work, int64_t budget);
void gc_begin_roots();
bool gc_roots_done();
void gc_flush_counts(GcWork* work);    // to gc_state

// ---- stacks.cc ----
// Scans the stack of one goroutine that nobody claimed; false if there is none left.
bool gc_scan_some_stack(GcWork* work);
void gc_begin_stacks();
bool gc_stacks_done();
void gc_stack_is_scanned(G* gp);       // the driver's own, which points to nothing

// ---- mbarrier.cc ----
GcP* gc_p();                           // of the current P; null where there is none, or before the first cycle
void gc_flush_shaded(GcP* gcp);
bool gc_flush_foreign(GcWork* work);   // true if there was something
void gc_set_barrier(bool on);          // REQUIRES: the world is stopped

// ---- workers.cc ----
void gc_start_workers(int32_t procs);
void gc_stop_workers();                // they end as they notice
void gc_assist();
void gc_let_assists_go_on();           // those that GcSeeded has wait
void gc_revise();
void gc_revise_if_due();               // goroutine; in controlled modes a scheduling point if it was
void gc_goroutine_ends();              // a driver or worker
void gc_wait_for_marking();            // the driver: until nobody marks and there seems to be no work
void gc_marking_may_be_over();         // whoever finds no work: if nobody has any, the driver goes on here at once
extern constinit Pacer gc_pacer;       // the driver, or gc_cycle lock
extern Lock gc_cycle_lock;

}  // namespace reprise::rt
