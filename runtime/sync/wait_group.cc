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

struct WaitGroup::State {
  std::atomic<uint64_t> word{0};
  std::atomic<uint32_t> sema{0};
  std::atomic<uint32_t> refs{1};
  rt::ObjectName name;
};

namespace {

// In front of it, for the reason that channels have (chan.cc).
constexpr size_t kFrontBytes = 16;

int32_t counter_of(uint64_t word) { return static_cast<int32_t>(word >> 32); }
uint32_t waiters_of(uint64_t word) { return static_cast<uint32_t>(word); }

// As for channels: a reference taken from one that is held needs no order; the last one to go sees
// what the others did.
WaitGroup::State* retain(WaitGroup::State* state) {
  if (state != nullptr) state->refs.fetch_add(1, std::memory_order_relaxed);
  return state;
}
WaitGroup::State* make() {
  return new (static_cast<char*>(::operator new(kFrontBytes + sizeof(WaitGroup::State))) + kFrontBytes) WaitGroup::State;
}
void release(WaitGroup::State* state) {
  if (state == nullptr || state->refs.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  state->~State();
  ::operator delete(reinterpret_cast<char*>(state) - kFrontBytes);
}

// For the length of a wait, in which the handle that it was called on may go.
struct Hold {
  explicit Hold(WaitGroup::State* s) : state(retain(s)) {}
  ~Hold() { release(state); }
  WaitGroup::State* state;
};

void wake_all(WaitGroup::State* state, uint64_t word) {
  // Relaxed: whoever else touches the word now misuses the group, and is told so.
  if (state->word.load(std::memory_order_relaxed) != word) {
    rt::gopanic("sync: WaitGroup misuse: Add called concurrently with Wait");
  }
  state->word.store(0, std::memory_order_relaxed);
  for (uint32_t n = waiters_of(word); n != 0; --n) rt::semrelease(&state->sema);
}

}  // namespace

WaitGroup::WaitGroup() : state_(make()) {}
WaitGroup::WaitGroup(const WaitGroup& other) : state_(retain(other.state_)) {}
WaitGroup::~WaitGroup() { release(state_); }

void WaitGroup::add(int64_t delta) {
  announce(OpKind::wg_add, state_->name, true);
  if (delta > INT32_MAX || delta < INT32_MIN) rt::gopanic("sync: WaitGroup counter out of range");
  State* const state = state_;  // once the counter is zero the handle may go
  const uint64_t step = static_cast<uint64_t>(delta) << 32;
  const uint64_t word = state->word.fetch_add(step, std::memory_order_acq_rel) + step;
  const int32_t counter = counter_of(word);
  if (counter < 0) rt::gopanic("sync: negative WaitGroup counter");
  if (waiters_of(word) != 0 && delta > 0 && counter == delta) {
    rt::gopanic("sync: WaitGroup misuse: Add called concurrently with Wait");
  }
  if (counter != 0 || waiters_of(word) == 0) return;
  // A waiter that we wake may drop the last handle. Until then those that wait hold one each, so there is one to take.
  const Hold hold(state);
  wake_all(state, word);
}

void WaitGroup::wait() {
  announce(OpKind::wg_wait, state_->name, false);
  uint64_t word = state_->word.load(std::memory_order_acquire);
  if (counter_of(word) == 0) return;
  const Hold hold(state_);
  State* state = hold.state;
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
