// Generated programs of goroutines, run under generated schedules: channels against a deque, selects
// by conservation of what is sent, locks by exclusion.
//
// A property's input holds the seed of its schedule, so RapidCheck shrinks and reports both. Checks
// are made on the main goroutine: an exception must not leave any other.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <reprise/chan.h>
#include <reprise/context.h>
#include <reprise/go.h>
#include <reprise/select.h>
#include <reprise/semaphore.h>
#include <reprise/sync.h>
#include <reprise/time.h>

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "runtime/sched/seam.h"
#include "runtime/seam/catalog.h"
#include "tests/support/schedules.h"

namespace reprise {
namespace {

using namespace std::chrono_literals;

// Installs `random` with this seed for a scope; 0 is no policy. Every goroutine must be gone at its
// end.
class Schedule {
 public:
  explicit Schedule(uint32_t seed) {
    if (seed == 0) return;
    std::string error;
    policy_ = seam::make_policy("random", seed, &error);
    if (policy_ == nullptr || !policy_->begin_run({seed, 0})) throw std::runtime_error(error);
    rt::seam_set_policy_for_test(policy_.get());
  }
  ~Schedule() {
    if (policy_ != nullptr) rt::seam_set_policy_for_test(nullptr);
  }
  Schedule(const Schedule&) = delete;
  Schedule& operator=(const Schedule&) = delete;

 private:
  std::unique_ptr<seam::Policy> policy_;
};

void wait_until_alone() {
  for (int i = 0; i < 1'000'000 && num_goroutine() > 1; ++i) yield();
  RC_ASSERT(num_goroutine() == 1u);
}

// ---- one goroutine: a channel is a bounded deque that can be closed --------------------------------

enum class Step { send, recv, close };

RC_GTEST_PROP(ChanProperty, single_goroutine_sees_a_bounded_deque, ()) {
  const int64_t cap = *rc::gen::inRange(0, 6);
  const auto steps = *rc::gen::container<std::vector<Step>>(rc::gen::weightedElement<Step>(
      {{10, Step::send}, {10, Step::recv}, {1, Step::close}}));
  Chan<std::string> ch(cap);
  std::deque<std::string> model;
  bool closed = false;
  int next = 0;
  for (const Step step : steps) {
    if (step == Step::send && !closed) {
      const std::string v = std::to_string(next) + std::string(static_cast<size_t>(next % 40), '.');
      ++next;
      const bool room = static_cast<int64_t>(model.size()) < cap;
      RC_ASSERT(ch.try_send(v) == room);
      if (room) model.push_back(v);
    } else if (step == Step::recv) {
      bool ended = false;
      const std::optional<std::string> v = ch.try_recv(&ended);
      RC_ASSERT(v.has_value() == !model.empty());
      RC_ASSERT(ended == (closed && model.empty()));
      if (v) {
        RC_ASSERT(*v == model.front());
        model.pop_front();
      }
    } else if (step == Step::close && !closed) {
      ch.close();
      closed = true;
    }
    RC_ASSERT(ch.len() == static_cast<int64_t>(model.size()));
  }
}

// ---- many goroutines -----------------------------------------------------------------------------

// Every value arrives exactly once, and no receiver sees one sender's values out of order.
RC_GTEST_PROP(ChanProperty, senders_and_receivers_conserve_values_and_order, ()) {
  const auto cap = *rc::gen::inRange(0, 5);
  const auto per_sender = *rc::gen::container<std::vector<uint8_t>>(rc::gen::inRange<uint8_t>(0, 12));
  const auto receivers = *rc::gen::inRange<size_t>(1, 5);
  const auto seed = *rc::gen::inRange<uint32_t>(0, 1'000'000);

  const Schedule schedule(seed);
  Chan<std::pair<size_t, int>> ch(cap);
  WaitGroup senders(static_cast<int64_t>(per_sender.size()));
  std::vector<std::vector<std::pair<size_t, int>>> got(receivers);
  for (size_t s = 0; s < per_sender.size(); ++s) {
    go([=, n = per_sender[s]]() mutable {
      for (int i = 0; i < n; ++i) ch.send({s, i});
      senders.done();
    });
  }
  for (size_t r = 0; r < receivers; ++r) {
    go([=, &mine = got[r]] {
      for (auto v : ch) mine.push_back(v);
    });
  }
  senders.wait();
  ch.close();
  wait_until_alone();

  std::map<std::pair<size_t, int>, int> times;
  for (const auto& mine : got) {
    std::map<size_t, int> last;
    for (const auto& [s, i] : mine) {
      RC_ASSERT(!last.contains(s) || last[s] < i);
      last[s] = i;
      ++times[{s, i}];
    }
  }
  size_t expected = 0;
  for (const uint8_t n : per_sender) expected += n;
  RC_ASSERT(times.size() == expected);
  for (const auto& [v, n] : times) RC_ASSERT(n == 1);
}

// A single receiver of a single sender sees the sender's order, whatever the buffer, with any mix of
// operations that wait, that do not, and selects.
RC_GTEST_PROP(ChanProperty, every_way_to_operate_keeps_the_order, ()) {
  const auto cap = *rc::gen::inRange(0, 4);
  const auto send_ways = *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 4));
  const auto recv_ways = *rc::gen::nonEmpty(rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 4)));
  const auto seed = *rc::gen::inRange<uint32_t>(0, 1'000'000);

  const Schedule schedule(seed);
  Chan<std::string> ch(cap);
  const Chan<std::string> nil(nullptr);
  go([&] {
    for (size_t i = 0; i < send_ways.size(); ++i) {
      const std::string v = std::to_string(i) + " and some more so that it is on the heap";
      switch (send_ways[i]) {
        case 0: ch.send(v); break;
        case 1: while (!ch.try_send(v)) yield(); break;
        case 2: select(on_send(nil, v, [] {}), on_send(ch, v, [] {})); break;
        case 3:
          for (bool sent = false; !sent;) {
            select(on_send(ch, v, [&] { sent = true; }), otherwise([] { yield(); }));
          }
      }
    }
    ch.close();
  });
  std::vector<std::string> got;
  const auto keep = [&](std::optional<std::string> v) {
    if (v) got.push_back(*v);
  };
  for (size_t i = 0; got.size() < send_ways.size(); ++i) {
    // Without a buffer, two sides that both only try never meet: the receiver waits.
    const int way = recv_ways[i % recv_ways.size()];
    switch (cap == 0 ? way & 2 : way) {
      case 0: keep(ch.recv()); break;
      case 1: keep(ch.try_recv()); yield(); break;
      case 2: select(on_recv(ch, keep), on_recv(nil, keep)); break;
      case 3: select(on_recv(ch, keep), otherwise([] { yield(); })); break;
    }
  }
  wait_until_alone();
  for (size_t i = 0; i < got.size(); ++i) {
    RC_ASSERT(got[i] == std::to_string(i) + " and some more so that it is on the heap");
  }
}

// ---- select --------------------------------------------------------------------------------------

struct Case {
  size_t chan;
  bool send;
};

// Goroutines that select at random over the same channels, each giving up after a while: what was
// sent was received once or is still buffered, nothing else was received, and nobody is left.
RC_GTEST_PROP(SelectProperty, what_is_sent_is_received_once, ()) {
  const auto caps = *rc::gen::container<std::vector<int>>(3, rc::gen::inRange(0, 3));
  const auto programs = *rc::gen::container<std::vector<std::vector<Case>>>(
      rc::gen::container<std::vector<Case>>(3, rc::gen::build<Case>(
          rc::gen::set(&Case::chan, rc::gen::inRange<size_t>(0, 3)),
          rc::gen::set(&Case::send, rc::gen::arbitrary<bool>()))));
  const auto rounds = *rc::gen::inRange(1, 6);
  const auto seed = *rc::gen::inRange<uint32_t>(0, 1'000'000);

  const test::VirtualTime virtual_time;
  const Schedule schedule(seed);
  std::vector<Chan<int>> chans;
  for (const int cap : caps) chans.emplace_back(cap);
  std::map<int, int> balance;  // of each value: sends minus receives
  int next = 0, received_twice = 0;
  const auto took = [&](std::optional<int> v) {
    if (v && --balance[*v] < -1) ++received_twice;
  };
  const Chan<int> nil(nullptr);
  for (const auto& program : programs) {
    go([&, program] {
      for (int round = 0; round < rounds; ++round) {
        const int values[3] = {next++, next++, next++};
        const auto sends = [&](size_t i) { return program[i].send ? chans[program[i].chan] : nil; };
        const auto recvs = [&](size_t i) { return program[i].send ? nil : chans[program[i].chan]; };
        select(on_send(sends(0), values[0], [&] { ++balance[values[0]]; }),
               on_send(sends(1), values[1], [&] { ++balance[values[1]]; }),
               on_send(sends(2), values[2], [&] { ++balance[values[2]]; }),
               on_recv(recvs(0), took), on_recv(recvs(1), took), on_recv(recvs(2), took),
               on_timeout(10ms, [] {}));
      }
    });
  }
  sleep_for(1s);
  wait_until_alone();
  for (Chan<int>& ch : chans) {
    while (const std::optional<int> v = ch.try_recv()) took(v);
  }
  RC_ASSERT(received_twice == 0);
  for (const auto& [v, n] : balance) RC_ASSERT(n == 0);
}

// ---- locks ---------------------------------------------------------------------------------------

enum class Hold { lock, try_lock, rlock, try_rlock };

RC_GTEST_PROP(LockProperty, rwmutex_admits_readers_together_and_writers_alone, ()) {
  const auto programs = *rc::gen::container<std::vector<std::vector<Hold>>>(
      rc::gen::container<std::vector<Hold>>(
          rc::gen::element(Hold::lock, Hold::try_lock, Hold::rlock, Hold::try_rlock)));
  const auto seed = *rc::gen::inRange<uint32_t>(0, 1'000'000);

  const Schedule schedule(seed);
  RWMutex mutex;
  int readers = 0, writers = 0, violations = 0;
  const auto write = [&] {
    if (++writers != 1 || readers != 0) ++violations;
    yield();
    --writers;
    mutex.unlock();
  };
  const auto read = [&] {
    ++readers;
    if (writers != 0) ++violations;
    yield();
    --readers;
    mutex.runlock();
  };
  for (const auto& program : programs) {
    go([&, program] {
      for (const Hold hold : program) {
        switch (hold) {
          case Hold::lock: mutex.lock(); write(); break;
          case Hold::try_lock: if (mutex.try_lock()) write(); break;
          case Hold::rlock: mutex.rlock(); read(); break;
          case Hold::try_rlock: if (mutex.try_rlock()) read(); break;
        }
      }
    });
  }
  wait_until_alone();
  RC_ASSERT(violations == 0);
  RC_ASSERT(mutex.try_lock());  // it is free again
  mutex.unlock();
}

// With sleeps in the critical section, so that waiters starve and the modes change.
RC_GTEST_PROP(LockProperty, mutex_excludes_in_both_of_its_modes, ()) {
  const auto programs = *rc::gen::container<std::vector<std::vector<uint8_t>>>(
      rc::gen::container<std::vector<uint8_t>>(rc::gen::inRange<uint8_t>(0, 5)));
  const auto seed = *rc::gen::inRange<uint32_t>(0, 1'000'000);

  const test::VirtualTime virtual_time;
  const Schedule schedule(seed);
  Mutex mutex;
  int inside = 0, violations = 0;
  size_t passes = 0, expected = 0;
  for (const auto& program : programs) {
    expected += program.size();
    go([&, program] {
      for (const uint8_t ms : program) {
        mutex.lock();
        if (++inside != 1) ++violations;
        if (ms == 4) yield();
        sleep_for(std::chrono::milliseconds(ms % 4));
        --inside;
        ++passes;
        mutex.unlock();
      }
    });
  }
  sleep_for(1h);
  wait_until_alone();
  RC_ASSERT(violations == 0);
  RC_ASSERT(passes == expected);
  RC_ASSERT(mutex.try_lock());
  mutex.unlock();
}

RC_GTEST_PROP(LockProperty, semaphore_never_overdraws_and_serves_everybody, ()) {
  const auto size = *rc::gen::inRange<int64_t>(1, 6);
  const auto asks = *rc::gen::container<std::vector<std::vector<int64_t>>>(
      rc::gen::container<std::vector<int64_t>>(rc::gen::inRange<int64_t>(1, 6)));
  const auto seed = *rc::gen::inRange<uint32_t>(0, 1'000'000);

  const Schedule schedule(seed);
  Semaphore semaphore(size);
  int64_t taken = 0;
  int violations = 0;
  for (const auto& program : asks) {
    go([&, program] {
      for (const int64_t ask : program) {
        const int64_t n = std::min(ask, size);
        semaphore.acquire(n);
        if ((taken += n) > size) ++violations;
        yield();
        taken -= n;
        semaphore.release(n);
      }
    });
  }
  wait_until_alone();
  RC_ASSERT(violations == 0);
  RC_ASSERT(semaphore.try_acquire(size));
}

// ---- timers --------------------------------------------------------------------------------------

// Timers started, stopped and reset at generated moments fire exactly when a model says.
RC_GTEST_PROP(TimerProperty, fires_exactly_when_the_model_says, ()) {
  struct Change {
    int after_ms;
    int timer;
    int reset_ms;  // 0: stop
  };
  const auto changes = *rc::gen::container<std::vector<Change>>(rc::gen::build<Change>(
      rc::gen::set(&Change::after_ms, rc::gen::inRange(1, 10)),
      rc::gen::set(&Change::timer, rc::gen::inRange(0, 4)),
      rc::gen::set(&Change::reset_ms, rc::gen::inRange(0, 30))));
  const auto seed = *rc::gen::inRange<uint32_t>(0, 1'000'000);

  const test::VirtualTime virtual_time;
  const Schedule schedule(seed);
  const TimePoint start = now();
  std::vector<std::pair<int, int>> fired, expected;  // (moment in half milliseconds, timer)
  std::vector<Timer> timers;
  std::vector<std::optional<int>> due(4);
  const auto moment = [&] { return static_cast<int>((now() - start) / 500us); };
  for (int t = 0; t < 4; ++t) {
    timers.push_back(after_func(Duration(20ms) * (t + 1) + 500us,
                                [&, t] { fired.emplace_back(moment(), t); }));
    due[static_cast<size_t>(t)] = 40 * (t + 1) + 1;
  }
  // Changes fall on even moments and deadlines on odd ones, so none coincide.
  const auto expire = [&](int until) {
    for (int t = 0; t < 4; ++t) {
      auto& d = due[static_cast<size_t>(t)];
      if (d && *d < until) {
        expected.emplace_back(*d, t);
        d.reset();
      }
    }
  };
  for (const Change& change : changes) {
    sleep_for(std::chrono::milliseconds(change.after_ms));
    expire(moment());
    auto& d = due[static_cast<size_t>(change.timer)];
    Timer& timer = timers[static_cast<size_t>(change.timer)];
    if (change.reset_ms != 0) {
      const bool was = timer.reset(std::chrono::milliseconds(change.reset_ms) + 500us);
      RC_ASSERT(was == d.has_value());
      d = moment() + 2 * change.reset_ms + 1;
    } else {
      RC_ASSERT(timer.stop() == d.has_value());
      d.reset();
    }
  }
  sleep_for(1h);
  wait_until_alone();
  expire(INT32_MAX);
  std::sort(expected.begin(), expected.end());
  std::sort(fired.begin(), fired.end());
  RC_ASSERT(fired == expected);
}

}  // namespace
}  // namespace reprise
