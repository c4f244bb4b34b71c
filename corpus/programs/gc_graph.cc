// Graphs that are built, shared and dropped by four goroutines while cycles of the collector pass: prints addresses, so that a
// replay shows whether it has the same heap.
#include <reprise/reprise.h>

#include <reprise/gc.h>

#include <chrono>
#include <cstdint>
#include <cstdio>

struct GraphNode {
  reprise::gc::Ptr<GraphNode> left, right;
  uint64_t value = 0;
};
REPRISE_GC_FIELDS(GraphNode, left, right)

namespace {

using reprise::gc::make;
using reprise::gc::Ptr;
using reprise::gc::Weak;

Ptr<GraphNode> tree(int depth, uint64_t value) {
  Ptr<GraphNode> node = make<GraphNode>();
  node->value = value;
  if (depth > 0) {
    node->left = tree(depth - 1, 2 * value);
    node->right = tree(depth - 1, 2 * value + 1);
  }
  return node;
}

// Of a tree that tree() made, whoever owns it by now.
uint64_t broken(const Ptr<GraphNode>& node, uint64_t value) {
  if (!node) return 0;
  return (node->value == value ? 0 : 1) + broken(node->left, 2 * value) + broken(node->right, 2 * value + 1);
}

struct Shared {
  reprise::Mutex mutex;
  Ptr<GraphNode> kept;
  uint64_t finalized = 0;
  uint64_t wrong = 0;
};

void work(Shared& shared, int which) {
  for (int round = 0; round < 12; ++round) {
    Ptr<GraphNode> mine = tree(9, 1);
    reprise::gc::set_finalizer(mine, [&shared](const Ptr<GraphNode>& dead) {
      shared.mutex.lock();
      shared.finalized += 1;
      shared.wrong += broken(dead, 1);
      shared.mutex.unlock();
    });
    shared.mutex.lock();
    if (round % 3 == which % 3) shared.kept = mine->left;
    shared.wrong += broken(shared.kept, 2);
    std::printf("%d.%d %p %p\n", which, round, static_cast<void*>(mine.get()), static_cast<void*>(shared.kept.get()));
    shared.mutex.unlock();
    reprise::yield();
    if (broken(mine, 1) != 0) std::printf("broken tree\n");
  }
}

uint64_t finalized(Shared& shared) {
  shared.mutex.lock();
  const uint64_t count = shared.finalized;
  shared.mutex.unlock();
  return count;
}

[[gnu::noinline]] Weak<GraphNode> forgotten() { return Weak<GraphNode>(tree(3, 1)); }

}  // namespace

int app(int, char**) {
  reprise::gc::set_percent(10);
  Shared shared;
  reprise::WaitGroup all;
  for (int which = 0; which < 4; ++which) {
    all.add(1);
    reprise::go([&shared, all, which]() mutable {
      work(shared, which);
      all.done();
    });
  }
  all.wait();
  const Weak<GraphNode> weak = forgotten();
  reprise::gc::collect();
  reprise::gc::collect();
  // A word on a stack may keep one or the other.
  for (int i = 0; i < 1000 && finalized(shared) < 40; ++i) reprise::sleep_for(std::chrono::milliseconds(1));
  shared.mutex.lock();
  std::printf("finalized %d wrong %d cycles %d weak %d\n", static_cast<int>(shared.finalized), static_cast<int>(shared.wrong),
              static_cast<int>(reprise::gc::cycles()), weak.get() ? 1 : 0);
  const bool good = shared.wrong == 0 && shared.finalized >= 40 && reprise::gc::cycles() >= 2;
  shared.mutex.unlock();
  return good ? 0 : 1;
}
REPRISE_MAIN(app)
