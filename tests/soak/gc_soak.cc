// Eight goroutines that build, exchange, change and drop graphs of collected objects, with a checker: every object that can be
// reached is intact, and memory of what cannot comes back. Freed memory is poisoned.
//
//   gc_soak --seconds S --seed N
//
// The trees are corpus/programs/gc_tree.h's. They go through slots that all share, through channels, and from field to field.
#include <reprise/reprise.h>

#include <reprise/gc.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>

#include "corpus/programs/gc_tree.h"
#include "runtime/gc/gc.h"
#include "runtime/mem/mheap.h"

namespace {

using reprise::gc::Weak;
using Random = std::mt19937_64;

constexpr int kGoroutines = 8;
constexpr int kSlots = 64;

std::atomic<uint64_t> trees_made{0}, nodes_checked{0}, wrong{0}, finalized{0}, finalizers{0};

bool complain(const GcTreeNode& node) {
  if (wrong.fetch_add(1) < 5) {
    std::fprintf(stderr, "gc_soak: %p is broken: tree %llx place %llx check %llx\n", static_cast<const void*>(&node),
                 static_cast<unsigned long long>(node.tree), static_cast<unsigned long long>(node.place),
                 static_cast<unsigned long long>(node.check));
  }
  return false;
}

void check(const GcTree& tree) {
  gc_tree_walk(tree.get(), [](const GcTreeNode& node) {
    if (wrong.load(std::memory_order_relaxed) != 0) return false;
    if (!gc_tree_intact(node)) return complain(node);
    nodes_checked.fetch_add(1, std::memory_order_relaxed);
    return true;
  });
}

struct Slot {
  reprise::Mutex mutex;
  GcTree tree;
};

struct World {
  std::array<Slot, kSlots> slots;
  reprise::Chan<GcTree> pipe{16};
  std::atomic<bool> over{false};
};

GcTree some_tree(Random& random) { return gc_tree_build(++trees_made, 1, static_cast<int>(random() % 11)); }

// Subtrees change places; both stay whole in themselves.
void exchange(const GcTree& a, const GcTree& b) {
  if (!a || !b) return;
  const GcTree left = a->left;
  a->left = b->right;
  b->right = left;
}

void slot_turn(World& world, Random& random) {
  Slot& slot = world.slots[random() % kSlots];
  slot.mutex.lock();
  check(slot.tree);
  switch (random() % 4) {
    case 0: slot.tree = some_tree(random); break;
    case 1: slot.tree = nullptr; break;
    case 2: exchange(slot.tree, some_tree(random)); break;
    default: if (slot.tree) slot.tree = slot.tree->right; break;
  }
  slot.mutex.unlock();
}

void pipe_turn(World& world, Random& random) {
  GcTree tree = some_tree(random);
  reprise::select(reprise::on_send(world.pipe, tree, [] {}), reprise::otherwise([] {}));
  reprise::select(reprise::on_recv(world.pipe, [](std::optional<GcTree> got) {
                    if (got) check(*got);
                  }),
                  reprise::otherwise([] {}));
  check(tree);
}

void weak_turn(Random& random) {
  const GcTree tree = some_tree(random);
  const Weak<GcTreeNode> weak(tree);
  finalizers.fetch_add(1);
  reprise::gc::set_finalizer(tree, [](const GcTree& dead) {
    check(dead);
    finalized.fetch_add(1);
  });
  reprise::yield();
  if (!weak.get()) {
    wrong.fetch_add(1);
    std::fprintf(stderr, "gc_soak: a weak pointer to what is held is null\n");
  }
}

void work(World& world, uint64_t seed) {
  Random random(seed);
  std::array<GcTree, 8> mine;
  while (!world.over.load(std::memory_order_relaxed)) {
    GcTree& own = mine[random() % mine.size()];
    check(own);
    own = some_tree(random);
    slot_turn(world, random);
    pipe_turn(world, random);
    if (random() % 8 == 0) weak_turn(random);
    exchange(own, mine[random() % mine.size()]);
    // Trees grow by what is exchanged: one starts anew now and then.
    if (random() % 4 == 0) own = nullptr;
    if (random() % 256 == 0) reprise::gc::collect();
  }
}

// Deep, so that the stack of the caller has no words of it.
[[gnu::noinline]] void run_for(int seconds, uint64_t seed) {
  World world;
  reprise::WaitGroup all;
  for (int i = 0; i < kGoroutines; ++i) {
    all.add(1);
    reprise::go([&world, all, seed, i]() mutable {
      work(world, seed * 100 + static_cast<uint64_t>(i));
      all.done();
    });
  }
  reprise::sleep_for(std::chrono::seconds(seconds));
  world.over = true;
  all.wait();
}

long number_of(int argc, char** argv, const char* name, long otherwise) {
  for (int i = 1; i + 1 < argc; ++i) {
    if (std::strcmp(argv[i], name) == 0) return std::strtol(argv[i + 1], nullptr, 10);
  }
  return otherwise;
}

}  // namespace

int app(int argc, char** argv) {
  reprise::rt::gc_poison_for_test(true);
  const auto seed = static_cast<uint64_t>(number_of(argc, argv, "--seed", 1));
  run_for(static_cast<int>(number_of(argc, argv, "--seconds", 3)), seed);
  reprise::gc::collect();
  reprise::gc::collect();
  const uint64_t live = reprise::rt::mheap_.heap_live.load();
  std::printf("trees %llu, nodes checked %llu, cycles %u, finalized %llu of %llu, live at the end %llu KiB, wrong %llu\n",
              static_cast<unsigned long long>(trees_made), static_cast<unsigned long long>(nodes_checked),
              reprise::gc::cycles(), static_cast<unsigned long long>(finalized), static_cast<unsigned long long>(finalizers),
              static_cast<unsigned long long>(live >> 10), static_cast<unsigned long long>(wrong));
  // What is left may be kept by words on stacks that are used again: a few trees, not all.
  return wrong == 0 && nodes_checked > 0 && reprise::gc::cycles() > 2 && live < (16 << 20) ? 0 : 1;
}
REPRISE_MAIN(app)
