// stack: pushes and pops under one lock. Once the first element is there the popping thread takes every
// further pop for possible. The twin looks whether the stack is empty.
#include <array>
#include <mutex>

#include "corpus/programs/kernels/kernel.h"
#include "corpus/programs/kernels/kernels.h"

namespace kernels {
namespace {

constexpr int kSize = 5;

struct Stack {
  reprise::Mutex lock;
  Racy<bool> filled{false};
  Racy<int> top{0};
  std::array<Racy<int>, kSize> elements;

  void push(int value) {
    const int at = top.read();
    require(at < kSize, "stack: overflow");
    elements[static_cast<size_t>(at)].write(value);
    top.write(at + 1);
  }
  int pop() {
    const int at = top.read();
    require(at > 0, "stack: underflow");
    top.write(at - 1);
    return elements[static_cast<size_t>(at) - 1].read();
  }
};

void fill(Stack& s) {
  for (int i = 0; i < kSize; ++i) {
    const std::lock_guard hold(s.lock);
    s.push(i);
    s.filled.write(true);
  }
}

void drain(Stack& s, bool fixed) {
  for (int i = 0; i < kSize; ++i) {
    const std::lock_guard hold(s.lock);
    if (fixed ? s.top.read() > 0 : s.filled.read()) s.pop();
  }
}

}  // namespace

void stack(bool fixed) {
  Stack s;
  Threads threads;
  threads.start([&s] { fill(s); });
  threads.start([&s, fixed] { drain(s, fixed); });
}

}  // namespace kernels
