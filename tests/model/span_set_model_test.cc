// runtime/mem/span_set.h itself, explored: spans that are put into a set and taken from it by several threads.
//
// The claims: a span is taken by one, with what was written before it was put in; none is lost; and whoever finds the set
// empty sees what the last one to take did before.
#include <gtest/gtest.h>

#include <array>

#include "runtime/mem/span_set.h"
#include "tests/model/explorer.h"
#include "tests/model/family.h"
#include "tests/model/verify.h"

namespace reprise::model {
namespace {

inline constexpr uint32_t kSpans = 3;

template <class Orders>
struct OrderedFamily {
  template <class T>
  using Atomic = model::Atomic<T, Orders>;
};

struct ModelSpan {
  Atomic<uint32_t> set_next;
  Plain<int> payload = 0;  // what its holder writes: the set hands it on
  Plain<int> holders = 0;
};

template <class Set>
struct Scenery {
  Set set;
  std::array<ModelSpan, kSpans + 1> spans;

  struct Links {
    Scenery* scenery;
    Atomic<uint32_t>& set_next(uint32_t number) { return scenery->spans[number].set_next; }
  };
  Links links() { return {this}; }

  void put(uint32_t number) {
    ModelSpan& s = spans[number];
    s.payload = s.payload + 1;
    s.holders = 0;
    set.push(links(), number);
  }
  // 0: it was empty.
  uint32_t take() {
    const uint32_t number = set.pop(links());
    if (number == 0) return 0;
    ModelSpan& s = spans[number];
    check(s.holders == 0, "a span was taken twice");
    s.holders = 1;
    check(s.payload > 0, "a span was taken before it was written");
    return number;
  }
  void all_there(uint32_t expected) {
    uint32_t count = 0;
    while (take() != 0) check(++count <= kSpans, "the set goes round in a ring");
    check(count == expected, "a span was lost");
  }
};

using AsIs = Scenery<rt::SpanSetOf<OrderedFamily<AsWritten>>>;

// One takes a span; the other takes two and puts the first back: the top is the same again, and what lies below is not.
template <class S>
Program top_comes_back() {
  return [](Scene& scene) {
    auto* s = scene.make<S>();
    s->put(1);
    s->put(2);
    scene.thread([s] { s->take(); });
    scene.thread([s] {
      const uint32_t first = s->take();
      const uint32_t second = s->take();
      if (first != 0) s->put(first);
      if (second != 0) s->spans[second].payload = 7;  // it is this thread's
    });
    scene.finally([s] {
      while (s->take() != 0) {
      }
    });
  };
}

template <class S>
Program two_put_two_take() {
  return [](Scene& scene) {
    auto* s = scene.make<S>();
    auto* taken = scene.make<Plain<int>>(0);
    scene.thread([s] { s->put(1); });
    scene.thread([s] { s->put(2); });
    scene.thread([s, taken] { *taken = s->take() != 0 ? 1 : 0; });
    scene.finally([s, taken] { s->all_there(static_cast<uint32_t>(2 - *taken)); });
  };
}

// The way the end of a sweep is told: the set is empty, and nobody who took from it is at work.
template <class S>
Program empty_and_nobody_at_work(bool counted_before) {
  return [counted_before](Scene& scene) {
    auto* s = scene.make<S>();
    auto* sweepers = scene.make<Atomic<int>>(0);
    auto* swept = scene.make<Plain<int>>(0);
    s->put(1);
    scene.thread([s, sweepers, swept, counted_before] {
      if (counted_before) sweepers->fetch_add(1);
      const bool taken = s->take() != 0;
      if (!counted_before) sweepers->fetch_add(1);
      if (taken) *swept = 1;
      sweepers->fetch_sub(1);
    });
    scene.thread([s, sweepers, swept] {
      if (!s->set.empty() || sweepers->load() != 0) return;
      check(*swept == 1, "told as done before it was");
    });
  };
}

TEST(SpanSetModel, a_top_that_comes_back_is_not_mistaken) { verify(top_comes_back<AsIs>()); }
TEST(SpanSetModel, nothing_is_lost_or_taken_twice) { verify(two_put_two_take<AsIs>()); }
TEST(SpanSetModel, an_empty_set_without_sweepers_is_a_swept_one) { verify(empty_and_nobody_at_work<AsIs>(true)); }

// ---- seeded bugs -----------------------------------------------------------------------------------------

// The same without the count of pushes.
class Uncounted {
 public:
  template <class Links>
  void push(Links&& links, uint32_t number) {
    uint32_t head = head_.load(Order::relaxed);
    do links.set_next(number).store(head, Order::relaxed);
    while (!head_.compare_exchange_weak(head, number, Order::release, Order::relaxed));
  }
  template <class Links>
  uint32_t pop(Links&& links) {
    uint32_t head = head_.load(Order::acquire);
    while (head != 0) {
      const uint32_t below = links.set_next(head).load(Order::relaxed);
      if (head_.compare_exchange_weak(head, below, Order::acq_rel, Order::acquire)) return head;
    }
    return 0;
  }
  bool empty() const { return head_.load(Order::acquire) == 0; }

 private:
  Atomic<uint32_t> head_{0};
};

TEST(SpanSetMutant, a_head_without_a_count_is_found) { finds("taken twice", top_comes_back<Scenery<Uncounted>>()); }

TEST(SpanSetMutant, relaxed_orders_are_found) {
  finds("data race", two_put_two_take<Scenery<rt::SpanSetOf<OrderedFamily<AllRelaxed>>>>());
}

TEST(SpanSetMutant, a_sweeper_who_is_counted_too_late_is_found) { finds("", empty_and_nobody_at_work<AsIs>(false)); }

}  // namespace
}  // namespace reprise::model
