// The queue between a signal handler and whoever delivers: a set of signals, and a word to sleep on.
//
// A handler may run anywhere, in the middle of anything, so it takes no lock and allocates nothing: it
// adds its signal to the set `pending`, and wakes the receiver if it was the first to. A signal that
// is pending already counts once, as in the reference.
//
// No lost wake-up: the sender adds to `pending`, then exchanges `word` for 1, and wakes if it was 0. The
// receiver exchanges `word` for 0 before it takes what is pending, and sleeps only while it finds 0.
// Of two exchanges of one word the later reads from the earlier. If the sender's is earlier, the
// receiver sees the signal (release, acquire; further exchanges continue the release sequence). If it is
// later, `word` stays 1, and the receiver's next wait ends at once. Who finds its signal pending leaves
// the wake-up to the one who put it there.
//
// Nothing after the end: whoever stops wanting a signal clears its bit of `wanted`, then waits until no
// handler is `delivering`. A handler counts itself there before it looks at `wanted`. All four are
// sequentially consistent, so one of both sees the other (Dekker), and afterwards no handler adds that
// signal. A handler cannot wait for the one that it interrupted, because it never waits.
//
// Template over the family of atomics, so that tests/model explores this source. Env provides
//   void sleep(word, value)   FUTEX_WAIT; may return for no reason
//   void wake(word)           FUTEX_WAKE of one
//   void relax()              lets other threads run
//
// Thread safety: sigqueue_send any thread, in handlers; sigqueue_wait and sigqueue_take one receiver at
// a time; sigqueue_unwant under the lock of whoever changes `wanted`.
#pragma once

#include <atomic>
#include <cstdint>

namespace reprise::rt {

template <class A>
struct SigqueueOf {
  typename A::template Atomic<uint64_t> wanted{0};   // bit n-1: signal n is delivered to somebody
  typename A::template Atomic<uint64_t> pending{0};  // came, and was not taken yet
  typename A::template Atomic<uint32_t> delivering{0};  // handlers that may be about to add to `pending`
  typename A::template Atomic<uint32_t> word{0};     // 1: look at `pending`
};

// Asks the receiver to look.
template <class A, class Env>
void sigqueue_kick(SigqueueOf<A>& q, Env& env) {
  if (q.word.exchange(1, std::memory_order_acq_rel) == 0) env.wake(q.word);
}

// False: nobody wants it.
template <class A, class Env>
bool sigqueue_send(SigqueueOf<A>& q, Env& env, uint64_t bit) {
  q.delivering.fetch_add(1, std::memory_order_seq_cst);
  const bool wanted = (q.wanted.load(std::memory_order_seq_cst) & bit) != 0;
  // Release: what the handler did before is seen by whoever takes the signal.
  const bool first = wanted && (q.pending.fetch_or(bit, std::memory_order_release) & bit) == 0;
  q.delivering.fetch_sub(1, std::memory_order_seq_cst);
  if (first) sigqueue_kick(q, env);
  return wanted;
}

// Sleeps until there may be something to take.
template <class A, class Env>
void sigqueue_wait(SigqueueOf<A>& q, Env& env) {
  while (q.word.exchange(0, std::memory_order_acq_rel) == 0) env.sleep(q.word, 0);
}

template <class A>
uint64_t sigqueue_take(SigqueueOf<A>& q) {
  return q.pending.exchange(0, std::memory_order_acquire);
}

// From its return on no handler adds one of `bits`.
template <class A, class Env>
void sigqueue_unwant(SigqueueOf<A>& q, Env& env, uint64_t bits) {
  q.wanted.fetch_and(~bits, std::memory_order_seq_cst);
  while (q.delivering.load(std::memory_order_seq_cst) != 0) env.relax();
}

}  // namespace reprise::rt
