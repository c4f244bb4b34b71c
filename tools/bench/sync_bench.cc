// Costs of the smallest things: spawning, switching, channels, select, locks, timers.
//
//   build/tools/reprise-bench --benchmark_filter=chan
//   build/tools/reprise run -- build/tools/reprise-bench        the same in controlled mode
//
// One operation is one item; `ping_pong` counts a send and a receive there and back as one.
#include <benchmark/benchmark.h>
#include <reprise/atomic.h>
#include <reprise/chan.h>
#include <reprise/context.h>
#include <reprise/go.h>
#include <reprise/select.h>
#include <reprise/semaphore.h>
#include <reprise/sync.h>
#include <reprise/time.h>

#include <string>
#include <vector>

namespace reprise {
namespace {

using namespace std::chrono_literals;

void spawn_and_join(benchmark::State& state) {
  WaitGroup wg;
  for (auto _ : state) {
    wg.add(1);
    go([&] { wg.done(); });
    wg.wait();
  }
}
BENCHMARK(spawn_and_join);

void yield_between_two(benchmark::State& state) {
  bool stop = false;
  go([&] {
    while (!stop) yield();
  });
  for (auto _ : state) yield();
  stop = true;
  yield();
}
BENCHMARK(yield_between_two);

void chan_ping_pong(benchmark::State& state) {
  Chan<int> ping, pong;
  go([=] {
    for (int v : ping) pong.send(v);
  });
  for (auto _ : state) {
    ping.send(1);
    benchmark::DoNotOptimize(pong.recv());
  }
  ping.close();
  yield();
}
BENCHMARK(chan_ping_pong);

template <class T>
void chan_buffered(benchmark::State& state) {
  Chan<T> ch(64);
  for (auto _ : state) {
    ch.send(T{});
    benchmark::DoNotOptimize(ch.recv());
  }
}
BENCHMARK(chan_buffered<int>);
BENCHMARK(chan_buffered<Unit>);
BENCHMARK(chan_buffered<std::string>);

void chan_producer_consumer(benchmark::State& state) {
  Chan<int> ch(state.range(0));
  go([=] {
    for (int i = 0; ch.recv(); ++i) benchmark::DoNotOptimize(i);
  });
  for (auto _ : state) ch.send(1);
  ch.close();
  yield();
}
BENCHMARK(chan_producer_consumer)->Arg(0)->Arg(10)->Arg(100);

void chan_try_recv_of_empty(benchmark::State& state) {
  Chan<int> ch(1);
  for (auto _ : state) benchmark::DoNotOptimize(ch.try_recv());
}
BENCHMARK(chan_try_recv_of_empty);

void select_one_ready_of_two(benchmark::State& state) {
  Chan<int> a(1), b;
  for (auto _ : state) {
    a.send(1);
    select(on_recv(a, [](int v) { benchmark::DoNotOptimize(v); }),
           on_recv(b, [](int v) { benchmark::DoNotOptimize(v); }));
  }
}
BENCHMARK(select_one_ready_of_two);

void select_with_otherwise(benchmark::State& state) {
  Chan<int> a;
  for (auto _ : state) {
    select(on_recv(a, [](int v) { benchmark::DoNotOptimize(v); }), otherwise([] {}));
  }
}
BENCHMARK(select_with_otherwise);

void select_ping_pong(benchmark::State& state) {
  Chan<int> ping, pong, quit;
  go([=] {
    for (bool open = true; open;) {
      select(on_recv(ping, [&](int v) { pong.send(v); }), on_recv(quit, [&] { open = false; }));
    }
  });
  for (auto _ : state) {
    ping.send(1);
    select(on_recv(pong, [](int v) { benchmark::DoNotOptimize(v); }), on_recv(quit, [] {}));
  }
  quit.close();
  yield();
}
BENCHMARK(select_ping_pong);

void mutex_uncontended(benchmark::State& state) {
  Mutex mutex;
  for (auto _ : state) {
    mutex.lock();
    mutex.unlock();
  }
}
BENCHMARK(mutex_uncontended);

void mutex_handed_between_two(benchmark::State& state) {
  Mutex mutex;
  bool stop = false;
  go([&] {
    while (!stop) {
      mutex.lock();
      yield();
      mutex.unlock();
    }
  });
  for (auto _ : state) {
    mutex.lock();
    yield();
    mutex.unlock();
  }
  stop = true;
  while (num_goroutine() > 1) yield();
}
BENCHMARK(mutex_handed_between_two);

void rwmutex_read(benchmark::State& state) {
  RWMutex mutex;
  for (auto _ : state) {
    mutex.rlock();
    mutex.runlock();
  }
}
BENCHMARK(rwmutex_read);

void semaphore_uncontended(benchmark::State& state) {
  Semaphore semaphore(1);
  for (auto _ : state) {
    semaphore.acquire();
    semaphore.release();
  }
}
BENCHMARK(semaphore_uncontended);

void once_done(benchmark::State& state) {
  Once once;
  for (auto _ : state) once.call([] {});
}
BENCHMARK(once_done);

void atomic_add(benchmark::State& state) {
  Atomic<int> n;
  for (auto _ : state) n.fetch_add(1);
}
BENCHMARK(atomic_add);

// With range(0) other timers in the heap.
void timer_start_and_stop(benchmark::State& state) {
  std::vector<Timer> others;
  for (int64_t i = 0; i < state.range(0); ++i) others.emplace_back(1h + i * 1ms);
  Timer timer(1h);
  for (auto _ : state) {
    timer.reset(30min);
    timer.stop();
  }
  for (Timer& other : others) other.stop();
}
BENCHMARK(timer_start_and_stop)->Arg(0)->Arg(1000)->Arg(100000);

void timer_made_and_stopped(benchmark::State& state) {
  for (auto _ : state) Timer(1h).stop();
}
BENCHMARK(timer_made_and_stopped);

void clock_now(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(now());
}
BENCHMARK(clock_now);

void context_made_and_cancelled(benchmark::State& state) {
  const Context root = background();
  for (auto _ : state) with_cancel(root).cancel();
}
BENCHMARK(context_made_and_cancelled);

}  // namespace
}  // namespace reprise
