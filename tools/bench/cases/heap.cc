// Allocation. malloc_* and binary_trees use gc::make, the collected heap, as Go's new does; unique_ptr_* do the same
// work with std::make_unique, which is what C++ programs use otherwise: beside Go's new all the same.
#include <reprise/gc.h>
#include <reprise/go.h>
#include <reprise/mem.h>
#include <reprise/sync.h>

#include <atomic>
#include <memory>

#include "tools/bench/cases/case.h"

struct BenchSmall {
  reprise::gc::Ptr<BenchSmall> next;
  uint64_t value = 0;
};
REPRISE_GC_FIELDS(BenchSmall, next)

struct BenchTree {
  reprise::gc::Ptr<BenchTree> left, right;
};
REPRISE_GC_FIELDS(BenchTree, left, right)

struct BenchBlock {
  reprise::gc::Ptr<BenchBlock> left, right;
  uint64_t payload[6] = {};
};
REPRISE_GC_FIELDS(BenchBlock, left, right)

namespace reprise::bench {

namespace {

struct OwnedSmall {
  std::unique_ptr<OwnedSmall> next;
  uint64_t value = 0;
};
struct OwnedTree {
  std::unique_ptr<OwnedTree> left, right;
};

// What is stored here lives until the next one is, as where a program keeps it.
gc::Ptr<BenchSmall> kept_small;
gc::Ptr<uint64_t> kept_large;
std::unique_ptr<OwnedSmall> kept_owned_small;
std::unique_ptr<uint64_t[]> kept_owned_large;

constexpr uint64_t kLargeWords = 1024;  // 8 KiB
constexpr int kDepth = 16;
constexpr uint64_t kNodes = (uint64_t{2} << kDepth) - 1;

gc::Ptr<BenchTree> grow(int depth) {
  auto tree = gc::make<BenchTree>();
  if (depth > 0) {
    tree->left = grow(depth - 1);
    tree->right = grow(depth - 1);
  }
  return tree;
}
std::unique_ptr<OwnedTree> grow_owned(int depth) {
  auto tree = std::make_unique<OwnedTree>();
  if (depth > 0) {
    tree->left = grow_owned(depth - 1);
    tree->right = grow_owned(depth - 1);
  }
  return tree;
}

template <class P>
uint64_t count(const P& tree) {
  return tree == nullptr ? 0 : 1 + count(tree->left) + count(tree->right);
}

// Objects that die when the next one is made.
template <class P, class Make>
void make_small(Run& run, P& kept, Make make) {
  uint64_t sum = 0;
  run.start();
  for (uint64_t i = 0; i < run.ops; ++i) {
    kept = make();
    keep(kept);
    kept->value = i;
    sum += kept->value;
  }
  run.stop();
  run.check(sum == run.ops * (run.ops - 1) / 2, "malloc_small: sum");
}

template <class P, class Make>
void make_large(Run& run, P& kept, Make make) {
  uint64_t sum = 0;
  run.start();
  for (uint64_t i = 0; i < run.ops; ++i) {
    kept = make();
    keep(kept);
    sum += kept[i % kLargeWords];
    kept[i % kLargeWords] = i;
  }
  run.stop();
  run.check(sum == 0, "malloc_large: new objects are zero");
}

// One tree stays; others of 2^17 nodes come and go. A node is one operation.
template <class Grow>
void grow_trees(Run& run, Grow grow_one) {
  const uint64_t trees = run.ops / kNodes + 1;
  const auto stays = grow_one(kDepth);
  uint64_t nodes = 0;
  run.start();
  for (uint64_t i = 0; i < trees; ++i) nodes += count(grow_one(kDepth));
  run.stop();
  run.did(trees * kNodes);
  run.check(nodes == trees * kNodes && count(stays) == kNodes, "binary_trees: nodes");
}

gc::Ptr<BenchBlock> grow_blocks(int depth) {
  auto block = gc::make<BenchBlock>();
  if (depth > 0) {
    block->left = grow_blocks(depth - 1);
    block->right = grow_blocks(depth - 1);
  }
  return block;
}

// Allocates until told to stop, as a server that goes on while a cycle marks.
class Churn {
 public:
  Churn() {
    done_.add(1);
    go([this] {
      while (!stop_.load(std::memory_order_relaxed)) kept_small = gc::make<BenchSmall>();
      done_.done();
    });
  }
  ~Churn() {
    stop_.store(true, std::memory_order_relaxed);
    done_.wait();
  }

 private:
  std::atomic<bool> stop_{false};
  WaitGroup done_;
};

gc::Ptr<BenchBlock> kept_blocks;

}  // namespace

// Not a time of work: the 99.9th percentile of the collector's stops while `arg` levels of 64-byte blocks live (24: a gigabyte) and
// a goroutine allocates. An operation is a cycle.
void gc_pause(Run& run) {
  if (kept_blocks == nullptr) kept_blocks = grow_blocks(static_cast<int>(run.arg) - 1);
  const MemStats before = mem_stats();
  {
    const Churn churn;
    for (uint64_t i = 0; i < run.ops; ++i) gc::collect();
  }
  MemStats stats = mem_stats();
  for (size_t i = 0; i < stats.pauses.size(); ++i) stats.pauses[i] -= before.pauses[i];
  stats.pause_count -= before.pause_count;
  run.check(stats.pause_count >= 2 * run.ops, "gc_pause: two stops a cycle");
  run.check(count(kept_blocks) == (uint64_t{1} << run.arg) - 1, "gc_pause: blocks");
  run.measured(static_cast<double>(stats.pause_percentile_ns(0.999)));
}

void malloc_small(Run& run) {
  make_small(run, kept_small, [] { return gc::make<BenchSmall>(); });
}
void malloc_large(Run& run) {
  make_large(run, kept_large, [] { return gc::make_array<uint64_t>(kLargeWords); });
}
void binary_trees(Run& run) { grow_trees(run, grow); }

void unique_small(Run& run) {
  make_small(run, kept_owned_small, [] { return std::make_unique<OwnedSmall>(); });
}
void unique_large(Run& run) {
  make_large(run, kept_owned_large, [] { return std::make_unique<uint64_t[]>(kLargeWords); });
}
void unique_trees(Run& run) { grow_trees(run, grow_owned); }

}  // namespace reprise::bench
