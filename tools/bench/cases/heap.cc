// Allocation. malloc_* and binary_trees use gc::make, the collected heap, as Go's new does; unique_ptr_* do the same
// work with std::make_unique, which is what C++ programs use otherwise: beside Go's new all the same.
#include <reprise/gc.h>

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

}  // namespace

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
