// What deferring, panicking and recovering cost.
#include <benchmark/benchmark.h>
#include <reprise/defer.h>

namespace {

using namespace reprise;

[[gnu::noinline]] void deferring(int& count) {
  DEFER { ++count; };
  benchmark::DoNotOptimize(count);
}

void defer_in_a_scope(benchmark::State& state) {
  int count = 0;
  for (auto _ : state) deferring(count);
}
BENCHMARK(defer_in_a_scope);

// The same call without a DEFER: what is to be taken off.
[[gnu::noinline]] void plain(int& count) {
  benchmark::DoNotOptimize(count);
  ++count;
}

void defer_left_out(benchmark::State& state) {
  int count = 0;
  for (auto _ : state) plain(count);
}
BENCHMARK(defer_left_out);

void defer_pooled(benchmark::State& state) {
  int count = 0;
  for (auto _ : state) {
    Defers defers;
    defers([&count] { ++count; });
  }
}
BENCHMARK(defer_pooled);

[[gnu::noinline]] void panics() { panic(1); }

void panic_and_recover(benchmark::State& state) {
  for (auto _ : state) {
    recovering([] {
      DEFER { recover(); };
      panics();
    });
  }
}
BENCHMARK(panic_and_recover);

}  // namespace
