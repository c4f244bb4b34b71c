// A goroutine that waits for another's plain store in a loop without a scheduling point: it ends
// where goroutines run in parallel, and never where one runs at a time. With an argument the store
// comes first, and the loop merely computes.
#include <reprise/reprise.h>

namespace {

volatile bool told = false;
volatile unsigned long turns = 0;

__attribute__((noinline)) void spin_until_told() {
  while (!told) turns = turns + 1;
}

__attribute__((noinline)) void compute() {
  for (unsigned long i = 0; i < 400'000'000; ++i) turns = turns + 1;
}

int app(int argc, char**) {
  if (argc > 1) {
    compute();
    return 0;
  }
  reprise::go([] { told = true; });
  spin_until_told();
  return 0;
}

}  // namespace

REPRISE_MAIN(app)
