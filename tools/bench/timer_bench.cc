// Timers that are stopped before they fire, as nearly all timeouts are: exact removal against the
// reference's lazy deletion, and stopping from another P.
//
//   build/tools/reprise-bench --benchmark_filter=timeout
//
// The two queues are compared bare, without locks, on the same load: `n` timers are set; an operation
// stops a random one and starts it anew with a later deadline. LazyQueue is the reference's: a stopped
// timer is marked, and when a quarter of the heap is marked the heap is built anew without them.
#include <benchmark/benchmark.h>
#include <reprise/go.h>
#include <reprise/sync.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "runtime/time/timer.h"
#include "runtime/time/timer_queue.h"

namespace reprise::rt {
namespace {

void nothing(void*, uint64_t, int64_t) {}

struct Random {
  uint64_t state = 1;
  uint64_t next() {
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
  }
};

class LazyQueue {
 public:
  struct Entry {
    int64_t when = 0;
    bool deleted = false;
    bool queued = false;
  };

  void insert(Entry* e, int64_t when) {
    e->when = when;
    e->deleted = false;
    heap_.push_back({when, e});
    std::push_heap(heap_.begin(), heap_.end(), later);
  }
  // Its node stays until the next sweep; the caller goes on with another entry.
  void stop(Entry* e) {
    e->deleted = true;
    if (++deleted_ > heap_.size() / 4) sweep();
  }

 private:
  struct Node {
    int64_t when;
    Entry* entry;
  };
  static bool later(const Node& a, const Node& b) { return a.when > b.when; }
  void sweep() {
    std::erase_if(heap_, [this](const Node& n) {
      if (n.entry->deleted) free_.push_back(n.entry);
      return n.entry->deleted;
    });
    std::make_heap(heap_.begin(), heap_.end(), later);
    deleted_ = 0;
  }

 public:
  // Entries that a sweep has let go.
  std::vector<Entry*> free_;

 private:
  std::vector<Node> heap_;
  size_t deleted_ = 0;
};

void timeout_exact_removal(benchmark::State& state) {
  const auto n = static_cast<size_t>(state.range(0));
  TimerQueue queue;
  std::vector<std::unique_ptr<Timer>> timers;
  Random random;
  uint64_t seq = 0;
  int64_t now = 0;
  for (size_t i = 0; i < n; ++i) {
    timers.push_back(std::make_unique<Timer>(nothing, nullptr));
    timers.back()->when = static_cast<int64_t>(random.next() % 1'000'000);
    timers.back()->seq = ++seq;
    queue.insert(timers.back().get());
  }
  for (auto _ : state) {
    Timer* t = timers[random.next() % n].get();
    queue.remove(t);
    t->when = (now += 10) + static_cast<int64_t>(random.next() % 1'000'000);
    t->seq = ++seq;
    queue.insert(t);
  }
  while (!queue.empty()) queue.remove(queue.min());
}
BENCHMARK(timeout_exact_removal)->Arg(16)->Arg(1000)->Arg(100'000);

void timeout_lazy_deletion(benchmark::State& state) {
  const auto n = static_cast<size_t>(state.range(0));
  LazyQueue queue;
  std::vector<std::unique_ptr<LazyQueue::Entry>> entries;
  std::vector<LazyQueue::Entry*> live;
  Random random;
  int64_t now = 0;
  const auto fresh = [&] {
    if (queue.free_.empty()) {
      entries.push_back(std::make_unique<LazyQueue::Entry>());
      return entries.back().get();
    }
    LazyQueue::Entry* e = queue.free_.back();
    queue.free_.pop_back();
    return e;
  };
  for (size_t i = 0; i < n; ++i) {
    live.push_back(fresh());
    queue.insert(live.back(), static_cast<int64_t>(random.next() % 1'000'000));
  }
  for (auto _ : state) {
    LazyQueue::Entry*& place = live[random.next() % n];
    queue.stop(place);
    place = fresh();
    queue.insert(place, (now += 10) + static_cast<int64_t>(random.next() % 1'000'000));
  }
}
BENCHMARK(timeout_lazy_deletion)->Arg(16)->Arg(1000)->Arg(100'000);

constexpr int64_t kLong = int64_t{3600} * 1'000'000'000;

// The whole call, lock and clock included.
void timeout_start_stop(benchmark::State& state) {
  Timer t(nothing, nullptr);
  for (auto _ : state) {
    timer_start(&t, when_after(kLong), 0);
    timer_stop(&t);
  }
}
BENCHMARK(timeout_start_stop);

// Every goroutine starts its own timers and stops its neighbour's, so that with several Ps most stops
// take another P's lock.
void timeout_stopped_by_another(benchmark::State& state) {
  constexpr size_t kGoroutines = 4, kEach = 64;
  std::vector<std::unique_ptr<Timer>> timers;
  for (size_t i = 0; i < kGoroutines * kEach; ++i) timers.push_back(std::make_unique<Timer>(nothing, nullptr));
  for (auto _ : state) {
    for (const size_t step : {size_t{0}, size_t{1}}) {
      WaitGroup all;
      for (size_t g = 0; g < kGoroutines; ++g) {
        all.add(1);
        go([&, g, step, all]() mutable {
          for (size_t i = 0; i < kEach; ++i) {
            Timer* t = timers[(g + step) % kGoroutines * kEach + i].get();
            if (step == 0) timer_start(t, when_after(kLong), 0); else timer_stop(t);
          }
          all.done();
        });
      }
      all.wait();
    }
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * kGoroutines * kEach));
}
BENCHMARK(timeout_stopped_by_another)->UseRealTime();

}  // namespace
}  // namespace reprise::rt
