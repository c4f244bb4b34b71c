// Native mode: Ps in parallel, work stealing, and who wakes whom. For the files of runtime/sched.
//
// An M is in one of five places: running a goroutine (with a P), in findrunnable() with a P, on the
// idle list or locked-idle in stopm() and stoplockedm(), blocked in the poller (without a P), in a
// system call of its goroutine (its P in status `syscall`, for anybody to take).
//
// Thread safety: functions act on the calling M and run on g0 unless they say otherwise.
#pragma once

#include <cstdint>

#include "runtime/sched/sched.h"

namespace reprise::rt {

struct Found {
  G* gp = nullptr;
  bool inherit_time = false;
};

// ---- proc.cc ----
// Behind everybody who waits, not only behind those of this P. On g0, from mcall.
G* gopreempt_m(G* gp);
// The same for a goroutine that was interrupted between two instructions, or in a library: it goes on only on this M, which
// meanwhile runs nothing else. Resumes it at once if nobody else wants the P. On g0, from mcall.
G* async_preempt_m(G* gp);
void let_go_of_m(M* mp);        // the goroutine that was so preempted goes on
// Ms that are held by preempted goroutines; beyond kMaxHeldMs nobody is preempted so but to stop the world.
inline constexpr int32_t kMaxHeldMs = 1000;
int32_t held_ms();
bool may_hold_m(const G* gp);
// From now on gp goes on on the M that it is on, whenever it does, and nobody else runs there, until leave_m(). False: it stays already, or
// kMaxHeldMs do. gp runs; on its stack.
bool stay_on_m(G* gp);
void leave_m(G* gp);
void no_held_ms();              // in the child of a fork

// ---- findrunnable.cc, steal.cc ----
// Whom to go on with. `found` was taken off this P's queue already, if anybody was.
G* schedule_native(Found found);
// The next goroutine to run here, which is not due and queued here; sleeps, without the P, while there is none. Null: M::next_g is
// there.
Found findrunnable();
// Work of another P's: a goroutine, or one that a timer made ready. Null: none, or *ran_timer.
G* steal_work(P* pp, bool* ran_timer);
bool any_runq_work();           // any thread; of some moment during the call
// Whether somebody waits for pp: queued, due by a timer or the poller, or to stop the world. Queues what is due.
bool others_wait(P* pp);
// Fires what is due in pp's own heap; cheap if it was looked at a moment ago.
void check_timers(P* pp);

// ---- idle_ms.cc ----
P* pidleget();                  // REQUIRES: sched.lock. Null if all Ps are busy
// A P for a runnable goroutine whose M has none; if all are busy null, and gp is in the global queue. REQUIRES: sched.lock.
P* idle_p_or_queue(G* gp);
void pidleput(P* pp);           // REQUIRES: sched.lock; its run queue is empty
void wakep();                   // any thread, without sched.lock
void wakep_published();         // the same where runqput() returned true
// Runs pp on some M, spinning or not; pp null: an idle one, if there is one. Any thread.
void startm(P* pp, bool spinning);
// Sleeps until somebody hands this M a P. Returns holding it, and perhaps with a goroutine in M::next_g that must run here.
void stopm();
// A P whose M cannot run it: to another M if there is work, else idle. Any thread.
void handoffp(P* pp);
void stoplockedm();             // waits until the goroutine locked to this M may run
void startlockedm(G* gp);       // gives the P to gp's M, then stops
void reset_spinning(M* mp);
void become_spinning(M* mp);
// The delicate moment of wakeup.h. REQUIRES: sched.lock, which it releases. A P to go on looking with,
// or null.
P* give_up_p(P* pp, M* mp);
// Makes goroutines of the poller's ready: here, if there is a P, else in the global queue.
void injectglist(GQueue* list);

// ---- newproc.cc ----
// A goroutine that runs fn(arg) on mp only: runnable, and on no queue yet. On a thread without an M.
G* newproc_on_thread(void (*fn)(void*), void* arg, M* mp);

// ---- m.cc ----
M* allocm();                    // without a thread: new, or one that mrelease() gave back
// A thread for pp. Any thread, without sched.lock.
void newm(P* pp, bool spinning);
void drop_pending_threads();    // in the child of a fork; REQUIRES: sched.lock
void create_pending_threads();  // sysmon: threads for those who may not make them
void mrelease(M* mp);           // this thread's last word on its M, which may be used again
// Ends this thread; its locked goroutine has exited.
[[noreturn]] void mexit();
// While a fatal error is reported nothing else shall happen.
[[noreturn]] void freeze();
int64_t monotonic_ns();         // the real clock, whatever clock_use() says
uint64_t cheaprand();           // of the calling M, or of nobody; not for anything observable in controlled modes

// ---- procs.cc ----
void acquirep(P* pp);
P* releasep();
// Changes the number of Ps. The world is stopped or not yet born. Returns Ps with work, by link.
P* procresize(int32_t procs);

// ---- stw.cc ----
// Stops every other P at its next scheduling point; the caller goes on alone, on g0 too, until
// start_the_world(). Goroutine; parks while somebody else has the world stopped.
void stop_the_world();
int64_t start_the_world(int32_t procs);  // procs: how many Ps from now on. When the others could go on
// For the end of the program: one P from now on, if the others stop within limit_ns; else all go on.
void quiesce(int64_t limit_ns);
void gcstopm();                 // stops this M for whoever stops the world

// ---- preempt.cc ----
// Asks running goroutines to give way at their next scheduling point or, where that is on, at their next
// instruction of the program's (runtime/signal/sigpreempt.h). Any thread.
void preemptall();
void preemptone(P* pp);
void preempt_requests_served();  // takes the bits back when no request is open
// Takes requests back, bits and all: a policy says who goes next from here on. REQUIRES: sysmon and other Ps are at rest.
void preempt_requests_drop();

// ---- fork.cc ----
void install_fork_handlers();
// Locks that a child needs before it can do anything: held across the call. In gfree.cc, stack.cc, timer.cc.
void gfree_before_fork();
void gfree_after_fork();
void stack_pool_before_fork();
void stack_pool_after_fork();
void timers_before_fork();
void timers_after_fork(bool in_child);
void timers_forget_lost_sleepers();  // in the child, between the two
void workers_before_fork();     // sys/blocking.cc
void workers_after_fork(bool in_child);
void netpollinit_before_fork(); // poll/netpoll_epoll.cc
void netpollinit_after_fork();
void pollcache_before_fork();   // poll/netpoll.cc
void pollcache_after_fork();
void stop_is_gone();            // in the child: whoever stopped the world, or was about to (stw.cc)
// In the child: the poller that it shares with its parent is left, and one of its own made (netpoll.cc).
void netpoll_leave_parents();

// ---- checkdead.cc ----
// Ends the program if nothing can ever run again. REQUIRES: sched.lock.
void checkdead();

// ---- sysmon.cc ----
void start_sysmon();            // once; later calls do nothing
void await_sysmon();            // a policy has been installed: until sysmon has noticed
void sysmon_is_gone();          // in the child of a fork
void kick_sysmon();             // there is something to do for it at once. Any thread
void wake_sysmon(SysmonWait what = SysmonWait::run);  // that has come. REQUIRES: sched.lock

}  // namespace reprise::rt
