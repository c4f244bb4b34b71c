// Google Benchmark's main, on the main goroutine.
#include <benchmark/benchmark.h>
#include <reprise/main.h>

namespace {

int run_all(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}

}  // namespace

REPRISE_MAIN(run_all)
