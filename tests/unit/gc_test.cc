// The collector: what is reachable stays, what is not comes back, however objects are pointed to.
#include <reprise/gc.h>

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <reprise/chan.h>
#include <reprise/go.h>
#include <reprise/map.h>
#include <reprise/mem.h>
#include <reprise/os.h>
#include <reprise/sync.h>
#include <reprise/time.h>

#include <memory>
#include <thread>
#include <vector>

#include "runtime/gc/gc.h"
#include "runtime/gc/pauses.h"
#include "runtime/gc/roots.h"
#include "runtime/mem/mheap.h"
#include "runtime/sched/idle.h"
#include "runtime/sched/proc.h"

struct GcTestNode {
  reprise::gc::Ptr<GcTestNode> left, right;
  uint64_t value = 0x1234;
};
REPRISE_GC_FIELDS(GcTestNode, left, right)

struct GcTestHider {
  uint64_t number = 0;
  reprise::gc::Ptr<GcTestNode> shown;
};
REPRISE_GC_FIELDS(GcTestHider, shown)

namespace reprise {
namespace {

using gc::make;
using gc::Ptr;
using gc::Weak;
using Node = GcTestNode;

constexpr uint64_t kAlive = 0x1234;

// So that nothing of the caller's is left in a register or below its frame.
[[gnu::noinline]] void clear_stack() {
  volatile char below[8192];
  for (volatile char& byte : below) byte = 0;
}
void collect() {
  clear_stack();
  gc::collect();
}

template <class F>
[[gnu::noinline]] auto apart(F f) {
  return f();
}

// Without leaving a pointer in the caller's frame.
template <class T>
bool alive(const Weak<T>& weak) {
  return apart([&] { return static_cast<bool>(weak.get()); });
}

// Of what lay in this very frame: an instrumented one keeps more than it needs, and is scanned.
#ifdef REPRISE_SANITIZED
#define EXPECT_FREED(weak) static_cast<void>(weak)
#else
#define EXPECT_FREED(weak) EXPECT_FALSE(alive(weak))
#endif

class Gc : public testing::Test {
 protected:
  void SetUp() override { rt::gc_poison_for_test(true); }
  void TearDown() override {
    collect();
    rt::gc_poison_for_test(false);
  }
};

TEST_F(Gc, object_on_a_stack_stays) {
  const Ptr<Node> node = make<Node>();
  collect();
  EXPECT_EQ(node->value, kAlive);
}

TEST_F(Gc, object_that_nothing_points_to_is_freed) {
  const Weak<Node> weak = apart([] { return Weak<Node>(make<Node>()); });
  collect();
  EXPECT_FALSE(alive(weak));
}

// By the scavenger, whom nobody waits for. Poison would touch what dies.
TEST_F(Gc, pages_of_what_died_go_back_to_the_system) {
  rt::gc_poison_for_test(false);
  apart([] {
    const Ptr<std::byte> large = gc::make_array<std::byte>(64 << 20);
    for (size_t i = 0; i < 64 << 20; i += 4096) large[i] = std::byte{1};
  });
  const uint64_t before = mem_stats().heap_released;
  collect();
  while (mem_stats().heap_released < before + (32 << 20)) sleep_for(std::chrono::milliseconds(1));
}

// A schedule of explore() that follows would find the scavenger's timer, and take it for one that the body left.
TEST_F(Gc, quiescing_leaves_no_timer_of_the_scavenger) {
  rt::gc_poison_for_test(false);
  apart([] {
    const Ptr<std::byte> large = gc::make_array<std::byte>(64 << 20);
    for (size_t i = 0; i < 64 << 20; i += 4096) large[i] = std::byte{1};
  });
  const uint64_t before = mem_stats().heap_released;
  collect();
  while (mem_stats().heap_released == before) yield();
  rt::gc_quiesce();
  EXPECT_FALSE(rt::timers_pending());
}

TEST_F(Gc, raw_pointer_on_a_stack_keeps_its_object) {
  Node* const raw = apart([] { return make<Node>().get(); });
  Node* volatile kept = raw;
  collect();
  EXPECT_EQ(kept->value, kAlive);
}

TEST_F(Gc, pointer_into_the_middle_keeps_the_whole) {
  Weak<Node> weak;
  uint64_t* volatile inside = apart([&] {
    const Ptr<Node> node = make<Node>();
    weak = Weak<Node>(node);
    return &node->value;
  });
  collect();
  EXPECT_TRUE(alive(weak));
  EXPECT_EQ(*inside, kAlive);
}

TEST_F(Gc, chains_and_trees_are_followed) {
  Ptr<Node> root = make<Node>();
  Node* at = root.get();
  for (int i = 0; i < 10000; ++i) {
    at->left = make<Node>();
    at->right = make<Node>();
    at = at->left.get();
  }
  collect();
  int count = 0;
  for (Node* n = root.get(); n != nullptr; n = n->left.get(), ++count) ASSERT_EQ(n->value, kAlive);
  EXPECT_EQ(count, 10001);
}

TEST_F(Gc, cycle_that_nothing_points_to_is_freed) {
  const Weak<Node> weak = apart([] {
    Ptr<Node> a = make<Node>(), b = make<Node>();
    a->left = b;
    b->right = a;
    return Weak<Node>(a);
  });
  collect();
  EXPECT_FREED(weak);
}

TEST_F(Gc, pointer_in_an_object_of_malloc_is_a_root) {
  auto holder = apart([] { return std::make_unique<Ptr<Node>>(make<Node>()); });
  const Weak<Node> weak(*holder);
  collect();
  EXPECT_TRUE(alive(weak));
  apart([&] { EXPECT_EQ((*holder)->value, kAlive); });
  holder.reset();
  collect();
  EXPECT_FREED(weak);
}

Ptr<Node> global;

TEST_F(Gc, global_is_a_root) {
  apart([] { global = make<Node>(); });
  const Weak<Node> weak(global);
  collect();
  apart([] { EXPECT_EQ(global->value, kAlive); });
  global = nullptr;
  collect();
  EXPECT_FREED(weak);
}

TEST_F(Gc, vector_of_pointers_keeps_them_as_it_grows_and_shrinks) {
  std::vector<Ptr<Node>> nodes;
  apart([&] {
    for (int i = 0; i < 1000; ++i) nodes.push_back(make<Node>());
  });
  const Weak<Node> last(nodes.back());
  collect();
  apart([&] {
    for (const Ptr<Node>& node : nodes) ASSERT_EQ(node->value, kAlive);
    nodes.pop_back();
  });
  collect();
  EXPECT_FALSE(alive(last));
}

TEST_F(Gc, roots_are_registered_while_they_live_and_no_longer) {
  auto* const place = static_cast<Ptr<Node>*>(std::malloc(sizeof(Ptr<Node>)));
  auto** const slot = reinterpret_cast<void**>(place);
  EXPECT_FALSE(rt::roots_has_for_test(slot));
  new (place) Ptr<Node>();
  EXPECT_TRUE(rt::roots_has_for_test(slot));
  place->~Ptr<Node>();
  EXPECT_FALSE(rt::roots_has_for_test(slot));
  std::free(place);
}

TEST_F(Gc, array_keeps_what_its_elements_point_to) {
  const Ptr<Ptr<Node>> array = gc::make_array<Ptr<Node>>(5000);
  for (size_t i = 0; i < 5000; ++i) array[i] = make<Node>();
  collect();
  for (size_t i = 0; i < 5000; ++i) ASSERT_EQ(array[i]->value, kAlive);
}

TEST_F(Gc, large_object_is_scanned_in_all_its_parts) {
  constexpr size_t kMany = 1 << 17;  // 1 MiB of pointers
  const Ptr<Ptr<Node>> array = gc::make_array<Ptr<Node>>(kMany);
  for (size_t i = 0; i < kMany; i += 1000) array[i] = make<Node>();
  collect();
  for (size_t i = 0; i < kMany; i += 1000) ASSERT_EQ(array[i]->value, kAlive);
}

TEST_F(Gc, precise_fields_alone_are_pointers) {
  Weak<Node> hidden, shown;
  const Ptr<GcTestHider> hider = apart([&] {
    Ptr<GcTestHider> made = make<GcTestHider>();
    const Ptr<Node> a = make<Node>(), b = make<Node>();
    made->number = reinterpret_cast<uint64_t>(a.get());
    made->shown = b;
    hidden = Weak<Node>(a);
    shown = Weak<Node>(b);
    return made;
  });
  collect();
  EXPECT_FALSE(alive(hidden));
  EXPECT_TRUE(alive(shown));
  EXPECT_EQ(hider->shown->value, kAlive);
}

struct Undescribed {
  uint64_t number = 0;
  Ptr<Node> field;
};

TEST_F(Gc, undescribed_type_is_scanned_word_by_word) {
  Weak<Node> by_number, by_field;
  const Ptr<Undescribed> object = apart([&] {
    Ptr<Undescribed> made = make<Undescribed>();
    const Ptr<Node> a = make<Node>(), b = make<Node>();
    made->number = reinterpret_cast<uint64_t>(a.get());
    made->field = b;
    by_number = Weak<Node>(a);
    by_field = Weak<Node>(b);
    return made;
  });
  collect();
  EXPECT_TRUE(alive(by_number));
  EXPECT_TRUE(alive(by_field));
  EXPECT_EQ(object->field->value, kAlive);
}

TEST_F(Gc, goroutine_that_waits_keeps_what_is_on_its_stack) {
  Chan<int> go_on, done;
  Weak<Node> weak;
  go([&] {
    const Ptr<Node> mine = make<Node>();
    weak = Weak<Node>(mine);
    done.send(0);
    go_on.recv();
    EXPECT_EQ(mine->value, kAlive);
    done.send(0);
  });
  done.recv();
  collect();
  EXPECT_TRUE(alive(weak));
  go_on.send(0);
  done.recv();
}

TEST_F(Gc, argument_of_a_goroutine_that_has_not_begun_is_kept) {
  Chan<uint64_t> values(64);
  for (int i = 0; i < 64; ++i) {
    go([node = make<Node>(), values]() mutable { values.send(node->value); });
  }
  collect();
  for (int i = 0; i < 64; ++i) EXPECT_EQ(*values.recv(), kAlive);
}

TEST_F(Gc, pointer_on_its_way_through_a_channel_is_kept) {
  Chan<Ptr<Node>> pipe(1);
  pipe.send(make<Node>());
  collect();
  EXPECT_EQ((*pipe.recv())->value, kAlive);
}

TEST_F(Gc, foreign_thread_makes_copies_and_drops) {
  Ptr<Node> from_thread;
  std::thread([&] {
    Ptr<Node> node = make<Node>();
    node->left = make<Node>();
    Ptr<Node> copy = node;
    from_thread = copy->left;
  }).join();
  collect();
  EXPECT_EQ(from_thread->value, kAlive);
}

TEST_F(Gc, derived_converts_to_base_and_keeps_the_whole) {
  struct Base {
    uint64_t first = 1;
  };
  struct Other {
    uint64_t second = 2;
  };
  struct Derived : Base, Other {
    Ptr<Node> node;
  };
  const Ptr<Other> other = apart([] {
    Ptr<Derived> d = make<Derived>();
    d->node = make<Node>();
    return Ptr<Other>(d);
  });
  collect();
  EXPECT_EQ(static_cast<Derived*>(other.get())->node->value, kAlive);
}

// ---- memory comes back ---------------------------------------------------------------------------------

TEST_F(Gc, memory_of_garbage_is_used_again) {
  collect();
  const uint64_t before = rt::mheap_.heap_live.load();
  for (int round = 0; round < 20; ++round) {
    apart([] {
      Ptr<Node> list;
      for (int i = 0; i < 20000; ++i) {
        Ptr<Node> head = make<Node>();
        head->left = list;
        list = head;
      }
    });
    collect();
    ASSERT_LT(rt::mheap_.heap_live.load(), before + (1 << 20)) << round;
  }
}

TEST_F(Gc, cycles_begin_by_themselves) {
#ifdef REPRISE_SANITIZED
  GTEST_SKIP() << "nothing preempts a loop there, and the driver needs the P";
#endif
  const uint32_t before = gc::cycles();
  // A cycle may take slices of others to end: tens of milliseconds, in which millions are made.
  for (int i = 0; i < 20'000'000 && gc::cycles() < before + 3; ++i) apart([] { return make<Node>(); });
  EXPECT_GE(gc::cycles(), before + 3);
}

TEST_F(Gc, collect_runs_a_cycle_where_cycles_are_switched_off) {
  const int percent = gc::set_percent(-1);
  const uint32_t before = gc::cycles();
  collect();
  EXPECT_GT(gc::cycles(), before);
  gc::set_percent(percent);
}

TEST_F(Gc, memory_limit_starts_cycles_where_the_percentage_is_off) {
  const int percent = gc::set_percent(-1);
  collect();
  const auto live = static_cast<int64_t>(mem_stats().heap_live);
  const int64_t limit = gc::set_memory_limit(live + (16 << 20));
  const uint32_t before = gc::cycles();
  for (int i = 0; i < 1024; ++i) gc::make_array<uint64_t>(128 << 10 >> 3);
  rt::gc_quiesce();
  EXPECT_GT(gc::cycles(), before);
  gc::set_memory_limit(limit);
  gc::set_percent(percent);
}

TEST_F(Gc, map_keeps_what_its_values_point_to) {
  Map<int, Ptr<uint64_t>> values;
  for (int i = 0; i < 2000; ++i) {
    apart([&] {
      Ptr<uint64_t> made = gc::make<uint64_t>();
      *made = static_cast<uint64_t>(i);
      values.set(i, made);
    });
    if (i % 500 == 0) collect();
  }
  collect();
  for (int i = 0; i < 2000; ++i) EXPECT_EQ(**values.find(i), static_cast<uint64_t>(i));
}

// Stacks that hold pointers run on while cycles mark, and write them to where only others look.
TEST_F(Gc, objects_that_goroutines_pass_round_while_cycles_run_are_kept) {
  constexpr int kGoroutines = 8, kRounds = 200;
  struct Link {
    Ptr<Link> next;
    int value = 0;
  };
  std::vector<Ptr<Link>> heads(kGoroutines);
  WaitGroup done;
  for (int g = 0; g < kGoroutines; ++g) {
    done.add(1);
    go([&heads, g, done]() mutable {
      Ptr<Link> list;
      for (int i = 0; i < kRounds; ++i) {
        Ptr<Link> head = gc::make<Link>();
        head->value = g * kRounds + i;
        head->next = list;
        list = head;
        heads[static_cast<size_t>(g)] = i % 2 == 0 ? head : nullptr;
        yield();
      }
      heads[static_cast<size_t>(g)] = list;
      done.done();
    });
  }
  for (int i = 0; i < 20; ++i) collect();
  done.wait();
  collect();
  for (int g = 0; g < kGoroutines; ++g) {
    int expected = kRounds;
    for (Link* link = heads[static_cast<size_t>(g)].get(); link != nullptr; link = link->next.get()) {
      EXPECT_EQ(link->value, g * kRounds + --expected);
    }
    EXPECT_EQ(expected, 0);
  }
}

struct Defaults {
  char letter;
  uint64_t number = 7;
};
struct Plain {
  char letter;
  uint64_t number;
  double fraction[3];
};
struct ToMember {
  char letter;
  uint64_t Plain::*member;  // null is not zeros
};

TEST_F(Gc, arrays_are_value_initialised) {
  for (const size_t n : {0, 1, 2, 1000, 10'000}) {
    for (int again = 0; again < 3; ++again) {
      const auto numbers = gc::make_array<uint64_t>(n);
      const auto plain = gc::make_array<Plain>(n);
      const auto defaults = gc::make_array<Defaults>(n);
      const auto members = gc::make_array<uint64_t Plain::*>(n);
      const auto structs = gc::make_array<ToMember>(n);
      const auto pointers = gc::make_array<Ptr<Node>>(n);
      for (size_t i = 0; i < n; ++i) {
        ASSERT_EQ(std::exchange(numbers[i], ~uint64_t{0}), 0u);
        ASSERT_TRUE(plain[i].letter == 0 && plain[i].number == 0 && plain[i].fraction[2] == 0);
        plain[i] = {'x', ~uint64_t{0}, {1, 2, 3}};
        ASSERT_TRUE(defaults[i].letter == 0 && defaults[i].number == 7);
        defaults[i].letter = 'x';
        ASSERT_TRUE(members[i] == nullptr && structs[i].member == nullptr && structs[i].letter == 0);
        ASSERT_TRUE(pointers[i] == nullptr);
      }
    }
    collect();
  }
}

TEST_F(Gc, pauses_are_counted) {
  const MemStats before = mem_stats();
  collect();
  const MemStats after = mem_stats();
  EXPECT_GE(after.pause_count, before.pause_count + 2);
  EXPECT_GT(after.pause_total_ns, before.pause_total_ns);
  uint64_t in_buckets = 0;
  for (const uint64_t n : after.pauses) in_buckets += n;
  EXPECT_EQ(in_buckets, after.pause_count);
  EXPECT_GT(after.pause_percentile_ns(0.5), 0u);
  EXPECT_LE(after.pause_percentile_ns(0.5), after.pause_percentile_ns(0.999));
  EXPECT_LE(after.pause_percentile_ns(0.999), after.pause_max_ns);
}

#ifndef REPRISE_SANITIZED
TEST_F(Gc, what_is_done_while_the_world_stands_does_not_grow_with_the_heap) {
  std::vector<Ptr<Node>> roots;
  for (int i = 0; i < 60'000; ++i) {
    Ptr<Node> node = make<Node>();
    node->left = make<Node>();
    roots.push_back(node);
  }
  Chan<int> hold;
  WaitGroup done;
  for (int i = 0; i < 200; ++i) {
    done.add(1);
    go([=]() mutable {
      hold.recv();
      done.done();
    });
  }
  for (int i = 0; i < 4; ++i) collect();
  hold.close();
  done.wait();
  const rt::PauseWork most = rt::pause_most_work_for_test();
  const auto ps = static_cast<uint64_t>(gomaxprocs());
  EXPECT_GT(most.spans, 0u);
  EXPECT_LE(most.spans, rt::kNumSpanClasses * ps);
  EXPECT_LE(most.barrier_words, 2 * rt::GcP::kShaded * ps);
  EXPECT_LE(most.scanned_bytes, int64_t{32 << 10} + int64_t{rt::kObletBytes});
  for (const Ptr<Node>& root : roots) ASSERT_NE(root->left, nullptr);
}
#endif

// Zeroing without a P: cycles come and go meanwhile.
TEST_F(Gc, large_object_is_zero_and_stays_though_cycles_pass_while_it_is_made) {
  constexpr size_t kWords = 3 << 17;  // 3 MiB
  std::atomic<bool> stop{false};
  WaitGroup done;
  done.add(1);
  go([&stop, done]() mutable {
    while (!stop.load()) {
      collect();
      yield();
    }
    done.done();
  });
  Ptr<uint64_t> stays = gc::make_array<uint64_t>(kWords);
  stays[kWords - 1] = 7;
  for (int i = 0; i < 40; ++i) {
    const Ptr<uint64_t> words = gc::make_array<uint64_t>(kWords);
    uint64_t any = 0;
    for (size_t w = 0; w < kWords; ++w) any |= std::exchange(words[w], ~uint64_t{0});
    ASSERT_EQ(any, 0u);
    yield();
  }
  EXPECT_EQ(stays[kWords - 1], 7u);
  stop.store(true);
  done.wait();
}

TEST_F(Gc, no_cycle_begins_when_switched_off) {
  const int before = gc::set_percent(-1);
  rt::gc_quiesce();
  const uint32_t cycles = gc::cycles();
  for (int i = 0; i < 500'000; ++i) apart([] { return make<Node>(); });
  EXPECT_EQ(gc::cycles(), cycles);
  gc::set_percent(before);
}

// ---- finalizers and weak pointers ----------------------------------------------------------------------

void await_finalizers(const std::atomic<int>& count, int wanted) {
  for (int i = 0; i < 1'000'000 && count.load() < wanted; ++i) yield();
}

TEST_F(Gc, finalizers_run_once_in_the_order_in_which_they_were_set) {
  static std::vector<int> order;
  static std::atomic<int> count;
  order.clear();
  count = 0;
  apart([] {
    for (int i = 0; i < 100; ++i) {
      Ptr<Node> node = make<Node>();
      gc::set_finalizer(node, [i](const Ptr<Node>& dead) {
        EXPECT_EQ(dead->value, kAlive);
        order.push_back(i);
        ++count;
      });
    }
  });
  collect();
  await_finalizers(count, 99);
  collect();
  ASSERT_GE(order.size(), 99u);  // a stale word may keep one for a while
  EXPECT_TRUE(std::is_sorted(order.begin(), order.begin() + 99));
  const size_t ran = order.size();
  collect();
  EXPECT_LE(order.size(), std::max<size_t>(ran, 100));
}

TEST_F(Gc, finalizer_sees_what_its_object_points_to) {
  static std::atomic<int> count;
  count = 0;
  apart([] {
    Ptr<Node> node = make<Node>();
    node->left = make<Node>();
    node->left->left = make<Node>();
    gc::set_finalizer(node, [](const Ptr<Node>& dead) {
      EXPECT_EQ(dead->left->left->value, kAlive);
      ++count;
    });
  });
  collect();
  await_finalizers(count, 1);
  EXPECT_EQ(count, 1);
}

TEST_F(Gc, object_that_a_finalizer_stores_lives_on_and_is_freed_later) {
  static Ptr<Node> rescued;
  static std::atomic<int> count;
  count = 0;
  const Weak<Node> weak = apart([] {
    Ptr<Node> node = make<Node>();
    gc::set_finalizer(node, [](const Ptr<Node>& dead) {
      rescued = dead;
      ++count;
    });
    return Weak<Node>(node);
  });
  collect();
  await_finalizers(count, 1);
  EXPECT_FALSE(alive(weak));
  collect();
  apart([] { EXPECT_EQ(rescued->value, kAlive); });
  const Weak<Node> again(rescued);
  rescued = nullptr;
  collect();
  collect();
  EXPECT_FREED(again);
  EXPECT_EQ(count, 1);
}

TEST_F(Gc, cleared_finalizer_does_not_run) {
  static std::atomic<int> count;
  count = 0;
  apart([] {
    const Ptr<Node> node = make<Node>();
    gc::set_finalizer(node, [](const Ptr<Node>&) { ++count; });
    gc::clear_finalizer(node);
  });
  collect();
  collect();
  EXPECT_EQ(count, 0);
}

TEST_F(Gc, destructor_runs_where_asked_for) {
  static std::atomic<int> count;
  count = 0;
  struct Owner {
    std::vector<int> memory = std::vector<int>(100);
    ~Owner() { ++count; }
  };
  apart([] { gc::finalize_with_destructor(make<Owner>()); });
  collect();
  await_finalizers(count, 1);
  EXPECT_EQ(count, 1);
}

TEST_F(Gc, weak_pointers_to_one_object_are_equal_also_when_it_is_gone) {
  Weak<Node> a, b, other;
  apart([&] {
    const Ptr<Node> node = make<Node>();
    a = Weak<Node>(node);
    b = Weak<Node>(node);
    other = Weak<Node>(make<Node>());
  });
  EXPECT_TRUE(a == b);
  EXPECT_FALSE(a == other);
  collect();
  EXPECT_TRUE(a == b);
  EXPECT_FALSE(alive(a));
}

// ---- random graphs against a model ---------------------------------------------------------------------

// Nodes are numbered; the model knows who points to whom and which are held.
TEST_F(Gc, random_graphs_keep_what_the_model_reaches_and_nothing_else) {
  EXPECT_TRUE(rc::check("reachability", [] {
    const auto size = *rc::gen::inRange<size_t>(1, 60);
    const auto edges = *rc::gen::container<std::vector<std::pair<size_t, size_t>>>(
        rc::gen::pair(rc::gen::inRange<size_t>(0, size * 2), rc::gen::inRange<size_t>(0, size)));
    const auto held = *rc::gen::container<std::vector<size_t>>(rc::gen::inRange<size_t>(0, size));
    std::vector<std::array<size_t, 2>> model(size, {SIZE_MAX, SIZE_MAX});
    std::vector<Weak<Node>> weak(size);
    std::vector<Ptr<Node>> roots;
    apart([&] {
      std::vector<Ptr<Node>> nodes;
      for (size_t i = 0; i < size; ++i) nodes.push_back(make<Node>());
      for (const auto& [from, to] : edges) {
        (from % 2 == 0 ? nodes[from / 2]->left : nodes[from / 2]->right) = nodes[to];
        model[from / 2][from % 2] = to;
      }
      for (size_t i = 0; i < size; ++i) weak[i] = Weak<Node>(nodes[i]);
      for (const size_t i : held) roots.push_back(nodes[i]);
    });
    std::vector<bool> reached(size);
    std::vector<size_t> grey(held);
    while (!grey.empty()) {
      const size_t i = grey.back();
      grey.pop_back();
      if (i == SIZE_MAX || reached[i]) continue;
      reached[i] = true;
      grey.insert(grey.end(), model[i].begin(), model[i].end());
    }
    collect();
    size_t stale = 0;
    for (size_t i = 0; i < size; ++i) {
      const Ptr<Node> node = weak[i].get();
      if (reached[i]) RC_ASSERT(node && node->value == kAlive);
      if (!reached[i] && node) ++stale;
    }
    // A word of an old frame may keep one, and what hangs on it.
    RC_CLASSIFY(stale != 0, "stale word");
  }));
}

}  // namespace
}  // namespace reprise
