// The collector under many schedules: small programs whose pointers move while a cycle marks, with poisoned free memory. Rules of the
// collector are left out one by one, and the default policy finds each; with all of them there is nothing to find.
#include <reprise/gc.h>

#include <gtest/gtest.h>
#include <reprise/chan.h>
#include <reprise/explore.h>
#include <reprise/go.h>
#include <reprise/map.h>
#include <reprise/sync.h>
#include <sys/mman.h>

#include <atomic>
#include <memory>
#include <new>
#include <string>
#include <utility>

#include "runtime/gc/gc.h"

struct ExploredNode {
  reprise::gc::Ptr<ExploredNode> left, right;
  uint64_t value = 0x1234;
};
REPRISE_GC_FIELDS(ExploredNode, left, right)

namespace reprise {
namespace {

using gc::make;
using gc::Ptr;
using Node = ExploredNode;
constexpr uint64_t kAlive = 0x1234;

// Over what frames left below: the words of it that later frames do not use would be taken for pointers.
[[gnu::noinline]] void scrub() {
  volatile uint64_t frame[512];
  for (volatile uint64_t& word : frame) word = 0;
}

template <class F>
[[gnu::noinline]] auto apart(F f) {
  struct AtEnd {
    ~AtEnd() { scrub(); }
  } const at_end;
  return f();
}

void collect_beside(WaitGroup& done) {
  done.add(1);
  go([done]() mutable {
    gc::collect();
    done.done();
  });
}

// The mutator takes a node out of a field while its own stack has been looked at and the field has not.
void takes_out_of_a_field() {
  Ptr<Node> box = apart([] {
    Ptr<Node> made = make<Node>();
    made->left = make<Node>();
    made->left->left = make<Node>();
    return made;
  });
  WaitGroup done;
  collect_beside(done);
  yield();
  Node* const taken = apart([&] { return box->left->left.get(); });
  yield();
  apart([&] { box->left->left = nullptr; });
  yield();
  done.wait();
  expect(taken->value == kAlive, "a node that a stack holds was freed");
}

// A node wanders between fields of two objects, never in fewer than one.
void wanders_between_fields() {
  Ptr<Node> here = make<Node>(), there = make<Node>();
  apart([&] { here->left = make<Node>(); });
  WaitGroup done;
  collect_beside(done);
  for (int i = 0; i < 3; ++i) {
    yield();
    apart([&] { there->left = here->left; });
    yield();
    apart([&] { here->left = nullptr; });
    std::swap(here, there);
  }
  done.wait();
  expect(apart([&] { return here->left->value; }) == kAlive, "a node that a field leads to was freed");
}

// A goroutine hands a node over that only its stack had.
void stores_what_its_stack_alone_had() {
  Ptr<Node> box = apart([] { return make<Node>(); });
  WaitGroup done;
  collect_beside(done);
  done.add(1);
  go([&box, done]() mutable {
    // By a raw pointer: a Ptr that is set to null would be a deletion.
    Node* volatile mine = apart([] { return make<Node>().get(); });
    yield();
    apart([&] { box->left = mine; });
    mine = nullptr;
    yield();
    done.done();
  });
  yield();
  done.wait();
  gc::collect();
  expect(apart([&] { return box->left->value; }) == kAlive, "a node that was handed over was freed");
}

void makes_nodes_during_a_cycle() {
  WaitGroup done;
  collect_beside(done);
  yield();
  Ptr<Node> list;
  for (int i = 0; i < 4; ++i) {
    Ptr<Node> head = make<Node>();
    head->left = list;
    list = head;
    yield();
  }
  done.wait();
  for (Node* node = list.get(); node != nullptr; node = node->left.get()) {
    expect(node->value == kAlive, "a node that was made during the cycle was freed");
  }
}

void weak_pointers_are_read() {
  gc::Weak<Node> weak;
  Ptr<Node> box = make<Node>();
  apart([&] {
    box->left = make<Node>();
    weak = gc::Weak<Node>(box->left);
  });
  WaitGroup done;
  collect_beside(done);
  yield();
  apart([&] { box->left = nullptr; });
  yield();
  const Ptr<Node> again = weak.get();
  yield();
  done.wait();
  if (again) expect(again->value == kAlive, "a node that a weak pointer gave was freed");
}

// What the queue of finalizers alone led to is on a stack alone while the next cycle marks.
void finalizer_runs_during_a_cycle() {
  apart([] {
    const Ptr<Node> node = make<Node>();
    node->left = make<Node>();
    gc::set_finalizer(node, [](const Ptr<Node>& dead) {
      for (int i = 0; i < 4; ++i) yield();
      expect(dead->value == kAlive && dead->left->value == kAlive, "what a finalizer looks at was freed");
    });
  });
  gc::collect();
  WaitGroup done;
  collect_beside(done);
  done.wait();
}

// From a channel's buffer, or from hand to hand, to a stack that was looked at.
void goes_through_a_channel() {
  Chan<Ptr<Node>> buffered(1), unbuffered;
  apart([&] { buffered.send(make<Node>()); });
  WaitGroup done;
  collect_beside(done);
  done.add(1);
  go([=]() mutable {
    Node* const taken = apart([&] { return (*buffered.recv()).get(); });
    yield();
    yield();
    expect(taken->value == kAlive, "a node that came from a buffer was freed");
    apart([&] { unbuffered.send(Ptr<Node>(taken)); });
    done.done();
  });
  yield();
  Node* const taken = apart([&] { return (*unbuffered.recv()).get(); });
  yield();
  done.wait();
  expect(taken->value == kAlive, "a node that was handed over was freed");
}

// What a closure captured is on the new goroutine's stack alone.
void goes_along_with_a_goroutine() {
  Ptr<Node> box = apart([] {
    const Ptr<Node> made = make<Node>();
    made->left = make<Node>();
    return made;
  });
  WaitGroup done;
  collect_beside(done);
  done.add(1);
  yield();
  apart([&] {
    go([node = box->left, done]() mutable {
      yield();
      expect(node->value == kAlive, "a node that a closure holds was freed");
      done.done();
    });
    box->left = nullptr;
  });
  yield();
  done.wait();
}

// A map moves its entries while it grows.
void lies_in_a_map_that_grows() {
  Map<int, Ptr<Node>> map;
  apart([&] { map[0] = make<Node>(); });
  WaitGroup done;
  collect_beside(done);
  for (int i = 1; i < 40; ++i) {
    apart([&] { map[i] = i % 8 == 0 ? make<Node>() : nullptr; });
    if (i % 8 == 0) yield();
  }
  done.wait();
  for (const auto [key, node] : map) expect(!node || node->value == kAlive, "a node in a map was freed");
  expect(map[0] && map[16], "a node is not in its map");
}

// The object is kept by its finalizer's special, and by the weak pointer's reader.
void weak_pointer_beside_a_finalizer() {
  gc::Weak<Node> weak;
  apart([&] {
    const Ptr<Node> node = make<Node>();
    node->left = make<Node>();
    weak = gc::Weak<Node>(node);
    gc::set_finalizer(node, [](const Ptr<Node>& dead) {
      yield();
      expect(dead->value == kAlive && dead->left->value == kAlive, "what a finalizer looks at was freed");
    });
  });
  WaitGroup done;
  collect_beside(done);
  yield();
  const Ptr<Node> again = weak.get();
  yield();
  collect_beside(done);
  done.wait();
  if (again) expect(again->value == kAlive && again->left->value == kAlive, "what a weak pointer gave was freed");
}

// A finalizer brings its object back; the next cycle is under way already.
void finalizer_keeps_its_object() {
  const auto kept = std::make_shared<Ptr<Node>>();
  apart([&] {
    const Ptr<Node> node = make<Node>();
    node->left = make<Node>();
    gc::set_finalizer(node, [kept](const Ptr<Node>& dead) { *kept = dead; });
  });
  gc::collect();
  WaitGroup done;
  collect_beside(done);
  yield();
  collect_beside(done);
  done.wait();
  if (*kept) expect((*kept)->value == kAlive && (*kept)->left->value == kAlive, "what a finalizer kept was freed");
}

struct Program {
  const char* name;
  void (*body)();
};
constexpr Program kPrograms[] = {{"takes_out_of_a_field", takes_out_of_a_field},
                                 {"wanders_between_fields", wanders_between_fields},
                                 {"stores_what_its_stack_alone_had", stores_what_its_stack_alone_had},
                                 {"makes_nodes_during_a_cycle", makes_nodes_during_a_cycle},
                                 {"weak_pointers_are_read", weak_pointers_are_read},
                                 {"finalizer_runs_during_a_cycle", finalizer_runs_during_a_cycle},
                                 {"goes_through_a_channel", goes_through_a_channel},
                                 {"goes_along_with_a_goroutine", goes_along_with_a_goroutine},
                                 {"lies_in_a_map_that_grows", lies_in_a_map_that_grows},
                                 {"weak_pointer_beside_a_finalizer", weak_pointer_beside_a_finalizer},
                                 {"finalizer_keeps_its_object", finalizer_keeps_its_object}};

class GcExplore : public testing::Test {
 protected:
  void SetUp() override { rt::gc_poison_for_test(true); }
  void TearDown() override {
    rt::gc_seeded_for_test = {};
    rt::gc_poison_for_test(false);
  }
  static Exploration explored(void (*body)(), uint64_t schedules) {
    return explore({.schedules = schedules, .name = "gc"}, body);
  }
};

TEST_F(GcExplore, nothing_is_found_in_4000_schedules_of_each) {
  for (const Program& program : kPrograms) {
    const Exploration result = explored(program.body, 4000);
    EXPECT_EQ(result.schedules, 4000u) << program.name;
    EXPECT_FALSE(result.failure.has_value()) << program.name << ": " << result.failure->message << result.failure->report;
  }
}

TEST_F(GcExplore, missing_deletion_barrier_is_found) {
  rt::gc_seeded_for_test.no_deletion_barrier = true;
  EXPECT_TRUE(explored(takes_out_of_a_field, 4000).failure.has_value());
}

// With the barrier a new node is also shaded as the value that make() assigns; it need not be.
TEST_F(GcExplore, new_nodes_are_safe_by_being_black_and_found_missing_if_they_are_not) {
  rt::gc_seeded_for_test.no_deletion_barrier = true;
  rt::gc_seeded_for_test.no_insertion_barrier = true;
  EXPECT_FALSE(explored(makes_nodes_during_a_cycle, 4000).failure.has_value());
  rt::gc_seeded_for_test.no_black_allocation = true;
  EXPECT_TRUE(explored(makes_nodes_during_a_cycle, 4000).failure.has_value());
}

// ---- section 6.2: the worker and who holds a lock ---------------------------------------------------------
//
// A program that allocates while it holds a lock, beside a cycle. Rules that keep it and the worker from waiting for each other are
// left out; which ones are needed for the deadlock is what the tests say.

Mutex* program_lock = nullptr;

void allocates_under_a_lock() {
  Mutex lock;
  program_lock = &lock;
  WaitGroup done;
  collect_beside(done);
  yield();
  lock.lock();
  Ptr<Node> list;
  for (int i = 0; i < 3; ++i) {
    Ptr<Node> head = make<Node>();
    head->left = list;
    list = head;
    yield();
  }
  lock.unlock();
  done.wait();
}

void waits_for_a_cycle_under_a_lock() {
  Mutex lock;
  program_lock = &lock;
  const Ptr<Node> node = make<Node>();
  lock.lock();
  gc::collect();
  lock.unlock();
}

void takes_the_lock() {
  program_lock->lock();
  program_lock->unlock();
}

void allocates() { apart([] { make<Node>(); }); }

class GcDeadlock : public GcExplore {
 protected:
  static constexpr uint64_t kSchedules = 1000;
  static bool deadlocks(void (*body)()) {
    const Exploration result = explored(body, kSchedules);
    if (!result.failure) return false;
    EXPECT_NE(result.failure->message.find("deadlock"), std::string::npos) << result.failure->message;
    return true;
  }
};

TEST_F(GcDeadlock, none_with_all_rules) {
  EXPECT_FALSE(deadlocks(allocates_under_a_lock));
  EXPECT_FALSE(deadlocks(waits_for_a_cycle_under_a_lock));
}

// Worker, lock, holder in the queue: the circle of the reference's text. Either rule breaks it.
TEST_F(GcDeadlock, worker_that_takes_the_programs_lock_while_assists_queue) {
  rt::gc_seeded_for_test.in_step = takes_the_lock;
  rt::gc_seeded_for_test.assists_queue = true;
  EXPECT_TRUE(deadlocks(allocates_under_a_lock));
}
TEST_F(GcDeadlock, none_where_the_worker_takes_the_lock_and_assists_mark_by_themselves) {
  rt::gc_seeded_for_test.in_step = takes_the_lock;
  EXPECT_FALSE(deadlocks(allocates_under_a_lock));
}
TEST_F(GcDeadlock, none_where_assists_queue_for_a_worker_that_takes_no_lock) {
  rt::gc_seeded_for_test.assists_queue = true;
  EXPECT_FALSE(deadlocks(allocates_under_a_lock));
}

// Who waits for a whole cycle needs no assist for it.
TEST_F(GcDeadlock, worker_that_takes_the_lock_of_who_waits_for_the_cycle) {
  rt::gc_seeded_for_test.in_step = takes_the_lock;
  EXPECT_TRUE(deadlocks(waits_for_a_cycle_under_a_lock));
}

// It waits for itself.
TEST_F(GcDeadlock, worker_that_allocates_and_queues_as_an_assist) {
  rt::gc_seeded_for_test.in_step = allocates;
  rt::gc_seeded_for_test.assists_queue = true;
  EXPECT_FALSE(deadlocks(allocates_under_a_lock));
  rt::gc_seeded_for_test.workers_assist = true;
  EXPECT_TRUE(deadlocks(allocates_under_a_lock));
}

// Without yielding nothing of the program's happens between the first batch and the last: the cycle is one long stop. With it some
// schedule has the program run while a cycle marks.
std::atomic<uint64_t>* runs_while_marking = nullptr;

void looks_whether_a_cycle_marks() {
  Ptr<Node> list;
  for (int i = 0; i < 4; ++i) {
    Ptr<Node> head = make<Node>();
    head->left = list;
    list = head;
  }
  WaitGroup done;
  collect_beside(done);
  for (int i = 0; i < 8; ++i) {
    yield();
    if (rt::gc_state.marking.load()) ++*runs_while_marking;
  }
  done.wait();
}

TEST_F(GcDeadlock, worker_that_does_not_yield_lets_nobody_run) {
  void* const shared = mmap(nullptr, sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(shared, MAP_FAILED);
  runs_while_marking = new (shared) std::atomic<uint64_t>(0);
  explored(looks_whether_a_cycle_marks, 200);
  EXPECT_GT(runs_while_marking->exchange(0), 0u);
  rt::gc_seeded_for_test.no_yield = true;
  explored(looks_whether_a_cycle_marks, 200);
  EXPECT_EQ(runs_while_marking->load(), 0u);
  munmap(shared, sizeof(uint64_t));
}

}  // namespace
}  // namespace reprise
