// runtime/sched/goroutine_count.h itself, explored: goroutines that start goroutines and end elsewhere, while
// somebody counts.
//
// One goroutine is alive at first. Whoever lives starts another one on P a and ends on P b, again and again,
// so that there are one or two at every instant. The claim: the count is one of a single instant.
#include <gtest/gtest.h>

#include "runtime/sched/goroutine_count.h"
#include "tests/model/explorer.h"
#include "tests/model/family.h"
#include "tests/model/verify.h"

namespace reprise::model {
namespace {

template <class Orders>
struct OrderedFamily {
  template <class T>
  using Atomic = model::Atomic<T, Orders>;
};

template <class Orders = AsWritten>
struct Ps {
  rt::GoroutineCountsOf<OrderedFamily<Orders>> a, b;

  Ps() {
    a.births.store(1, Order::relaxed);
    a.births.named("a.births");
    b.births.named("b.births");
    a.deaths.named("a.deaths");
    b.deaths.named("b.deaths");
  }
  void generation() {
    rt::count_one(a.births, false);
    rt::count_one(b.deaths, false);
  }
  template <class F>
  void each(F f) {
    f(a);
    f(b);
  }
};

void expect_one_or_two(uint64_t alive) {
  check(alive >= 1, "counted short");
  check(alive <= 2, "counted too many");
}

template <class P>
uint64_t as_written(P* ps) {
  return rt::goroutines_alive([&](auto f) { ps->each(f); });
}

template <class P>
uint64_t sum(P* ps, bool of_births) {
  uint64_t total = 0;
  ps->each([&](auto& counts) {
    total += (of_births ? counts.births : counts.deaths).load(Order::acquire);
  });
  return total;
}

// `count` is what the reader does, two generations beside it.
template <class P>
Program counted(uint64_t (*count)(P*)) {
  return [count](Scene& scene) {
    auto* ps = scene.make<P>();
    scene.thread([ps] {
      ps->generation();
      ps->generation();
    });
    scene.thread([ps, count] { expect_one_or_two(count(ps)); });
  };
}

TEST(CountModel, a_count_is_one_of_a_single_instant) { verify(counted<Ps<>>(as_written)); }

TEST(CountModel, births_on_both_Ps_are_counted_once) {
  verify([](Scene& scene) {
    auto* ps = scene.make<Ps<>>();
    scene.thread([ps] { ps->generation(); });
    scene.thread([ps] { rt::count_one(ps->b.births, false); });
    scene.thread([ps] {
      const uint64_t alive = as_written(ps);
      check(alive >= 1, "counted short");
      check(alive <= 3, "counted too many");
    });
    scene.finally([ps] { check(as_written(ps) == 2, "counted wrong at rest"); });
  });
}

TEST(CountMutant, differences_added_up_in_passing_are_found) {
  finds("counted short", counted<Ps<>>([](Ps<>* ps) {
    uint64_t alive = 0;
    ps->each([&](auto& counts) {
      alive += counts.births.load(Order::acquire) - counts.deaths.load(Order::acquire);
    });
    return alive;
  }));
}

TEST(CountMutant, births_read_before_deaths_are_found) {
  finds("counted short", counted<Ps<>>([](Ps<>* ps) {
    const uint64_t born = sum(ps, true);
    return born - sum(ps, false);
  }));
}

TEST(CountMutant, a_single_pass_is_found) {
  finds("counted too many", counted<Ps<>>([](Ps<>* ps) {
    const uint64_t died = sum(ps, false);
    return sum(ps, true) - died;
  }));
}

TEST(CountMutant, relaxed_counters_are_found) {
  finds("counted", counted<Ps<AllRelaxed>>(as_written));
}

}  // namespace
}  // namespace reprise::model
