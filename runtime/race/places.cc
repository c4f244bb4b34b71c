// The tree of places, found by hash of (caller's place, pc). A frame remembers its own place once it was asked
// for, so that accesses of one call cost one look-up each.
#include "runtime/race/places.h"

#include <algorithm>

#include "runtime/race/memory.h"
#include "runtime/seam/names.h"

namespace reprise::race {

constinit RecentPlace recent_places[kRecentPlaces];

namespace {

struct Node {
  uint64_t pc;
  uint32_t caller;
  uint32_t next;  // with the same hash
};

constexpr uint32_t kMaxNodes = 1u << 24;
constexpr uint64_t kBuckets = 1u << 20;

Node* nodes = nullptr;
uint32_t* buckets = nullptr;
uint32_t next_node = 1;

uint32_t intern(uint32_t caller, uint64_t pc) {
  uint32_t& bucket = buckets[seam::mix(pc + 0x9e3779b97f4a7c15 * caller) % kBuckets];
  for (uint32_t at = bucket; at != 0; at = nodes[at].next) {
    if (nodes[at].pc == pc && nodes[at].caller == caller) return at;
  }
  if (next_node == kMaxNodes) return 0;
  nodes[next_node] = {pc, caller, bucket};
  return bucket = next_node++;
}

}  // namespace

void places_init() {
  nodes = reserve_array<Node>(kMaxNodes);
  buckets = reserve_array<uint32_t>(kBuckets);
}

uint32_t look_up_place(Task* task, const void* pc) {
  const uint32_t depth = std::min(task->depth, kMaxFrames);
  uint32_t known = depth;
  while (known != 0 && task->frames[known - 1].place == 0) --known;
  uint32_t caller = known != 0 ? task->frames[known - 1].place : 0;
  for (; known < depth; ++known) {
    caller = task->frames[known].place = intern(caller, task->frames[known].pc);
  }
  const auto at = reinterpret_cast<uint64_t>(pc);
  const uint32_t place = intern(caller, at);
  recent_places[(at ^ at >> 7 ^ caller * 37) % kRecentPlaces] = {at, caller, place};
  return place;
}

size_t stack_of(uint32_t place, std::span<uint64_t> pcs) {
  size_t count = 0;
  for (; place != 0 && count < pcs.size(); place = nodes[place].caller) pcs[count++] = nodes[place].pc;
  return count;
}

}  // namespace reprise::race
