// circular_buffer: a ring under one lock with two flags that let sender and receiver take turns. Both count
// a round in which it was not their turn, so the receiver expects a number that was not sent. The twin
// counts only what it received.
#include <array>
#include <mutex>

#include "corpus/programs/kernels/kernel.h"
#include "corpus/programs/kernels/kernels.h"

namespace kernels {
namespace {

constexpr int kRoom = 10;
constexpr int kRounds = 7;

struct Ring {
  reprise::Mutex lock;
  std::array<Racy<int>, kRoom> elements;
  Racy<int> first{0}, next{0};
  Racy<bool> may_send{true}, may_receive{false};

  void insert(int value) {
    const int at = next.read();
    elements[static_cast<size_t>(at)].write(value);
    next.write((at + 1) % kRoom);
  }
  int remove() {
    const int at = first.read();
    first.write((at + 1) % kRoom);
    return elements[static_cast<size_t>(at)].read();
  }
};

void send(Ring& r) {
  int sent = 0;
  for (int i = 0; i < kRounds; ++i) {
    const std::lock_guard hold(r.lock);
    if (!r.may_send.read()) continue;
    r.insert(sent++);
    r.may_send.write(false);
    r.may_receive.write(true);
  }
}

void receive(Ring& r, bool fixed) {
  int received = 0;
  for (int i = 0; i < kRounds; ++i) {
    const std::lock_guard hold(r.lock);
    if (!r.may_receive.read()) continue;
    require(r.remove() == (fixed ? received++ : i), "circular_buffer: out of order");
    r.may_receive.write(false);
    r.may_send.write(true);
  }
}

}  // namespace

void circular_buffer(bool fixed) {
  Ring r;
  Threads threads;
  threads.start([&r] { send(r); });
  threads.start([&r, fixed] { receive(r, fixed); });
}

}  // namespace kernels
