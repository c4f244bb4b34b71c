// wronglock: one thread guards a counter by one lock, seven by another. The twin has one lock.
#include <mutex>

#include "corpus/programs/kernels/kernel.h"
#include "corpus/programs/kernels/kernels.h"

namespace kernels {
namespace {

constexpr int kOthers = 7;

struct Shared {
  reprise::Mutex right, wrong;
  Racy<int> value{0};
};

void add_and_check(Shared& s) {
  const std::lock_guard hold(s.right);
  const int before = s.value.read();
  s.value.write(before + 1);
  require(s.value.read() == before + 1, "wronglock: somebody else wrote");
}

void add(Shared& s, bool fixed) {
  const std::lock_guard hold(fixed ? s.right : s.wrong);
  s.value.write(s.value.read() + 1);
}

}  // namespace

void wronglock(bool fixed) {
  Shared s;
  Threads threads;
  threads.start([&s] { add_and_check(s); });
  for (int i = 0; i < kOthers; ++i) threads.start([&s, fixed] { add(s, fixed); });
}

}  // namespace kernels
