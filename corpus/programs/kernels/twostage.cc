// twostage: one thread writes two values in two critical sections, and the other, which reads both, may
// come in between. The twin writes both in one.
#include <mutex>

#include "corpus/programs/kernels/kernel.h"
#include "corpus/programs/kernels/kernels.h"

namespace kernels {
namespace {

struct Shared {
  reprise::Mutex first_lock, second_lock;
  Racy<int> first{0}, second{0};
};

void write_second(Shared& s) {
  const std::lock_guard hold(s.second_lock);
  s.second.write(s.first.read() + 1);
}

void write_both(Shared& s, bool fixed) {
  {
    const std::lock_guard hold(s.first_lock);
    s.first.write(1);
    if (fixed) write_second(s);
  }
  if (!fixed) write_second(s);
}

void read_both(Shared& s) {
  int first, second;
  {
    const std::lock_guard hold(s.first_lock);
    if (s.first.read() == 0) return;
    first = s.first.read();
  }
  {
    const std::lock_guard hold(s.second_lock);
    second = s.second.read();
  }
  require(second == first + 1, "twostage: between the stages");
}

}  // namespace

void twostage(bool fixed) {
  Shared s;
  Threads threads;
  threads.start([&s, fixed] { write_both(s, fixed); });
  threads.start([&s] { read_both(s); });
}

}  // namespace kernels
