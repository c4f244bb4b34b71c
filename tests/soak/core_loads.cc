// Goroutines, channels, select, timers, contexts and the library's locks.
#include <reprise/reprise.h>

#include <chrono>
#include <memory>
#include <vector>

#include "tests/soak/loads.h"

namespace reprise::soak {

namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

void grow(Tally& tally, WaitGroup all, uint64_t depth) {
  if (depth > 0) {
    for (int i = 0; i < 3; ++i) {
      all.add(1);
      tally.enter();
      go([&tally, all, depth]() mutable { grow(tally, all, depth - 1); });
    }
  }
  tally.leave();
  all.done();
}

void spawn_tree(Tally& tally, Random& random) {
  WaitGroup all(1);
  tally.enter();
  grow(tally, all, 4 + random.below(3));
  all.wait();
}

// Numbers through three stages of several goroutines each; the sum must arrive.
void pipeline(Tally& tally, Random& random) {
  const int64_t room = static_cast<int64_t>(random.below(5)) * 3;
  const uint64_t count = 200 + random.below(800);
  const Chan<uint64_t> first(room), second(room), third(0);
  WaitGroup stages;
  const auto stage = [&stages](const Chan<uint64_t>& from, const Chan<uint64_t>& to) {
    WaitGroup workers(3);
    for (int i = 0; i < 3; ++i) {
      go([from, to, workers]() mutable {
        for (const uint64_t v : from) to.send(v + 1);
        workers.done();
      });
    }
    stages.add(1);
    go([to, workers, stages]() mutable {
      workers.wait();
      to.close();
      stages.done();
    });
  };
  stage(first, second);
  stage(second, third);
  go([&tally, first, count] {
    for (uint64_t i = 0; i < count; ++i) {
      tally.enter();
      first.send(i);
    }
    first.close();
  });
  uint64_t sum = 0;
  for (const uint64_t v : third) {
    sum += v;
    tally.leave();
  }
  tally.check(sum == count * (count - 1) / 2 + 2 * count);
  stages.wait();
}

// Senders and receivers that all wait on several channels at once, with limits and without.
void selecting(Tally& tally, Random& random) {
  const std::vector<Chan<int>> chans{Chan<int>(0), Chan<int>(1), Chan<int>(4)};
  const Chan<Unit> done;
  WaitGroup senders, receivers;
  const uint64_t each = 50 + random.below(200);
  for (int i = 0; i < 3; ++i) {
    receivers.add(1);
    go([&tally, chans, done, receivers]() mutable {
      bool open = true;
      while (open) {
        select(on_recv(chans[0], [&](std::optional<int>) { tally.leave(); }),
               on_recv(chans[1], [&](std::optional<int>) { tally.leave(); }),
               on_recv(chans[2], [&](std::optional<int>) { tally.leave(); }),
               on_recv(done, [&](std::optional<Unit>) { open = false; }));
      }
      receivers.done();
    });
    senders.add(1);
    go([&tally, chans, each, senders]() mutable {
      for (uint64_t n = 0; n < each;) {
        bool sent = true;
        select(on_send(chans[0], 1, [] {}), on_send(chans[1], 2, [] {}), on_send(chans[2], 3, [] {}),
               on_timeout(microseconds(20 + n % 50), [&] { sent = false; }));
        if (!sent) continue;
        tally.enter();
        ++n;
      }
      senders.done();
    });
  }
  senders.wait();
  while (chans[1].len() + chans[2].len() != 0) yield();
  done.close();
  receivers.wait();
}

// Sleeps, timers that are stopped, reset or left alone, tickers, functions.
void timers(Tally& tally, Random& random) {
  WaitGroup all;
  for (int i = 0; i < 16; ++i) {
    all.add(1);
    go([&tally, all, n = random.next()]() mutable {
      const microseconds wait(n % 1500);
      tally.enter();
      const TimePoint begun = now();
      sleep_for(wait);
      tally.check(now() - begun >= wait);
      tally.leave();
      all.done();
    });
  }
  for (int i = 0; i < 16; ++i) {
    const uint64_t n = random.next();
    tally.enter();
    all.add(1);
    Timer timer = after_func(microseconds(n % 1000), [&tally, all]() mutable {
      tally.leave();
      all.done();
    });
    // Stopped by another goroutine, so on another P at times.
    if (n % 3 == 0) {
      all.add(1);
      go([&tally, all, timer]() mutable {
        if (timer.stop()) {
          tally.leave();
          all.done();
        }
        all.done();
      });
    }
  }
  Ticker ticker(microseconds(100 + random.below(300)));
  for (int i = 0; i < 3; ++i) {
    tally.enter();
    if (ticker.chan().recv()) tally.leave();
  }
  ticker.stop();
  Timer again(milliseconds(50));
  tally.enter();
  again.reset(microseconds(10));
  if (again.chan().recv()) tally.leave();
  all.wait();
}

// A tree of contexts: some end by their deadline, the rest with their parent.
void contexts(Tally& tally, Random& random) {
  const Cancelable root = with_cancel(background());
  WaitGroup all;
  for (int i = 0; i < 12; ++i) {
    tally.enter();
    all.add(1);
    go([&tally, all, parent = root.ctx, n = random.next()]() mutable {
      const Cancelable own = n % 2 == 0 ? with_timeout(parent, microseconds(n % 900))
                                        : with_cancel(parent);
      own.ctx.done().recv();
      const ContextError* err = own.ctx.err();
      tally.check(err == &kCanceled || err == &kDeadlineExceeded);
      own.cancel();
      tally.leave();
      all.done();
    });
  }
  sleep_for(microseconds(random.below(600)));
  root.cancel();
  all.wait();
}

struct Guarded {
  Mutex mutex;
  RWMutex rw;
  Cond<Mutex> cond{mutex};
  Semaphore semaphore{3};
  Once once;
  uint64_t plain = 0;       // mutex
  uint64_t read_write = 0;  // rw
  uint64_t once_ran = 0;
  std::atomic<int> inside{0};
};

void use(Guarded& g, Tally& tally, uint64_t rounds) {
  for (uint64_t i = 0; i < rounds; ++i) {
    g.once.call([&] { ++g.once_ran; });
    {
      const std::lock_guard guard(g.mutex);
      ++g.plain;
      if (i % 16 == 0) yield();
    }
    if (i % 4 == 0) {
      const std::lock_guard guard(g.rw);
      ++g.read_write;
    } else {
      g.rw.rlock();
      const uint64_t seen = g.read_write;
      if (i % 8 == 1) yield();
      tally.check(g.read_write == seen);
      g.rw.runlock();
    }
    g.semaphore.acquire();
    tally.check(g.inside.fetch_add(1) < 3);
    if (i % 8 == 0) yield();
    g.inside.fetch_sub(1);
    g.semaphore.release();
    tally.leave();
  }
}

void locks(Tally& tally, Random& random) {
  const auto g = std::make_shared<Guarded>();
  const uint64_t rounds = 20 + random.below(60);
  constexpr uint64_t kUsers = 8;
  WaitGroup all;
  tally.enter(kUsers * rounds);
  for (uint64_t i = 0; i < kUsers; ++i) {
    all.add(1);
    go([g, &tally, rounds, all]() mutable {
      use(*g, tally, rounds);
      const std::lock_guard guard(g->mutex);
      g->cond.broadcast();
      all.done();
    });
  }
  g->mutex.lock();
  g->cond.wait([&] { return g->plain >= kUsers * rounds; });
  g->mutex.unlock();
  all.wait();
  tally.check(g->plain == kUsers * rounds && g->once_ran == 1);
}

constexpr Load kLoads[] = {{"spawn", spawn_tree}, {"pipeline", pipeline}, {"select", selecting},
                           {"timers", timers},    {"contexts", contexts}, {"locks", locks}};

}  // namespace

std::span<const Load> core_loads() { return kLoads; }

}  // namespace reprise::soak
