// What an object on the collected heap costs, beside libc's malloc and free of the same size.
//
// Nothing lives: whenever four megabytes were handed out all of it is swept, as where the reference implementation's collector works
// with a heap of next to nothing. Sweeping, zeroing and taking pages are in the figures, marking is not. tools/bench/malloc_go.py
// runs the same loops in Go.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <vector>

#include "runtime/mem/mallocgc.h"
#include "runtime/mem/mheap.h"
#include "runtime/type/type.h"
#include "tests/support/pretend_collector.h"

namespace {

using namespace reprise;
using test::PretendCollector;

constexpr rt::Type pointers{.size = 8, .ptrdata = 8, .hash = 0, .tflag = rt::kTflagConservative, .align = 8,
                            .field_align = 8, .kind_bits = 0, .equal = nullptr, .gcdata = nullptr, .name = nullptr,
                            .uncommon = nullptr, .ptr_to_this = nullptr};
constexpr uint64_t kHeapMinimum = 4 << 20;

// Sweeps everything when the minimum was handed out.
class NothingLives {
 public:
  NothingLives() : before_(rt::mheap_.gc_trigger.load()) {
    rt::heap_hooks.trigger = cycle;
    cycle();
  }
  ~NothingLives() { rt::mheap_.gc_trigger = before_; }

 private:
  static void cycle() {
    PretendCollector::begin_sweep([] { rt::mheap_.heap_live = 0; });
    rt::mheap_.gc_trigger = kHeapMinimum;
  }

  PretendCollector collector_;
  uint64_t before_;
};

void collected(benchmark::State& state, const rt::Type* type) {
  const NothingLives nothing;
  const auto size = static_cast<size_t>(state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(rt::mallocgc(size, type, true));
}

void heap_noscan(benchmark::State& state) { collected(state, nullptr); }
void heap_scanned(benchmark::State& state) { collected(state, &pointers); }

void libc_malloc(benchmark::State& state) {
  const auto size = static_cast<size_t>(state.range(0));
  for (auto _ : state) {
    void* const block = std::calloc(1, size);
    benchmark::DoNotOptimize(block);
    std::free(block);
  }
}

// Blocks that are freed in the order in which they were made, four megabytes later: as a collected heap has them.
void libc_malloc_later(benchmark::State& state) {
  const auto size = static_cast<size_t>(state.range(0));
  std::vector<void*> ring(kHeapMinimum / size + 1);
  size_t i = 0;
  for (auto _ : state) {
    std::free(ring[i]);
    ring[i] = std::calloc(1, size);
    benchmark::DoNotOptimize(ring[i]);
    if (++i == ring.size()) i = 0;
  }
  for (void* block : ring) std::free(block);
}

BENCHMARK(heap_noscan)->Arg(8)->Arg(16)->Arg(64)->Arg(512)->Arg(4096)->Arg(65536);
BENCHMARK(heap_scanned)->Arg(8)->Arg(16)->Arg(64)->Arg(512)->Arg(4096)->Arg(65536);
BENCHMARK(libc_malloc)->Arg(8)->Arg(16)->Arg(64)->Arg(512)->Arg(4096)->Arg(65536);
BENCHMARK(libc_malloc_later)->Arg(8)->Arg(16)->Arg(64)->Arg(512)->Arg(4096)->Arg(65536);

}  // namespace
