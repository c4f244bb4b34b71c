// lazy01: three critical sections; the third one takes it for granted that it does not come last. The twin
// allows any order.
#include <mutex>

#include "corpus/programs/kernels/kernel.h"
#include "corpus/programs/kernels/kernels.h"

namespace kernels {
namespace {

struct Shared {
  reprise::Mutex lock;
  Racy<int> data{0};
};

void add(Shared& s, int n) {
  const std::lock_guard hold(s.lock);
  s.data.write(s.data.read() + n);
}

void check(Shared& s, int limit) {
  const std::lock_guard hold(s.lock);
  require(s.data.read() < limit, "lazy01: both additions came first");
}

}  // namespace

void lazy01(bool fixed) {
  Shared s;
  Threads threads;
  threads.start([&s] { add(s, 1); });
  threads.start([&s] { add(s, 2); });
  threads.start([&s, fixed] { check(s, fixed ? 4 : 3); });
}

}  // namespace kernels
