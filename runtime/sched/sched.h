// The scheduler's own state, for the files of runtime/sched, boot, seam and panic only.
//
// `sched` is one object. Its fields name their guard: "lock" is sched.lock, "P" the M that holds
// the P. In controlled modes and in programs started directly there is one P, and it travels
// between Ms: m0 runs every goroutine that is not locked to a thread, a locked goroutine runs on
// its own M, and whoever holds the P decides who is next and hands it over (runtime/sched/m.cc).
#pragma once

#include <atomic>
#include <cstdint>

#include "runtime/sched/g_m_p.h"
#include "runtime/sched/proc.h"
#include "runtime/sched/runq.h"

extern "C" {
extern reprise::rt::G reprise_g0;
extern reprise::rt::M reprise_m0;
[[noreturn]] void reprise_schedule();
}

namespace reprise::rt {

using GQueue = GQueueOf<G>;

struct Sched {
  Lock lock{LockRank::sched};
  GQueue global;                      // lock: readied where there is no P, and what a ring cannot take
  std::atomic<uint64_t> global_size{0};  // written under lock; a hint without
  std::atomic<uint64_t> user_goroutines{0};
  std::atomic<uint64_t> goidgen{0};
  uint64_t rounds = 0;                // P: scheduling rounds so far
  G* allgs = nullptr;                 // append under lock; read by tracebacks when all else stands
  G* allgs_tail = nullptr;            // lock
  M* allms = &reprise_m0;             // lock, append only
  int64_t midgen = 1;                 // lock
  int32_t gomaxprocs = 1;             // P: the value that the program sees
  bool poll_soon = false;             // P: look at timers and the poller in the next round
  bool booted = false;                // schedinit is done
  bool dying = false;                 // a fatal error is being reported

  // Gives the M of pp the time to run what it has just readied, before a thief takes it.
  void runnext_grace(const P* pp);
};
extern Sched sched;
extern P allp0;

// Asserts the transition and makes it. Only the owner of the transition calls it, so a plain
// exchange would prove no more than the check does.
void casgstatus(G* gp, GStatus from, GStatus to);

// Run queues (runq.h) without stealing: put at the end of pp's ring, or in the global queue if pp is
// null; the next from ring and global queue; whether there is one. Owner: the M that holds pp.
void runqput(P* pp, G* gp);
G* runq_take(P* pp);
bool runq_any(const P* pp);

// gosched() of a goroutine that has announced what it will do.
void gosched_announced();

// Runs gp on this M. On g0, with the P.
[[noreturn]] void execute(G* gp);

// Swaps out and in what belongs to a goroutine but lives in the thread: errno, exception globals.
void save_thread_state(G* gp);
void load_thread_state(G* gp);

// Gives the P and gp to the M that must run it, and waits for the P to come back (m.cc).
[[noreturn]] void hand_over(M* target, G* gp);
// The M that gp must run on.
M* home_of(const G* gp);

G* gfget(size_t stack_bytes);
void gfput(G* gp);

// Fatal errors that name the API: used before schedinit ran, or not on a goroutine.
void require_booted(const char* api);
G* require_goroutine(const char* api);

// Prints a line about the scheduler if one is due. REQUIRES: schedtrace is on. g0, with the P.
void schedtrace();

// Finds the next goroutine by the built-in rule or by the policy; blocks if there is none. g0.
G* findrunnable();

}  // namespace reprise::rt
