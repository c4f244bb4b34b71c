// The scheduler's own state, for the files of runtime/sched, boot, seam and panic only.
//
// `sched` is one object. Its fields name their guard: "lock" is sched.lock, "P" the M that holds
// the one P of a controlled mode. There the P travels between Ms: m0 runs every goroutine that is
// not locked to a thread, a locked goroutine runs on its own M, and whoever holds the P decides who
// is next and hands it over (controlled.cc). A program started directly is native: gomaxprocs Ps in
// parallel (native.h). Which of both is `seam_active`, asked in few places: ready_put(),
// reprise_schedule() and the functions of proc.h that are not the same in both.
#pragma once

#include <atomic>
#include <cstdint>

#include "runtime/sched/g_m_p.h"
#include "runtime/sched/proc.h"
#include "runtime/sched/note.h"
#include "runtime/sched/runq.h"
#include "runtime/sched/wakeup.h"
#include "runtime/sched/atomics.h"

extern "C" {
extern reprise::rt::G reprise_g0;
extern reprise::rt::M reprise_m0;
reprise::rt::G* reprise_schedule();  // who goes on here, made ready to: for mcall to return
}

namespace reprise::rt {

using GQueue = GQueueOf<G>;

inline constexpr int32_t kMaxProcs = 1024;
inline constexpr int32_t kMaxThreads = 10000;  // the reference's limit

// What sysmon shall be woken for; what wakes it for a run does so for a system call.
enum class SysmonWait : uint8_t {
  nothing,  // it looks round by itself
  syscall,  // a goroutine enters a system call
  run,      // or somebody runs again
};

struct Sched {
  Lock lock{LockRank::sched};
  GQueue global;                      // lock: readied where there is no P, and what a ring cannot take
  std::atomic<uint64_t> global_size{0};  // written under lock; a hint without
  GoroutineCountsOf<StdAtomics> user_goroutines;  // born or dead where there was no P; any thread
  std::atomic<uint64_t> goidgen{0};
  uint64_t rounds = 0;                // P: scheduling rounds so far; controlled modes
  std::atomic<G*> allgs{nullptr};     // append under allg_lock (gfree.cc), read without
  G* allgs_tail = nullptr;            // allg_lock
  std::atomic<M*> allms{&reprise_m0};  // append under lock, read without
  int64_t midgen = 1;                 // lock
  std::atomic<int32_t> gomaxprocs{1};  // the value that the program sees
  std::atomic<int32_t> nprocs{1};     // Ps in use, allp[0..nprocs); changed while the world is stopped
  bool poll_soon = false;             // P: look at timers and the poller in the next round
  bool booted = false;                // schedinit is done
  std::atomic<bool> dying{false};     // a fatal error is being reported

  // ---- native mode ----
  WakeupOf<StdAtomics> wakeup;        // wakeup.h
  P* pidle = nullptr;                 // lock: idle Ps, by link; wakeup.npidle of them
  M* midle = nullptr;                 // lock: Ms asleep in stopm(), by schedlink
  int32_t nmidle = 0;                 // lock
  int32_t nmidlelocked = 0;           // lock: Ms asleep until their locked goroutine can run
  int32_t mcount = 1;                 // lock: threads that are Ms, m0 included
  M* freem = nullptr;                 // lock: Ms whose thread has ended, by schedlink
  // When the poller was last looked at; 0 while an M blocks in it, which is its claim (one does).
  std::atomic<int64_t> lastpoll{1};
  std::atomic<int64_t> pollUntil{0};  // when that M will wake by itself; 0: not known, or never
  std::atomic<bool> gcwaiting{false};  // the world is being stopped; written under lock
  int32_t stopwait = 0;               // lock: Ps still to stop
  Note stopnote{0};                   // set when stopwait becomes 0
  std::atomic<SysmonWait> sysmonwait{SysmonWait::nothing};  // written under lock
  Note sysmonnote{0};

  // Gives the M of pp the time to run what it has just readied, before a thief takes it.
  void runnext_grace(const P* pp);
};
extern Sched sched;
extern P allp0;                       // allp[0], the one of controlled modes
extern std::atomic<P*> allp[kMaxProcs];

// Asserts the transition and makes it.
void casgstatus(G* gp, GStatus from, GStatus to);

// Puts gp into the global queue. Any thread, without sched.lock.
void globrunqput(G* gp);

// gosched() of a goroutine that has announced what it will do.
void gosched_announced();
void gosched_preempted();  // the same for one that stands at an instruction

// Makes gp the one that this M runs, and returns it, which is what is left to do. On g0, with the P. inherit_time: in the slice of
// the one that readied it.
G* execute(G* gp, bool inherit_time = false);

// Swaps out and in what belongs to a goroutine but lives in the thread: errno, exception globals.
[[gnu::always_inline]] inline void save_thread_state(G* gp) {
  M* mp = gp->ctx.m;
  gp->saved_errno = *mp->errno_location;
  gp->eh = *mp->eh_location;
  *mp->eh_location = {};
}
[[gnu::always_inline]] inline void load_thread_state(G* gp) {
  M* mp = gp->ctx.m;
  *mp->errno_location = gp->saved_errno;
  *mp->eh_location = gp->eh;
}

// Takes the goroutine off its M. On g0.
[[gnu::always_inline]] inline void dropg(G* gp) {
  save_thread_state(gp);
  gp->ctx.m->ctx.curg = nullptr;
  gp->ctx.m = nullptr;
}

// ---- controlled modes (controlled.cc) ----
// Gives the P and gp to the M that must run it, and waits for the P to come back. Returns whom it came with.
G* hand_over(M* target, G* gp);
// The M that gp must run on.
M* home_of(const G* gp);
G* schedule_controlled();
G* stop_controlled();               // sleeps until somebody hands this M the P and a goroutine
M* new_controlled_m();                // a thread with an M, asleep until the first hand-over (m.cc)
void lock_os_thread_controlled(G* gp);
void unlock_os_thread_controlled(G* gp);
// Brings the calling goroutine home to m0 after a test installed a policy.
void come_home();

G* gfget(size_t stack_bytes);
void gfput(G* gp);
void gfpurge(P* pp);  // gives pp's free goroutines to the common lists

// Fatal errors that name the API: used before schedinit ran, or not on a goroutine.
void require_booted(const char* api);
G* require_goroutine(const char* api);

// Prints a line about the scheduler if one is due. REQUIRES: schedtrace is on. g0, with the P.
void schedtrace();

}  // namespace reprise::rt
