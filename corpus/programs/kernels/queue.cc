// queue: one thread puts elements in and notes them, the other takes them out and compares. Flags let them take
// turns; the notes go by the round, which is not the place of the element once a round was not its turn, and
// the first is noted wrongly. The twin notes every element at its place.
#include <array>
#include <mutex>

#include "corpus/programs/kernels/kernel.h"
#include "corpus/programs/kernels/kernels.h"

namespace kernels {
namespace {

constexpr int kSize = 5;
constexpr int kFirst = 100;

struct Queue {
  reprise::Mutex lock;
  std::array<Racy<int>, kSize + 1> elements, noted;
  Racy<int> head{0}, tail{0};
  Racy<bool> may_put{true}, may_take{false};

  void put(int value) {
    const int at = tail.read();
    elements[static_cast<size_t>(at)].write(value);
    tail.write(at + 1);
  }
  int take() {
    const int at = head.read();
    head.write(at + 1);
    return elements[static_cast<size_t>(at)].read();
  }
};

void put_all(Queue& q, bool fixed) {
  {
    const std::lock_guard hold(q.lock);
    q.put(kFirst);
    q.noted[0].write(fixed ? kFirst : 0);
  }
  for (int i = 1; i < kSize; ++i) {
    const std::lock_guard hold(q.lock);
    if (!q.may_put.read()) continue;
    q.put(kFirst + i);
    q.noted[fixed ? static_cast<size_t>(q.tail.read()) - 1 : static_cast<size_t>(i)].write(kFirst + i);
    q.may_put.write(false);
    q.may_take.write(true);
  }
}

void take_all(Queue& q) {
  for (int i = 0; i < kSize; ++i) {
    const std::lock_guard hold(q.lock);
    if (!q.may_take.read()) continue;
    const int at = q.head.read();
    if (at < q.tail.read()) {
      const int value = q.take();
      require(value == q.noted[static_cast<size_t>(at)].read(), "queue: another element than noted");
    }
    q.may_take.write(false);
    q.may_put.write(true);
  }
}

}  // namespace

void queue(bool fixed) {
  Queue q;
  Threads threads;
  threads.start([&q, fixed] { put_all(q, fixed); });
  threads.start([&q] { take_all(q); });
}

}  // namespace kernels
