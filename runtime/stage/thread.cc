// Thread blocks and the baton.
//
// Live, the baton is a ticket lock: fair, and the order of asking is the order that the tape then
// shows. Every waiter watches `serving`; the holder's ticket is `serving` itself. A thread that is
// alone neither puts the baton down nor takes it up, which is why baton_leave() says what it did:
// the number of threads may have changed when the call comes back.
//
// In replay there are no tickets: `owner` is the thread of the next record. A thread that finds
// another's record hands over; one that is handed a record that is not a continuation of what it
// does diverges, by the comparison in tape_reader.
#include "runtime/stage/thread.h"

#include <linux/futex.h>
#include <sys/mman.h>

#include "runtime/stage/raw.h"
#include "runtime/stage/report.h"
#include "runtime/stage/tape_reader.h"
#include "runtime/stage/text.h"

namespace reprise::stage {
namespace {

uint32_t alive = 0;      // under the baton
uint32_t ever_used = 0;  // blocks mapped so far; under the baton
volatile uint32_t next_ticket = 1;
volatile uint32_t serving = 0;
volatile uint32_t owner = 0;
Thread* holder = nullptr;  // atomic; null: the first thread

Thread* block(uint32_t index) {
  return reinterpret_cast<Thread*>(tape::kThreadBase + index * kThreadBytes);
}

// All wait on one word, each for one value of it: only whoever waits for that value, or for one 32
// away, is woken.
uint32_t bit_of(uint32_t wanted) { return 1u << (wanted & 31); }

void futex_wait(volatile uint32_t* word, uint32_t now, uint32_t wanted) {
  raw(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, now, nullptr, nullptr, bit_of(wanted));
}

void futex_wake(volatile uint32_t* word, uint32_t value) {
  raw(SYS_futex, word, FUTEX_WAKE_BITSET_PRIVATE, 1 << 30, nullptr, nullptr, bit_of(value));
}

// The kernel clears `alive` and wakes after the thread's last instruction.
void wait_until_gone(Thread& t) {
  for (uint32_t now; (now = __atomic_load_n(&t.alive, __ATOMIC_ACQUIRE)) != 0;) {
    raw(SYS_futex, &t.alive, FUTEX_WAIT, now, nullptr);
  }
}

// The program ended this thread, by the order of the tape; the kernel may still be at it.
uint8_t ended[kMaxThreads];

}  // namespace

Thread* new_thread() {
  uint32_t index = 0;
  while (index < ever_used && !ended[index]) ++index;
  if (index == kMaxThreads) return nullptr;
  Thread* t = block(index);
  if (index < ever_used) {
    wait_until_gone(*t);
    raw(SYS_madvise, t, kThreadBytes, MADV_DONTNEED);
    ended[index] = 0;
  } else {
    const long at = raw(SYS_mmap, t, kThreadBytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (at != as_long(t)) return nullptr;
    ++ever_used;
  }
  t->index = index;
  t->alive = 1;
  prepare_gate(*t, reinterpret_cast<uint64_t>(t->call_stack + sizeof t->call_stack));
  t->alternate.ss_flags = SS_DISABLE;
  ++alive;
  return t;
}

uint32_t threads_alive() { return alive; }

Thread& first_thread() { return *block(0); }

void discard_thread(Thread& t) {
  t.alive = 0;
  ended[t.index] = 1;
  --alive;
}

void thread_ends() { thread_ended(self()); }

void thread_ended(const Thread& t) {
  ended[t.index] = 1;
  --alive;
}

void only_thread() {
  for (uint32_t i = 0; i < ever_used; ++i) ended[i] = i != self().index;
  alive = 1;
  holder = &self();
}

Thread& baton_holder() {
  Thread* const last = __atomic_load_n(&holder, __ATOMIC_ACQUIRE);
  return last != nullptr ? *last : first_thread();
}

void baton_release() {
  const uint32_t now = __atomic_add_fetch(&serving, 1, __ATOMIC_SEQ_CST);
  if (__atomic_load_n(&next_ticket, __ATOMIC_SEQ_CST) != now) futex_wake(&serving, now);
}

bool baton_leave() {
  if (alive == 1 || self().vforked) return false;
  baton_release();
  return true;
}

void baton_take() {
  const uint32_t mine = __atomic_fetch_add(&next_ticket, 1, __ATOMIC_SEQ_CST);
  for (uint32_t now; (now = __atomic_load_n(&serving, __ATOMIC_SEQ_CST)) != mine;) {
    futex_wait(&serving, now, mine);
  }
  __atomic_store_n(&holder, &self(), __ATOMIC_RELEASE);
}

uint32_t baton_waiters() { return next_ticket - serving - 1; }

void owner_wait(uint32_t index) {
  for (uint32_t now; (now = __atomic_load_n(&owner, __ATOMIC_SEQ_CST)) != index;) {
    futex_wait(&owner, now, index);
  }
}

void owner_pass() {
  const uint32_t next = peek()->thread;
  __atomic_store_n(&owner, next, __ATOMIC_SEQ_CST);
  futex_wake(&owner, next);
}

}  // namespace reprise::stage
