// Goroutines that allocate while the heap profile samples them, for record and replay: which objects are sampled is in the
// profile, which is printed without the map of the process.
#include <reprise/gc.h>
#include <reprise/go.h>
#include <reprise/heap_profile.h>
#include <reprise/main.h>
#include <reprise/sync.h>

#include <cstdio>
#include <string>

struct SampledNode {
  reprise::gc::Ptr<SampledNode> next;
  uint64_t payload[3] = {};
};
REPRISE_GC_FIELDS(SampledNode, next)

namespace {

using namespace reprise;

[[gnu::noinline]] gc::Ptr<SampledNode> chain(int n) {
  gc::Ptr<SampledNode> head;
  for (int i = 0; i < n; ++i) {
    gc::Ptr<SampledNode> node = gc::make<SampledNode>();
    node->next = head;
    head = node;
  }
  return head;
}

int profiled(int, char**) {
  set_heap_profile_rate(700);
  WaitGroup group;
  group.add(4);
  for (int i = 0; i < 4; ++i) {
    go([group, i]() mutable {
      for (int k = 0; k < 20; ++k) {
        const gc::Ptr<SampledNode> nodes = chain(20 + 30 * i);
        const gc::Ptr<char> text = gc::make_array<char>(static_cast<size_t>(100 * (k + 1)));
        yield();
      }
      group.done();
    });
  }
  group.wait();
  const std::string text = heap_profile();
  std::printf("%s", text.substr(0, text.find("\nMAPPED_LIBRARIES")).c_str());
  return 0;
}

}  // namespace

REPRISE_MAIN(profiled)
