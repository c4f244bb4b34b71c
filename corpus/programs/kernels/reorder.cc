// reorder_3, _4, _5: n - 1 threads write a, then b, without a lock; one expects to see both writes or none.
// The twins lock.
#include <mutex>

#include "corpus/programs/kernels/kernel.h"
#include "corpus/programs/kernels/kernels.h"

namespace kernels {
namespace {

struct Shared {
  bool fixed;
  reprise::Mutex lock = {};
  Racy<int> a{0}, b{0};

  std::unique_lock<reprise::Mutex> hold() {
    return fixed ? std::unique_lock(lock) : std::unique_lock(lock, std::defer_lock);
  }
};

void set(Shared& s) {
  const auto held = s.hold();
  s.a.write(1);
  s.b.write(-1);
}

void check(Shared& s) {
  const auto held = s.hold();
  const bool none = s.a.read() == 0 && s.b.read() == 0;
  require(none || (s.a.read() == 1 && s.b.read() == -1), "reorder: one write without the other");
}

void reorder(int threads_in_all, bool fixed) {
  Shared s{fixed};
  Threads threads;
  for (int i = 1; i < threads_in_all; ++i) threads.start([&s] { set(s); });
  threads.start([&s] { check(s); });
}

}  // namespace

void reorder_3(bool fixed) { reorder(3, fixed); }
void reorder_4(bool fixed) { reorder(4, fixed); }
void reorder_5(bool fixed) { reorder(5, fixed); }

}  // namespace kernels
