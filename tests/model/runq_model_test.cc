// runtime/sched/runq.h itself, explored: a ring of four, its owner against thieves.
//
// Claims in every behaviour: a goroutine is taken once, whoever takes it sees what was written before
// it was put, none is lost, and no look at a queue that always holds something finds it empty.
#include <gtest/gtest.h>

#include <array>

#include "tests/model/runq_mutants.h"
#include "tests/model/runq_types.h"
#include "tests/model/verify.h"

namespace reprise::model {
namespace {

using rt::globrunqget;
using rt::globrunqput;
using rt::runqempty;
using rt::runqget;
using rt::runqput;
using rt::runqputbatch;
using rt::runqsteal;

constexpr int kGs = 8;

template <class P>
struct World {
  ModelSched sched;
  P owner;
  P thief[2];
  std::array<ModelG, kGs> g;
  explicit World(uint32_t index = 0)
      : owner("owner.", index), thief{P("thief0."), P("thief1.")} {
    for (int i = 0; i < kGs; ++i) {
      name_pointer(&g[i], "g" + std::to_string(i));
      g[i].payload.named("a goroutine's payload");
      g[i].runs.named("a goroutine's count of runs");
    }
  }

  void put(int i, bool next = false) { runqput(sched, &owner, written(&g[i]), next); }
  // In set-up: written and put, before the threads are there.
  void start_with(int count) {
    for (int i = 0; i < count; ++i) put(i);
  }
  void get() { take(runqget(&owner).gp); }
  void drain(P* pp) {
    while (ModelG* gp = runqget(pp).gp) take(gp);
  }
  void steal(int which, bool steal_runnext = true) {
    ModelG* gp = runqsteal(sched, &thief[which], &owner, steal_runnext);
    take(gp);
    if (gp != nullptr) drain(&thief[which]);
  }
  // At the end: what nobody took is still in a queue.
  void none_lost(int count) {
    drain(&owner);
    for (P& pp : thief) drain(&pp);
    while (ModelG* gp = sched.global.pop()) take(gp);
    for (int i = 0; i < count; ++i) check(g[i].runs == 1, "a goroutine was lost");
  }
};

using Queues = World<ModelP<>>;

TEST(RunqModel, one_thief_takes_what_the_owner_does_not) {
  verify([](Scene& scene) {
    auto* w = scene.make<Queues>();
    scene.thread([w] {
      w->put(0);
      w->put(1);
      w->get();
      w->put(2);
      w->get();
    });
    scene.thread([w] { w->steal(0); });
    scene.finally([w] { w->none_lost(3); });
  });
}

TEST(RunqModel, two_thieves_share_a_full_ring_while_its_owner_empties_it) {
  verify([](Scene& scene) {
    auto* w = scene.make<Queues>();
    w->start_with(4);
    scene.thread([w] {
      w->get();
      w->get();
    });
    scene.thread([w] { w->steal(0); });
    scene.thread([w] { w->steal(1); });
    scene.finally([w] { w->none_lost(4); });
  });
}

TEST(RunqModel, two_thieves_while_the_owner_puts) {
  verify([](Scene& scene) {
    auto* w = scene.make<Queues>();
    w->start_with(1);
    scene.thread([w] {
      w->put(1);
      w->put(2);
      w->get();
    });
    scene.thread([w] { w->steal(0); });
    scene.thread([w] { w->steal(1); });
    scene.finally([w] { w->none_lost(3); });
  });
}

TEST(RunqModel, slots_are_reused_while_a_thief_reads_them) {
  verify([](Scene& scene) {
    auto* w = scene.make<Queues>();
    w->start_with(4);
    scene.thread([w] {
      w->get();
      w->put(4);
      w->get();
      w->put(5);
    });
    scene.thread([w] { w->steal(0); });
    scene.finally([w] { w->none_lost(6); });
  });
}

TEST(RunqModel, the_overflow_races_with_a_thief) {
  verify([](Scene& scene) {
    auto* w = scene.make<Queues>();
    w->start_with(4);
    scene.thread([w] {
      w->put(4);
      w->put(5);
    });
    scene.thread([w] { w->steal(0); });
    scene.finally([w] { w->none_lost(6); });
  });
}

TEST(RunqModel, indices_wrap_under_owner_and_thief) {
  verify([](Scene& scene) {
    auto* w = scene.make<Queues>(UINT32_MAX - 1);
    w->start_with(3);
    scene.thread([w] {
      w->put(3);
      w->get();
      w->put(4);
      w->put(5);
    });
    scene.thread([w] { w->steal(0); });
    scene.finally([w] { w->none_lost(6); });
  });
}

TEST(RunqModel, runnext_is_taken_by_its_owner_or_by_one_thief) {
  verify([](Scene& scene) {
    auto* w = scene.make<Queues>();
    scene.thread([w] {
      w->put(0, true);
      w->put(1, true);  // displaces 0
      w->get();
    });
    scene.thread([w] { w->steal(0); });
    scene.thread([w] { w->steal(1); });
    scene.finally([w] { w->none_lost(2); });
  });
}

TEST(RunqModel, stolen_goroutines_can_be_stolen_again) {
  verify([](Scene& scene) {
    auto* w = scene.make<Queues>();
    w->start_with(4);
    scene.thread([w] { take(runqsteal(w->sched, &w->thief[0], &w->owner, false)); });
    scene.thread([w] { take(runqsteal(w->sched, &w->thief[1], &w->thief[0], false)); });
    scene.finally([w] { w->none_lost(4); });
  });
}

TEST(RunqModel, a_share_of_the_global_queue_can_be_stolen) {
  verify([](Scene& scene) {
    auto* w = scene.make<Queues>();
    for (int i = 0; i < 4; ++i) globrunqput(w->sched, written(&w->g[i]));
    scene.thread([w] {
      w->sched.lock.lock();
      ModelG* gp = globrunqget(w->sched, &w->owner, 0);
      w->sched.lock.unlock();
      take(gp);
      w->get();
    });
    scene.thread([w] { w->steal(0); });
    scene.finally([w] { w->none_lost(4); });
  });
}

TEST(RunqModel, a_batch_with_a_rest_races_with_a_thief) {
  verify([](Scene& scene) {
    auto* w = scene.make<Queues>();
    w->start_with(3);
    scene.thread([w] {
      decltype(w->sched.global) batch;
      for (int i = 3; i < 6; ++i) batch.push(written(&w->g[i]));
      runqputbatch(w->sched, &w->owner, &batch, 3);
    });
    scene.thread([w] { w->steal(0); });
    scene.finally([w] { w->none_lost(6); });
  });
}

// runnext holds 0; the owner readies 1, which displaces 0 into the ring, and takes 1. There is
// something in the queue all the time.
template <class P, class Empty>
Program never_empty(Empty empty) {
  return [empty](Scene& scene) {
    auto* w = scene.make<World<P>>();
    w->put(0, true);
    scene.thread([w] {
      w->put(1, true);
      w->get();
    });
    scene.thread([w, empty] {
      check(!empty(&w->owner), "a queue that always held something was found empty");
    });
  };
}

TEST(RunqModel, a_queue_that_is_never_empty_is_not_found_empty) {
  verify(never_empty<ModelP<>>([](const ModelP<>* pp) { return runqempty(pp); }));
}

// ---- seeded bugs -----------------------------------------------------------------------------------

TEST(RunqMutant, a_tail_published_without_release_is_found) {
  finds("data race", [](Scene& scene) {
    auto* w = scene.make<World<ModelP<AllRelaxed>>>();
    scene.thread([w] { w->put(0); });
    scene.thread([w] { w->steal(0); });
  });
}

TEST(RunqMutant, a_runnext_published_without_release_is_found) {
  finds("data race", [](Scene& scene) {
    auto* w = scene.make<World<ModelP<AsWritten, AllRelaxed>>>();
    scene.thread([w] { w->put(0, true); });
    scene.thread([w] { w->steal(0); });
  });
}

TEST(RunqMutant, slots_read_after_head_was_moved_are_found) {
  finds("data race", [](Scene& scene) {
    auto* w = scene.make<Queues>();
    w->start_with(4);
    scene.thread([w] {
      w->get();
      w->put(4);
      w->put(5);
      w->get();
      w->get();
      w->get();
      w->get();
    });
    scene.thread([w] { steal_reading_late(&w->thief[0], &w->owner); });
    scene.finally([w] { w->none_lost(6); });
  });
}

TEST(RunqMutant, a_head_stored_instead_of_exchanged_is_found) {
  finds("", [](Scene& scene) {
    auto* w = scene.make<Queues>();
    w->start_with(4);
    scene.thread([w] { w->get(); });
    scene.thread([w] { steal_without_exchange(&w->thief[0], &w->owner); });
    scene.finally([w] { w->none_lost(4); });
  });
}

TEST(RunqMutant, a_runnext_taken_by_load_and_store_is_found) {
  finds("", [](Scene& scene) {
    auto* w = scene.make<Queues>();
    w->put(0, true);
    scene.thread([w] { take(get_runnext_unguarded(&w->owner)); });
    scene.thread([w] { w->steal(0); });
    scene.finally([w] { w->none_lost(1); });
  });
}

TEST(RunqMutant, a_tail_published_before_the_slots_is_found) {
  finds("", [](Scene& scene) {
    auto* w = scene.make<Queues>();
    w->start_with(4);
    scene.thread([w] { take(steal_publishing_early(&w->thief[0], &w->owner)); });
    scene.thread([w] { take(runqsteal(w->sched, &w->thief[1], &w->thief[0], false)); });
    scene.finally([w] { w->none_lost(4); });
  });
}

TEST(RunqMutant, an_emptiness_test_without_the_second_look_is_found) {
  finds("found empty", never_empty<ModelP<>>([](const ModelP<>* pp) { return empty_at_a_glance(pp); }));
}

TEST(RunqMutant, an_emptiness_test_with_a_relaxed_runnext_is_found) {
  using Relaxed = ModelP<AsWritten, AllRelaxed>;
  finds("found empty", never_empty<Relaxed>([](const Relaxed* pp) { return runqempty(pp); }));
}

}  // namespace
}  // namespace reprise::model
