// What entersyscall and exitsyscall add to a system call that does not block.
#include <benchmark/benchmark.h>
#include <sys/syscall.h>

#include "runtime/sched/syscall.h"
#include "runtime/sys/syscall.h"

namespace {

using namespace reprise;

void system_call_bare(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(rt::sys::call(SYS_getppid));
}
BENCHMARK(system_call_bare);

void system_call_entered(benchmark::State& state) {
  if (!rt::can_enter_syscall()) return state.SkipWithError("in controlled mode such calls go to a worker thread");
  for (auto _ : state) {
    rt::entersyscall();
    long result = rt::sys::call(SYS_getppid);
    rt::exitsyscall();
    benchmark::DoNotOptimize(result);
  }
}
BENCHMARK(system_call_entered);

}  // namespace
