// TimerQueue against std::set, and its answers about what is due.
#include "runtime/time/timer_queue.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "runtime/time/timer.h"

namespace reprise::rt {
namespace {

std::unique_ptr<Timer> timer_at(int64_t when, uint64_t seq) {
  auto t = std::make_unique<Timer>(nullptr, nullptr);
  t->when = when;
  t->seq = seq;
  return t;
}

TEST(TimerQueue, ties_break_by_order_of_starting) {
  TimerQueue queue;
  std::vector<std::unique_ptr<Timer>> timers;
  for (uint64_t seq : {5, 3, 9, 1, 7}) {
    timers.push_back(timer_at(100, seq));
    queue.insert(timers.back().get());
  }
  for (uint64_t seq : {1, 3, 5, 7, 9}) {
    Timer* t = queue.min();
    EXPECT_EQ(t->seq, seq);
    queue.remove(t);
    EXPECT_EQ(t->place, Timer::kNoPlace);
  }
  EXPECT_TRUE(queue.empty());
}

using Key = std::pair<int64_t, uint64_t>;

// Any sequence of insertions, moves and removals leaves the queue with what a sorted set holds, in order.
RC_GTEST_PROP(TimerQueueProperty, behaves_as_a_sorted_set, ()) {
  constexpr uint64_t kTimersAtMost = 1'000'000;
  TimerQueue queue;
  std::vector<std::unique_ptr<Timer>> timers;
  std::set<std::pair<Key, Timer*>> model;
  const auto steps = *rc::gen::container<std::vector<std::pair<int, int>>>(
      rc::gen::pair(rc::gen::inRange(0, 100), rc::gen::inRange(0, 20)));
  for (const auto& [pick, when] : steps) {
    if (pick < 60 || model.empty()) {
      timers.push_back(timer_at(when, timers.size()));
      Timer* t = timers.back().get();
      queue.insert(t);
      model.emplace(Key{t->when, t->seq}, t);
    } else {
      auto it = model.begin();
      std::advance(it, static_cast<size_t>(pick) % model.size());
      Timer* t = it->second;
      model.erase(it);
      if (pick < 80) {
        t->when = when;
        t->seq += kTimersAtMost;
        queue.move(t);
        model.emplace(Key{t->when, t->seq}, t);
      } else {
        queue.remove(t);
      }
    }
    RC_ASSERT(queue.size() == model.size());
    if (!model.empty()) {
      RC_ASSERT(queue.min() == model.begin()->second);
      RC_ASSERT(queue.min_when() == model.begin()->first.first);
    }
  }
  for (const auto& [key, t] : model) {
    RC_ASSERT(queue.min() == t);
    queue.remove(t);
  }
  RC_ASSERT(queue.empty());
}

// due() lists the first few due timers in order, and only those.
RC_GTEST_PROP(TimerQueueProperty, due_timers_come_first_and_in_order,
              (const std::vector<uint8_t>& whens, uint8_t now, uint8_t limit)) {
  TimerQueue queue;
  std::vector<std::unique_ptr<Timer>> timers;
  std::set<Key> model;
  for (const uint8_t when : whens) {
    timers.push_back(timer_at(when, timers.size()));
    queue.insert(timers.back().get());
    if (when <= now) model.emplace(when, timers.back()->seq);
  }
  std::vector<Timer*> due;
  queue.due(now, limit, &due);
  RC_ASSERT(due.size() == std::min<size_t>(limit, model.size()));
  auto expected = model.begin();
  for (const Timer* t : due) RC_ASSERT(*expected++ == Key(t->when, t->seq));
  RC_ASSERT(queue.size() == whens.size());
}

// As timer.cc has it, with one thread: what is moved by timer_move is not moved in the queue before its time has come there.
struct LazyHeap {
  TimerQueue queue;
  uint64_t next_seq = 1;

  static bool queued(const Timer* t) { return t->place != Timer::kNoPlace; }
  void move(Timer* t) {
    t->seq = next_seq++;
    queue.move(t);
  }
  void restart(Timer* t, int64_t when) {
    const Moved moved = timer_move(t, when);
    if (moved == Moved::unsettled && timer_settle_if_late(t)) move(t);
    if (moved != Moved::no) return;
    RC_ASSERT(!queued(t));
    timer_set(t, when, false);
    t->seq = next_seq++;
    queue.insert(t);
  }
  void stop(Timer* t) {
    if (!queued(t)) return;
    timer_unset(t);
    queue.remove(t);
  }
  Timer* take(int64_t now) {
    Timer* t = timers_claim_first(queue, now, [this](Timer* moved) { move(moved); });
    if (t != nullptr) queue.remove(t);
    return t;
  }
};

// Timers that are moved without the heap fire when, and in the order in which, they would if it were told each time.
RC_GTEST_PROP(TimerQueueProperty, timers_that_are_moved_lazily_fire_at_their_last_moments, ()) {
  constexpr size_t kTimers = 8;
  LazyHeap heap;
  std::vector<std::unique_ptr<Timer>> timers;
  for (size_t i = 0; i < kTimers; ++i) timers.push_back(std::make_unique<Timer>(nullptr, nullptr));
  std::vector<int64_t> model(kTimers, INT64_MAX);  // when each fires
  int64_t now = 0;
  const auto steps = *rc::gen::container<std::vector<std::tuple<int, size_t, int64_t>>>(
      rc::gen::tuple(rc::gen::inRange(0, 10), rc::gen::inRange<size_t>(0, kTimers), rc::gen::inRange<int64_t>(0, 40)));
  for (const auto& [pick, i, ahead] : steps) {
    Timer* t = timers[i].get();
    if (pick < 6) {
      heap.restart(t, now + ahead);
      model[i] = now + ahead;
    } else if (pick < 7) {
      heap.stop(t);
      model[i] = INT64_MAX;
    } else {
      now += ahead;
      int64_t before = INT64_MIN;
      while (const Timer* fired = heap.take(now)) {
        const auto at = static_cast<size_t>(std::find_if(timers.begin(), timers.end(), [&](auto& other) {
                                              return other.get() == fired;
                                            }) - timers.begin());
        RC_ASSERT(model[at] <= now);
        RC_ASSERT(model[at] >= before);
        before = std::exchange(model[at], INT64_MAX);
      }
      for (const int64_t when : model) RC_ASSERT(when > now);
    }
    if (!heap.queue.empty()) RC_ASSERT(heap.queue.min_when() <= *std::min_element(model.begin(), model.end()));
  }
}

}  // namespace
}  // namespace reprise::rt
