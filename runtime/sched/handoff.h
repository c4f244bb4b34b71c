// How a P changes hands: startm() gives it to an M that sleeps or is new, stopm() is how an M sleeps, handoffp()
// decides what becomes of a P whose M cannot run it.
//
// An idle M is on the list under the lock before it sleeps; whoever takes it off the list owns its wake-up, writes nextp
// and then sets its note, once. So a note that is set means a P, and a sleep that comes later than the
// note ends at once. nmspinning counts an M from the decision to wake it as a spinning one; where that comes to nothing the claim
// is taken back under the lock, as wakeup.h says.
//
// A P that handoffp() leaves idle is followed by a look at all queues, as in wakeup_give_up(): somebody may have
// submitted work to another P's queue and found no P idle to wake. What is in the global queue is seen under the
// lock instead. If the world stops, the P stops: a stopper that has set `gcwaiting` under the lock either finds the
// P on the idle list, or handoffp() finds gcwaiting under the lock.
//
// Templates over the family of atomics and over an environment of hooks, so that tests/model explores this source.
// Beside those of wakeup.h, Env provides
//   M* mget(), void mput(M*)      the list of idle Ms, null if it is empty; called with the lock
//   void count_new_m()            an M more than there are will be made; called with the lock
//   void newm(P*, bool spinning)  makes it
//   void note_wakeup(M*), void note_sleep(M*)
//   bool world_stops()            gcwaiting; a hint without the lock
//   bool world_stops_here(P*)     the world stops, and the P is one that has; called with the lock
//   bool has_work(P*)             its queue or the global one is not empty; a hint
//   bool needed()                 work has come, or nobody else would wait for timers and the poller; with the lock
//   void started()                somebody runs again; with the lock
//
// Thread safety: startm and handoffp any thread, without the lock; stopm the M itself.
#pragma once

#include "runtime/sched/wakeup.h"

namespace reprise::rt {

// pp null: an idle P, if there is one. `spinning`: the M was counted by the caller.
template <class A, class Env, class P>
void startm(WakeupOf<A>& w, Env& env, P* pp, bool spinning) {
  env.lock();
  if (pp == nullptr) pp = env.pidleget();
  if (pp == nullptr) {
    if (spinning) w.nmspinning.fetch_sub(1, std::memory_order_relaxed);  // under the lock: wakeup.h
    return env.unlock();
  }
  auto* mp = env.mget();
  // Counted before the lock is released, or the program could look dead until the thread is up.
  if (mp == nullptr) env.count_new_m();
  env.started();
  env.unlock();
  if (mp == nullptr) return env.newm(pp, spinning);
  mp->spinning = spinning;
  mp->nextp = pp;
  env.note_wakeup(mp);
}

// Sleeps until somebody hands the M a P, and returns it.
template <class Env, class M>
auto stopm(Env& env, M* mp) {
  env.lock();
  if (mp->nextp == nullptr) env.mput(mp);
  env.unlock();
  env.note_sleep(mp);
  decltype(env.pidleget()) pp = mp->nextp;
  mp->nextp = nullptr;
  return pp;
}

// True: the P is idle, and the caller sees to its timers. False: some M has it, or the world stopped with it.
template <class A, class Env, class P>
bool handoffp(WakeupOf<A>& w, Env& env, P* pp) {
  if (env.world_stops()) {
    env.lock();
    const bool stopped = env.world_stops_here(pp);
    env.unlock();
    if (stopped) return false;
  }
  if (env.has_work(pp)) return startm(w, env, pp, false), false;
  // Nobody looks for work and no P is idle: somebody should look with this one.
  int32_t none = 0;
  if (w.npidle.load(std::memory_order_relaxed) == 0 &&
      w.nmspinning.compare_exchange_strong(none, 1, std::memory_order_relaxed, std::memory_order_relaxed)) {
    return startm(w, env, pp, true), false;
  }
  env.lock();
  if (env.world_stops_here(pp)) return env.unlock(), false;
  if (env.needed()) {
    env.unlock();
    return startm(w, env, pp, false), false;
  }
  env.pidleput(pp);
  env.unlock();
  // The P's release and the counters are ordered by the fence; see wakeup.h.
  A::fence(std::memory_order_seq_cst);
  if (env.any_work()) wakep(w, env);
  return true;
}

}  // namespace reprise::rt
