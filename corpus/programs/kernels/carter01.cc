// carter01: two kinds of readers, of which the first to come takes a lock for its kind while it holds the
// counters' lock, and the last to go gives it back under that lock too: the second kind waits for the
// lock and holds what the first needs to let go. The twin takes the lock outside the counters'.
#include <mutex>

#include "corpus/programs/kernels/kernel.h"
#include "corpus/programs/kernels/kernels.h"

namespace kernels {
namespace {

struct Shared {
  reprise::Mutex counters, kind;
  Racy<int> a{0}, b{0};
};

void visit(Shared& s, Racy<int>& mine) {
  {
    const std::lock_guard hold(s.counters);
    mine.write(mine.read() + 1);
    if (mine.read() == 1) s.kind.lock();
  }
  const std::lock_guard hold(s.counters);
  mine.write(mine.read() - 1);
  if (mine.read() == 0) s.kind.unlock();
}

void visit_fixed(Shared& s, Racy<int>& mine) {
  const std::lock_guard outer(s.kind);
  {
    const std::lock_guard hold(s.counters);
    mine.write(mine.read() + 1);
  }
  const std::lock_guard hold(s.counters);
  mine.write(mine.read() - 1);
}

}  // namespace

void carter01(bool fixed) {
  Shared s;
  const auto visitor = fixed ? visit_fixed : visit;
  Threads threads;
  threads.start([&s, visitor] { visitor(s, s.a); });
  threads.start([&s, visitor] { visitor(s, s.b); });
  threads.start([] {});
  threads.start([] {});
}

}  // namespace kernels
