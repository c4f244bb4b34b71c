// WaitGroup: a counter and a number of waiters in one word, so that both change in one step.
//
// The counter is the upper half. When it falls to zero while somebody waits, no add() and no new
// wait() may run at the same time, so the word must not change any more: it is reset to zero and
// every waiter gets a token. A word that is not zero when a waiter comes back was used too early.
//
// Ordering: the word's read-modify-writes are acquire and release: everything before the last
// done() happens before wait() returns.
#include <reprise/sync.h>

#include <new>

#include "runtime/sched/proc.h"
#include "runtime/sched/sema.h"
#include "runtime/sync/object_id.h"

namespace reprise {

using rt::announce;
using seam::OpKind;

namespace {

// In front of it, for the reason that channels have (chan.cc).
constexpr size_t kFrontBytes = 16;

using State = detail::WaitGroupState;

// As for channels: a reference taken from one that is held needs no order; the last one to go sees
// what the others did.
State* retain(State* state) {
  if (state != nullptr) state->refs.fetch_add(1, std::memory_order_relaxed);
  return state;
}
State* make() {
  return new (static_cast<char*>(::operator new(kFrontBytes + sizeof(State))) + kFrontBytes) State;
}
void release(State* state) {
  if (state == nullptr || state->refs.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  state->~State();
  ::operator delete(reinterpret_cast<char*>(state) - kFrontBytes);
}

// For the length of a wait, in which the handle that it was called on may go.
struct Hold {
  explicit Hold(State* s) : state(retain(s)) {}
  ~Hold() { release(state); }
  State* state;
};

void wake_all(State* state, uint64_t word) {
  // Relaxed: whoever else touches the word now misuses the group, and is told so.
  if (state->word.load(std::memory_order_relaxed) != word) {
    rt::gopanic("sync: WaitGroup misuse: Add called concurrently with Wait");
  }
  state->word.store(0, std::memory_order_relaxed);
  for (auto n = static_cast<uint32_t>(word); n != 0; --n) rt::semrelease(&state->sema);
}

}  // namespace

WaitGroup::WaitGroup() : state_(make()) {}
WaitGroup::WaitGroup(const WaitGroup& other) : state_(retain(other.state_)) {}
WaitGroup::~WaitGroup() { release(state_); }

void WaitGroup::add_announced(int64_t delta) {
  announce(OpKind::wg_add, state_->name, true);
  if (delta > INT32_MAX || delta < INT32_MIN) rt::gopanic("sync: WaitGroup counter out of range");
  add_quietly(delta);
}

// The word is what the caller made of it: the counter is negative, or somebody waits and it is zero or as much as was added.
void WaitGroup::add_slow(State* state, int64_t delta, uint64_t word) {
  const int32_t counter = counter_of(word);
  if (counter < 0) rt::gopanic("sync: negative WaitGroup counter");
  if (delta > 0 && counter == delta) rt::gopanic("sync: WaitGroup misuse: Add called concurrently with Wait");
  if (counter != 0) return;
  // A waiter that we wake may drop the last handle. Until then those that wait hold one each, so there is one to take.
  const Hold hold(state);
  wake_all(state, word);
}

void WaitGroup::wait_announced() {
  announce(OpKind::wg_wait, state_->name, false);
  if (counter_of(state_->word.load(std::memory_order_acquire)) != 0) wait_slow();
}

void WaitGroup::wait_slow() {
  const Hold hold(state_);
  State* state = hold.state;
  uint64_t word = state->word.load(std::memory_order_acquire);
  do {
    if (counter_of(word) == 0) return;
  } while (!state->word.compare_exchange_weak(word, word + 1, std::memory_order_acq_rel,
                                              std::memory_order_acquire));
  rt::semacquire1(&state->sema, false, rt::WaitReason::sync_wait_group_wait);
  if (state->word.load(std::memory_order_acquire) != 0) {
    rt::gopanic("sync: WaitGroup is reused before previous Wait has returned");
  }
}

}  // namespace reprise
