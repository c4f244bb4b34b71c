// deadlock01: two locks taken in opposite orders. The twin takes them in one order.
#include <mutex>

#include "corpus/programs/kernels/kernel.h"
#include "corpus/programs/kernels/kernels.h"

namespace kernels {
namespace {

struct Shared {
  reprise::Mutex a, b;
  Racy<int> counter{1};
};

void step(Shared& s, reprise::Mutex& first, reprise::Mutex& second, int delta) {
  const std::lock_guard outer(first);
  const std::lock_guard inner(second);
  s.counter.write(s.counter.read() + delta);
}

}  // namespace

void deadlock01(bool fixed) {
  Shared s;
  Threads threads;
  threads.start([&s] { step(s, s.a, s.b, 1); });
  threads.start([&s, fixed] { fixed ? step(s, s.a, s.b, -1) : step(s, s.b, s.a, -1); });
}

}  // namespace kernels
