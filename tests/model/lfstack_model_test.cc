// runtime/gc/lfstack.h itself, explored: work buffers that go between the stacks of full and of empty ones.
//
// The claims: a buffer is taken by one, with what was written before it was put there; none is lost; and a buffer that went
// over the other stack meanwhile, as those of the collector do, is not mistaken for the one that it was.
#include <gtest/gtest.h>

#include <array>

#include "runtime/gc/lfstack.h"
#include "tests/model/explorer.h"
#include "tests/model/family.h"
#include "tests/model/verify.h"

namespace reprise::model {
namespace {

inline constexpr uint32_t kBuffers = 3;

template <class Orders>
struct OrderedFamily {
  template <class T>
  using Atomic = model::Atomic<T, Orders>;
};

struct ModelBuffer {
  Atomic<uint32_t> next;
  uint32_t number = 0;
  Plain<int> entries = 0;  // what its holder writes: the stack hands it on
  Plain<int> holders = 0;
};

template <class Stack>
struct Scenery {
  Stack full, empty;
  std::array<ModelBuffer, kBuffers + 1> buffers;

  Scenery() {
    for (uint32_t i = 1; i <= kBuffers; ++i) buffers[i].number = i;
  }

  void put(Stack& stack, ModelBuffer* buffer) {
    buffer->entries = buffer->entries + 1;
    buffer->holders = 0;
    stack.push(buffer);
  }
  // Null: it was empty.
  ModelBuffer* take(Stack& stack) {
    ModelBuffer* const buffer = stack.pop([this](uint32_t number) { return &buffers[number]; });
    if (buffer == nullptr) return nullptr;
    check(buffer->holders == 0, "a buffer was taken twice");
    buffer->holders = 1;
    check(buffer->entries > 0, "a buffer was taken before it was written");
    return buffer;
  }
  int take_all(Stack& stack) {
    int count = 0;
    while (take(stack) != nullptr) check(++count <= static_cast<int>(kBuffers), "the stack goes round in a ring");
    return count;
  }
};

using AsIs = Scenery<rt::LfStackOf<OrderedFamily<AsWritten>>>;

// One takes a buffer; the other takes two, and puts the first back where it was: the top is the same again, and what lies
// below is not.
template <class S>
Program top_comes_back() {
  return [](Scene& scene) {
    auto* s = scene.make<S>();
    s->put(s->full, &s->buffers[1]);
    s->put(s->full, &s->buffers[2]);
    scene.thread([s] { s->take(s->full); });
    scene.thread([s] {
      ModelBuffer* const first = s->take(s->full);
      ModelBuffer* const second = s->take(s->full);
      if (first != nullptr) s->put(s->full, first);
      if (second != nullptr) second->entries = 7;  // it is this thread's
    });
    scene.finally([s] { s->take_all(s->full); });
  };
}

// What a marker does that has looked into a full buffer, while another looks for one.
template <class S>
Program goes_over_the_other_stack() {
  return [](Scene& scene) {
    auto* s = scene.make<S>();
    auto* taken = scene.make<Plain<int>>(0);
    s->put(s->full, &s->buffers[1]);
    s->put(s->empty, &s->buffers[2]);
    scene.thread([s] {
      ModelBuffer* const full = s->take(s->full);
      ModelBuffer* const empty = s->take(s->empty);
      if (full != nullptr) s->put(s->empty, full);
      if (empty != nullptr) s->put(s->full, empty);
    });
    scene.thread([s, taken] { *taken = s->take(s->full) != nullptr ? 1 : 0; });
    scene.finally([s, taken] {
      check(s->take_all(s->full) + s->take_all(s->empty) + *taken == 2, "a buffer was lost");
    });
  };
}

template <class S>
Program two_put_two_take() {
  return [](Scene& scene) {
    auto* s = scene.make<S>();
    auto* taken = scene.make<Plain<int>>(0);
    scene.thread([s] { s->put(s->full, &s->buffers[1]); });
    scene.thread([s] { s->put(s->full, &s->buffers[2]); });
    scene.thread([s, taken] { *taken = s->take(s->full) != nullptr ? 1 : 0; });
    scene.finally([s, taken] { check(s->take_all(s->full) + *taken == 2, "a buffer was lost"); });
  };
}

TEST(LfStackModel, a_top_that_comes_back_is_not_mistaken) { verify(top_comes_back<AsIs>()); }
TEST(LfStackModel, a_buffer_that_went_over_the_other_stack_is_taken_by_one) { verify(goes_over_the_other_stack<AsIs>()); }
TEST(LfStackModel, nothing_is_lost_or_taken_twice) { verify(two_put_two_take<AsIs>()); }

// ---- seeded bugs -----------------------------------------------------------------------------------------

// The same without the count of pushes.
class Uncounted {
 public:
  template <class Node>
  void push(Node* node) {
    uint32_t head = head_.load(Order::relaxed);
    do node->next.store(head, Order::relaxed);
    while (!head_.compare_exchange_weak(head, node->number, Order::release, Order::relaxed));
  }
  template <class NodeOf>
  auto pop(NodeOf node_of) -> decltype(node_of(0u)) {
    uint32_t head = head_.load(Order::acquire);
    while (head != 0) {
      auto* const node = node_of(head);
      if (head_.compare_exchange_weak(head, node->next.load(Order::relaxed), Order::acquire, Order::acquire)) return node;
    }
    return nullptr;
  }

 private:
  Atomic<uint32_t> head_{0};
};

// Published by a store: who pushed in between is lost.
class Stored {
 public:
  template <class Node>
  void push(Node* node) {
    const uint64_t head = head_.load(Order::acquire);
    node->next.store(static_cast<uint32_t>(head), Order::relaxed);
    head_.store(((head >> 32) + 1) << 32 | node->number, Order::release);
  }
  template <class NodeOf>
  auto pop(NodeOf node_of) -> decltype(node_of(0u)) {
    uint64_t head = head_.load(Order::acquire);
    while (static_cast<uint32_t>(head) != 0) {
      auto* const node = node_of(static_cast<uint32_t>(head));
      const uint64_t below = (head >> 32) << 32 | node->next.load(Order::relaxed);
      if (head_.compare_exchange_weak(head, below, Order::acquire, Order::acquire)) return node;
    }
    return nullptr;
  }

 private:
  Atomic<uint64_t> head_{0};
};

TEST(LfStackMutant, a_head_without_a_count_is_found) { finds("taken twice", top_comes_back<Scenery<Uncounted>>()); }
TEST(LfStackMutant, a_push_by_a_store_is_found) { finds("", two_put_two_take<Scenery<Stored>>()); }
TEST(LfStackMutant, relaxed_orders_are_found) {
  finds("data race", two_put_two_take<Scenery<rt::LfStackOf<OrderedFamily<AllRelaxed>>>>());
}

}  // namespace
}  // namespace reprise::model
