// token_ring: three threads pass a number round, each under the lock; a fourth expects, once all three have
// run, that they ran in the order of the ring. The twin expects only what any order gives.
#include <mutex>

#include "corpus/programs/kernels/kernel.h"
#include "corpus/programs/kernels/kernels.h"

namespace kernels {
namespace {

struct Ring {
  reprise::Mutex lock;
  Racy<int> x1{1}, x2{2}, x3{1};
  Racy<bool> done1{false}, done2{false}, done3{false};
};

void pass(Ring& r, Racy<int>& to, const Racy<int>& from, int add, Racy<bool>& done) {
  const std::lock_guard hold(r.lock);
  to.write((from.read() + add) % 4);
  done.write(true);
}

void check(Ring& r, bool fixed) {
  const std::lock_guard hold(r.lock);
  if (!r.done1.read() || !r.done2.read() || !r.done3.read()) return;
  const int x1 = r.x1.read(), x2 = r.x2.read(), x3 = r.x3.read();
  require(fixed ? x1 < 4 && x2 < 4 && x3 < 4 : x1 == x2 && x2 == x3, "token_ring: not in order");
}

}  // namespace

void token_ring(bool fixed) {
  Ring r;
  Threads threads;
  threads.start([&r] { pass(r, r.x1, r.x3, 1, r.done1); });
  threads.start([&r] { pass(r, r.x2, r.x1, 0, r.done2); });
  threads.start([&r] { pass(r, r.x3, r.x2, 0, r.done3); });
  threads.start([&r, fixed] { check(r, fixed); });
}

}  // namespace kernels
