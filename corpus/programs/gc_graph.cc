// Graphs that are built, shared and dropped by four goroutines while cycles of the collector pass: prints addresses, so that a
// replay shows whether it has the same heap.
#include <reprise/reprise.h>

#include <reprise/gc.h>

#include <chrono>
#include <cstdint>
#include <cstdio>

#include "corpus/programs/gc_tree.h"

namespace {

using reprise::gc::Weak;

// Nodes that are not what they were made as, of a tree whose root should be at `place`.
uint64_t broken(const GcTree& node, uint64_t place) {
  if (!node) return 0;
  const bool whole = gc_tree_intact(*node) && node->place == place;
  return (whole ? 0 : 1) + broken(node->left, 2 * place) + broken(node->right, 2 * place + 1);
}

struct Shared {
  reprise::Mutex mutex;
  GcTree kept;
  uint64_t finalized = 0;
  uint64_t wrong = 0;
};

void work(Shared& shared, int which) {
  for (int round = 0; round < 12; ++round) {
    GcTree mine = gc_tree_build(static_cast<uint64_t>(which), 1, 9);
    reprise::gc::set_finalizer(mine, [&shared](const GcTree& dead) {
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

[[gnu::noinline]] Weak<GcTreeNode> forgotten() { return Weak<GcTreeNode>(gc_tree_build(0, 1, 3)); }

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
  const Weak<GcTreeNode> weak = forgotten();
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
