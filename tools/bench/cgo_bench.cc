// What the bridge to C costs: a call there and back, with a callback in it, and a callback of a foreign thread.
#include <benchmark/benchmark.h>
#include <reprise/cgo.h>

#include <thread>

namespace {

using namespace reprise;

int32_t c_function(void* arg) { return *static_cast<int32_t*>(arg) + 1; }

void cgocall_round_trip(benchmark::State& state) {
  int32_t value = 1;
  for (auto _ : state) benchmark::DoNotOptimize(rt::cgocall(c_function, &value));
}
BENCHMARK(cgocall_round_trip);

// The same function called directly: what is to be taken off.
void c_called_directly(benchmark::State& state) {
  int32_t value = 1;
  int32_t (*volatile function)(void*) = c_function;
  for (auto _ : state) benchmark::DoNotOptimize(function(&value));
}
BENCHMARK(c_called_directly);

void nothing(void*) {}
int32_t c_calls_back(void*) {
  rt::cgocallback(nothing, nullptr);
  return 0;
}
void cgocall_with_a_callback(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(rt::cgocall(c_calls_back, nullptr));
}
BENCHMARK(cgocall_with_a_callback);

// One item is a callback on a thread that has been in before.
void foreign_callback(benchmark::State& state) {
  constexpr int kCallbacks = 10'000;
  for (auto _ : state) {
    std::thread([] {
      for (int i = 0; i < kCallbacks; ++i) rt::cgocallback(nothing, nullptr);
    }).join();
  }
  state.SetItemsProcessed(state.iterations() * kCallbacks);
}
BENCHMARK(foreign_callback);

}  // namespace
