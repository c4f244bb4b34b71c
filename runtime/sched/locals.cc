// Tables of goroutine-local values. G::locals is null or a Locals; it belongs to its goroutine alone, so
// nothing here is shared but the counter of keys. Entries are found by key; `order` says which is older.
#include "runtime/sched/locals.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <vector>

#include "runtime/sched/sched.h"

namespace reprise::rt {

namespace {

struct Entry {
  void* value = nullptr;
  void (*destroy)(void*) = nullptr;
  uint64_t order = 0;
};

struct Locals {
  std::vector<Entry> by_key;
  uint64_t made = 0;
};

// Relaxed: only distinct values are needed.
constinit std::atomic<uint32_t> next_key{0};

Locals* locals_of(G* gp) { return static_cast<Locals*>(gp->locals); }

// The latest made; null if none is left.
Entry* latest(Locals& locals) {
  Entry* found = nullptr;
  for (Entry& entry : locals.by_key) {
    if (entry.value != nullptr && (found == nullptr || entry.order > found->order)) found = &entry;
  }
  return found;
}

}  // namespace

uint32_t new_local_key() { return next_key.fetch_add(1, std::memory_order_relaxed); }

void* local_find(uint32_t key) {
  const Locals* locals = locals_of(require_goroutine("GoLocal"));
  return locals != nullptr && key < locals->by_key.size() ? locals->by_key[key].value : nullptr;
}

void local_set(uint32_t key, void* value, void (*destroy)(void*)) {
  G* gp = require_goroutine("GoLocal");
  if (gp->locals == nullptr) gp->locals = new Locals;
  Locals& locals = *locals_of(gp);
  if (key >= locals.by_key.size()) locals.by_key.resize(std::max<size_t>(key + 1, 8));
  locals.by_key[key] = {value, destroy, ++locals.made};
}

void locals_destroy(G* gp) {
  Locals* locals = locals_of(gp);
  if (locals == nullptr) return;
  while (Entry* entry = latest(*locals)) {
    const Entry gone = *entry;
    *entry = {};
    gone.destroy(gone.value);
  }
  gp->locals = nullptr;
  delete locals;
}

}  // namespace reprise::rt
