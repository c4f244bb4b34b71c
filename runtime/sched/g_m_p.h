// G, M and P: a goroutine, a thread, and the right to run goroutines (reference, section 3).
//
// A *G* is a goroutine: its stack, its saved context, what it waits for. An *M* is a thread of the
// operating system with a g0, the system goroutine whose stack is the thread's own and on which
// the scheduler runs. A *P* holds what an M needs to run goroutines; native mode has gomaxprocs of
// them. In controlled modes goroutines that are not locked to a thread all run on m0, one at a
// time, and the ready set lives in the seam (runtime/sched/seam.h).
//
// Fields name their guard. `sched.lock` is the scheduler's, "owner" the M that runs the G, or that
// holds the P.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "asm/context.h"
#include "runtime/sched/atomics.h"
#include "runtime/sched/goroutine_count.h"
#include "runtime/sched/lock.h"
#include "runtime/seam/decision.h"

namespace reprise::rt {

struct G;
struct M;
struct MCache;
struct P;
struct Sudog;
struct Timer;

// Go's status names. Transitions are asserted (casgstatus).
enum class GStatus : uint32_t {
  idle,       // just allocated
  runnable,   // on a run queue or in the ready set, not running
  running,    // owned by an M with a P
  syscall,    // in a system call, owned by an M without a P
  waiting,    // parked; somebody must goready() it
  dead,       // exited, or not yet initialised; on a free list
};

// Why a goroutine waits; the texts in wait_reason_text() are the reference's.
enum class WaitReason : uint8_t {
  none, chan_receive, chan_send, chan_receive_nil, chan_send_nil, select, select_no_cases,
  sleep, semacquire, sync_mutex_lock, sync_rwmutex_rlock, sync_rwmutex_lock, sync_cond_wait,
  sync_wait_group_wait, io_wait, syscall, timer, locked_thread, pthread_lock, pthread_cond,
  pthread_join, atomic_wait, preempted, finished,
};
const char* wait_reason_text(WaitReason reason);

// The reference's _Pidle and so on. Transitions are compare-and-swaps where sysmon and the returning
// M both want a P in a system call, stores by the owner elsewhere.
enum class PStatus : uint32_t {
  idle,     // on the idle list, or in the hands of whoever moves it
  running,  // owned by an M
  syscall,  // its M is in a system call; anybody may take it by compare-and-swap
  gcstop,   // halted while the world is stopped
  dead,     // beyond gomaxprocs
};

// The C++ exception globals (__cxa_eh_globals): per thread in libstdc++, per goroutine here.
struct EhGlobals {
  void* caught = nullptr;
  unsigned uncaught = 0;
};

// What a sanitizer knows of a stack (runtime/sched/fibers.cc); unused in other builds, but always
// there, so that the layout does not depend on flags. Owner.
struct FiberState {
  void* handle = nullptr;
  G* (*pending)(G*) = nullptr;
  const void* lo = nullptr;
  size_t size = 0;
};

// What a wait, a wake-up and a switch touch comes first, in two cache lines, what a start writes besides in the two after
// them, and what controlled modes and rare occasions need last: where thousands of goroutines take turns, each line is a
// miss each time.
struct alignas(64) G {
  asm_::GContext ctx;            // offsets known to the assembler; owner
  std::atomic<GStatus> status{GStatus::idle};
  WaitReason wait_reason = WaitReason::none;
  bool gcbuilding = false;       // dead still, but its argument is on its stack; who makes it
  bool system = false;           // runtime's own: not counted for deadlock or leaks
  bool exiting = false;          // goexit is unwinding it
  G* schedlink = nullptr;        // next on whatever queue holds it; that queue's lock
  M* locked_m = nullptr;         // lock_os_thread, stays.h, or until it goes on: preempted at an instruction
  void* param = nullptr;         // handed over by goready(): the Sudog that fired, or null
  Sudog* waiting = nullptr;      // sudogs it is enqueued on, channels' in lock order; the locks of what it waits for
  std::atomic<uint32_t> select_done{0};  // first to turn 0 into 1 wins the select
  int saved_errno = 0;           // swapped at switches
  EhGlobals eh;                  // swapped at switches
  std::atomic<uint32_t> gcscan{0};  // twice the cycle: its stack is being scanned; plus one: it was (gc/stacks.cc)
  uint32_t no_preempt = 0;       // >0: stays on this M until it drops to 0

  uint64_t goid = 0;             // 1 is main; never reused
  seam::GoId name;               // survives other schedules
  uint64_t parent_goid = 0;
  uint64_t spawns = 0;           // children so far; owner
  uint64_t objects = 0;          // named objects so far; owner
  seam::Site spawn_site = 0;
  void (*entry)(void*) = nullptr;
  void* entry_arg = nullptr;
  void (*entry_drop)(void*) = nullptr;  // destroys entry_arg if the goroutine never starts
  int64_t gcAssistBytes = 0;     // credit towards marking, negative: debt; owner (runtime/gc)
  int64_t wait_since_ns = 0;     // 0 unless the wait is long enough to matter
  void* panic = nullptr;         // runtime/panic
  void* locals = nullptr;        // GoLocal
  seam::Site op_site = 0;        // of the announced operation, below
  uint32_t access_count = 0;
  uint8_t block = 0;             // one more than the index of the block that it goes on with, 0 any (thread_block.h)
  seam::OpKind op = seam::OpKind::start;
  bool named = false;            // its name comes from what made it, not from a parent

  uint32_t locked_count = 0;
  bool stays_on_m = false;       // native mode: a StaysOnThread lives (stays.h); owner
  bool stays_in_block = false;   // the same under a policy
  std::atomic<G*> alllink{nullptr};  // allgs, append only
  size_t stack_bytes = 0;
  Timer* sleep_timer = nullptr;  // cached by sleep_for
  FiberState fiber;
  std::atomic<bool> parking_on_chan{false};
  seam::Site wait_site = 0;      // of its last wait under a policy
  uint64_t ready_step = 0;       // step at which it last became runnable
  G* ready_before = nullptr;     // in the ready set of a controlled run: who became ready
  G* ready_after = nullptr;      // before it and after

  // The announced operation: what it does when it next runs.
  seam::Access accesses[4];

  alignas(16) unsigned char exit_token[32] = {};  // goexit's _Unwind_Exception
};

struct M {
  asm_::MContext ctx;            // g0, curg: offsets known to the assembler
  int64_t id = 0;
  G* gsignal = nullptr;
  P* p = nullptr;                // owner; null when idle or in a system call
  P* nextp = nullptr;            // handed over by whoever sets `park`
  P* oldp = nullptr;             // the P it had before the system call; owner
  G* locked_g = nullptr;
  bool held = false;             // locked_g was preempted at an instruction: this thread waits for it; owner
  std::atomic<uint32_t> signal_pending{0};  // a preemption signal was sent and has not come yet
  int32_t locks = 0;             // runtime locks held; >0 forbids preemption
  int32_t mallocing = 0;
  bool spinning = false;         // counted in sched.wakeup.nmspinning; owner, or whoever wakes it
  std::atomic<int32_t> dying{0};
  M* alllink = nullptr;          // allms; constant once published
  M* schedlink = nullptr;        // idle list, spare list; sched.lock
  uint64_t tid = 0;
  std::atomic<uint32_t> park{0};  // note (note.h)
  bool (*wait_unlock_f)(G*, void*) = nullptr;  // gopark's commit, run on g0
  void* wait_lock = nullptr;
  G* next_g = nullptr;           // controlled modes: handed over with the P by whoever wakes `park`
  int* errno_location = nullptr;     // this thread's; where a goroutine's errno is swapped in
  EhGlobals* eh_location = nullptr;  // the same for the C++ exception globals
  bool exiting = false;          // the thread ends once it has handed the P over; owner
  uint64_t fastrand = 0;         // generator of the scheduler's own choices in native mode; owner
};

// Per-P run queue of the reference: a ring of 256 with one owner and many thieves.
inline constexpr uint32_t kRunqSize = 256;

// What sysmon last saw of a P; sysmon alone touches it.
struct SysmonTick {
  uint32_t schedtick = 0;
  uint32_t syscalltick = 0;
  int64_t schedwhen_ns = 0;
  int64_t askedwhen_ns = 0;
  int64_t syscallwhen_ns = 0;
};

// Ps are never freed. On a cache line of its own: thieves look at it.
struct alignas(64) P {
  int32_t id = 0;
  std::atomic<PStatus> status{PStatus::gcstop};
  std::atomic<M*> m{nullptr};    // the M that runs it; written by owner, read by sysmon as a hint
  P* link = nullptr;             // idle list; sched.lock
  std::atomic<uint32_t> schedtick{0};    // +1 for every slice; owner
  uint32_t fair_tick = 0;                // the slice that last looked beyond its ring at its start (findrunnable.cc); owner
  std::atomic<uint32_t> syscalltick{0};  // +1 for every system call; owner
  std::atomic<bool> preempt{false};  // its goroutine should give way at its next scheduling point
  G* gfree = nullptr;
  int32_t gfree_count = 0;
  uint64_t goidcache = 0;        // native mode: ids reserved for goroutines born here
  uint64_t goidcacheend = 0;
  GoroutineCountsOf<StdAtomics> user_goroutines;  // of the program; owner (goroutine_count.h)
  uint64_t timers_seen_tsc = 0;  // when its timers were last looked at; owner
  struct TimerHeap* timers = nullptr;  // runtime/time; set by owner
  MCache* mcache = nullptr;      // runtime/mem: what its goroutines allocate from; owner
  void* gc = nullptr;            // runtime/gc: work buffers, barrier buffer; owner
  SysmonTick sysmontick;
  alignas(64) std::atomic<uint32_t> runqhead{0};
  std::atomic<uint32_t> runqtail{0};
  std::atomic<G*> runnext{nullptr};
  std::atomic<G*> runq[kRunqSize] = {};
};

// The current goroutine, thread and processor. Never inlined: a compiler may not cache them across
// a switch. getg() is g0 on the scheduler's stack, null on a thread that the runtime does not know.
G* getg();
G* curg();   // the user goroutine even when called on g0; null if there is none
M* getm();
P* getp();

}  // namespace reprise::rt
