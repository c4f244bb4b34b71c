// channels [VALUES]: thirteen goroutines, four pipelines of three and the one that waits, and sixteen
// channel operations for each of VALUES (20,000). What tools/bench/record_cost.py records.
#include <reprise/reprise.h>

#include <cstdio>
#include <cstdlib>

namespace {

constexpr int kPipelines = 4;

long pipeline(int values) {
  reprise::Chan<int> first, second;
  reprise::go([=]() mutable {
    for (int i = 0; i < values; ++i) first.send(i);
    first.close();
  });
  reprise::go([=]() mutable {
    for (int v : first) second.send(2 * v);
    second.close();
  });
  long sum = 0;
  for (int v : second) sum += v;
  return sum;
}

}  // namespace

int app(int argc, char** argv) {
  const int values = argc > 1 ? std::atoi(argv[1]) : 20000;
  reprise::WaitGroup running;
  long sums[kPipelines] = {};
  for (long& sum : sums) {
    running.add(1);
    reprise::go([&sum, running, values]() mutable {
      sum = pipeline(values);
      running.done();
    });
  }
  running.wait();
  for (long sum : sums) std::printf("%ld\n", sum);
  return 0;
}
REPRISE_MAIN(app)
