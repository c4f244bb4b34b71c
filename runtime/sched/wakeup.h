// The wake-up protocol of native mode: how many Ms look for work, and who wakes another.
//
// An M that looks for work without having any is *spinning*. Whoever submits work wakes one M as a
// spinning one if there is an idle P and nobody spins yet; a spinning M that finds work wakes the
// next before it runs it, if more is queued. So Ms come up one after the other as long as each finds something, a
// burst of submissions does not wake a crowd, and a goroutine that is woken alone wakes one M and not two.
//
// What must hold (no lost wake-up): when all is quiet, work is queued only if no P is idle. The
// delicate moment is an M that goes to sleep while somebody submits:
//
//     submitter (wakep)                       sleeper (wakeup_give_up)
//     S1  publish work on a queue             I1  put the P on the idle list: ++npidle
//     S2  full fence                          I2  if it was spinning: --nmspinning
//     S3  load npidle: 0? nobody to wake      I3  full fence
//     S4  load nmspinning: >0? it will look   I4  look at all queues again; if there is work, take a
//     S5  nmspinning 0 -> 1, wake one             P back, spinning, and look for it
//
// Of two full fences one comes first. If S2 does, I4 sees the work. If I3 does, S3 and S4 see what
// I1 and I2 wrote, and S5 wakes somebody. It follows for both counters because a load that missed
// a modification is ordered before it (C++20 [atomics.order]/4), so the counters themselves need
// no order of their own.
//
// Where S1 is one sequentially consistent read-modify-write, of an empty runnext, it is S2 as well (wakep_published): S3 and
// S4 are sequentially consistent loads, so either I3 comes before S1 in that order, and S3 and S4 after it see I1 and I2;
// or S1 comes before I3, and I4 sees it. On x86-64 a fence costs as much as the exchange, and such a load nothing. Not where
// another goroutine was displaced from runnext: that one goes into the ring by a later store, and a thief may have taken the
// newcomer and gone to sleep in between.
//
// S5 may find that the last idle P went to somebody else in between. Then it takes its claim back
// *under the lock* that guards the idle list: an M that idles a P later has that before it, and with
// it every submitter that was turned away by the claim, so its I4 sees what they submitted.
//
// Departures from the reference: there a spinning M that finds work wakes the next whether or not there is more; and only
// spinning Ms look again (I4) and a flag `needspinning` repairs the case of one that did not spin. Here every M that gives
// its P up looks again; that makes the flag unnecessary and S3 allowed. Looking costs a few loads on a path that
// ends in a system call.
//
// Everything is a template over the family of atomics and over an environment of hooks, so that the
// explorer of tests/model runs this source. Env provides
//   P* pidleget(), void pidleput(P*)    the idle list; called with the lock, adjust npidle
//   void lock(), void unlock()          sched.lock
//   void startm(P*)                     wakes or makes an M, spinning, that owns the P; without the lock
//   bool any_work()                     some queue is not empty (I4)
//   bool unwatched()                    there are timers or descriptors, and no M waits for them
//
// Thread safety: wakep and wakep_published any thread, without sched.lock; the others an M, as said there.
#pragma once

#include <atomic>
#include <cstdint>

namespace reprise::rt {

template <class A>
struct WakeupOf {
  typename A::template Atomic<int32_t> nmspinning{0};  // Ms that look for work, those being woken included
  typename A::template Atomic<int32_t> npidle{0};      // length of the list of idle Ps; written under the lock
};

template <class A, class Env>
void wake_if_idle(WakeupOf<A>& w, Env& env, std::memory_order order) {
  if (w.npidle.load(order) == 0) return;      // S3
  if (w.nmspinning.load(order) != 0) return;  // S4
  int32_t none = 0;
  // Relaxed: the claim is a number among others that change it by read-modify-writes.
  if (!w.nmspinning.compare_exchange_strong(none, 1, std::memory_order_relaxed,
                                            std::memory_order_relaxed)) {
    return;
  }
  env.lock();
  auto* pp = env.pidleget();
  if (pp == nullptr) w.nmspinning.fetch_sub(1, std::memory_order_relaxed);  // under the lock: see above
  env.unlock();
  if (pp != nullptr) env.startm(pp);
}

// Work was submitted: see that somebody looks for it.
template <class A, class Env>
void wakep(WakeupOf<A>& w, Env& env) {
  A::fence(std::memory_order_seq_cst);  // S2
  wake_if_idle(w, env, std::memory_order_relaxed);
}

// The same of work that one sequentially consistent read-modify-write has published.
template <class A, class Env>
void wakep_published(WakeupOf<A>& w, Env& env) {
  wake_if_idle(w, env, std::memory_order_seq_cst);
}

// A spinning M has found work: it spins no more, and if there is more work the next one is woken. `spinning` is the M's own
// mark. Whoever relied on this M (S4) is served as by one that gives up: of the two fences S2 and this one either S2 comes
// first, and the look below sees what was submitted, or this one does, and S4 sees the decrement.
template <class A, class Env>
void wakeup_reset_spinning(WakeupOf<A>& w, Env& env, bool* spinning) {
  *spinning = false;
  w.nmspinning.fetch_sub(1, std::memory_order_relaxed);  // I2
  A::fence(std::memory_order_seq_cst);                   // I3
  if (env.any_work() || env.unwatched()) wake_if_idle(w, env, std::memory_order_relaxed);
}

template <class A>
void wakeup_become_spinning(WakeupOf<A>& w, bool* spinning) {
  *spinning = true;
  w.nmspinning.fetch_add(1, std::memory_order_relaxed);
}

// An M that found nothing gives its P up. Returns a P that it must go on looking with, spinning, or
// null: it may sleep. REQUIRES: the lock, and the global queue was seen empty under it. Releases the
// lock.
template <class A, class Env, class P>
P* wakeup_give_up(WakeupOf<A>& w, Env& env, P* pp, bool* spinning) {
  env.pidleput(pp);  // I1
  env.unlock();
  if (*spinning) {
    *spinning = false;
    w.nmspinning.fetch_sub(1, std::memory_order_relaxed);  // I2
  }
  A::fence(std::memory_order_seq_cst);  // I3
  if (!env.any_work()) return nullptr;  // I4
  env.lock();
  pp = env.pidleget();
  // No P: whoever took it looks for work itself, now or when it has run what it has.
  if (pp != nullptr) wakeup_become_spinning(w, spinning);
  env.unlock();
  return pp;
}

}  // namespace reprise::rt
