// Specials: made, found, due. The head of the header has the rules.
//
// Invariants, under the lock: a special in a span's list is in `all` at its index and its object was alive at the end of the
// last sweep of the span; a due finalizer is queued, in no span's list, and keeps its object alive until it runs. A cell's object is null, or has a special that holds a reference to the cell.
//
// A weak pointer that is read while its span waits for the sweep, and whose object is not marked, is as good as cleared.
#include "runtime/gc/mfinal.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "runtime/gc/gc.h"
#include "runtime/mem/heap_profile.h"
#include "runtime/mem/mheap.h"
#include "runtime/sched/fibers.h"
#include "runtime/sched/proc.h"

namespace reprise::rt {

enum class SpecialKind : uint8_t { weak, finalizer, queued, profile };

struct Special {
  Special* next = nullptr;     // at the span, by address; or free, or queued
  uintptr_t object = 0;        // as it was given: inside the object
  uint64_t sequence = 0;
  size_t index = 0;            // in `all`
  SpecialKind kind = SpecialKind::weak;
  Finalizer finalizer;
  WeakCell* cell = nullptr;
  HeapBucket* bucket = nullptr;  // of a profile's sample
};

namespace {

constexpr size_t kBlockSpecials = 256;
constexpr size_t kMaxBlocks = 1 << 18;
using Block = Special* [kBlockSpecials];

constinit Lock lock{LockRank::gc_specials};
// What follows: lock.
Block** blocks = nullptr;
std::atomic<size_t> block_count{0};  // written under the lock
size_t all_count = 0;                // of `all`, holes included
Special* holes = nullptr;            // free specials, each with an index of `all` of its own, which is null there
WeakCell* free_cells = nullptr;
Special* queue = nullptr;            // due finalizers
uint64_t last_sequence = 0;
std::atomic<uint64_t> finalizers_ran{0};
std::atomic<bool> runner{false};     // a goroutine runs finalizers
uint64_t runners = 0;                // named so far
constexpr seam::ObjectId kRunner{0x6763'6669'6e61'6c73, 0};

class Guard {
 public:
  Guard() { lock.lock(); }
  ~Guard() { lock.unlock(); }
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;
};

Special*& at_index(size_t index) { return (*blocks[index / kBlockSpecials])[index % kBlockSpecials]; }

void add_block() {
  if (blocks == nullptr) blocks = static_cast<Block**>(persistentalloc(kMaxBlocks * sizeof(Block*), 64));
  const size_t count = block_count.load(std::memory_order_relaxed);
  if (count == kMaxBlocks) throw_("gc: too many finalizers and weak pointers");
  blocks[count] = static_cast<Block*>(persistentalloc(sizeof(Block), 64));
  block_count.store(count + 1, std::memory_order_release);
}

Special* new_special() {
  Special* special = holes;
  if (special != nullptr) {
    holes = special->next;
    const size_t index = special->index;
    *special = {};
    special->index = index;
  } else {
    if (all_count == block_count.load(std::memory_order_relaxed) * kBlockSpecials) add_block();
    special = new (persistentalloc(sizeof(Special), 16)) Special;
    special->index = all_count++;
  }
  at_index(special->index) = special;
  special->sequence = ++last_sequence;
  return special;
}

void free_special(Special* special) {
  at_index(special->index) = nullptr;
  special->next = holes;
  holes = special;
}

MSpan* span_of_object(void* object) {
  const auto address = reinterpret_cast<uintptr_t>(object);
  MSpan* const s = span_of(address);
  if (s == nullptr || address >= s->limit) return nullptr;
  // Bits that are being turned by a sweeper say nothing; the caller's object is alive.
  if (s->sweepgen.load(std::memory_order_acquire) != mheap_.sweepgen.load(std::memory_order_relaxed)) return s;
  return s->isAllocated(s->objIndex(address)) ? s : nullptr;
}

// The place of a special in a span's list, ordered by address and kind.
Special** find(MSpan* s, uintptr_t object, SpecialKind kind) {
  Special** link = &s->specials;
  while (*link != nullptr && ((*link)->object < object || ((*link)->object == object && (*link)->kind < kind))) {
    link = &(*link)->next;
  }
  return link;
}

bool is(const Special* special, uintptr_t object, SpecialKind kind) {
  return special != nullptr && special->object == object && special->kind == kind;
}

// Relaxed: the lock orders, but for specials_before_sweep's look at the head of a list.
void point(Special** link, Special* to) { std::atomic_ref(*link).store(to, std::memory_order_relaxed); }

Special* insert(Special** link, uintptr_t object, SpecialKind kind) {
  Special* const special = new_special();
  special->object = object;
  special->kind = kind;
  special->next = *link;
  point(link, special);
  return special;
}

void release_locked(WeakCell* cell) {
  if (cell->references.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  cell->next = free_cells;
  free_cells = cell;
}

// What a new finalizer's object points to must be marked in the cycle under way, as specials_scan does for older ones.
void scan_now(void* object) {
  GcP* const gcp = gc_p();
  if (gc_barrier_on.load(std::memory_order_relaxed) != 0 && gcp != nullptr) {
    gc_scan_inside(reinterpret_cast<uintptr_t>(object), &gcp->work);
  }
}

void drop(const Finalizer& finalizer) {
  if (finalizer.drop != nullptr) finalizer.drop(finalizer.closure);
}

Special* take_queue() {
  const Guard guard;
  return std::exchange(queue, nullptr);
}

void run_one(Special* special) {
  const Finalizer finalizer = special->finalizer;
  void* const object = reinterpret_cast<void*>(special->object);  // alive from here on because it is on this stack
  // Which the cycle under way may have scanned already, while it has not come to the queue: this takes the last path away.
  gc_barrier(object, nullptr);
  {
    const Guard guard;
    free_special(special);
  }
  fiber_takes_memory();
  finalizer.run(finalizer.closure, object);
  drop(finalizer);
  finalizers_ran.fetch_add(1, std::memory_order_relaxed);
}

void run_queue(void*) {
  std::vector<Special*> due;
  for (;;) {
    due.clear();
    for (Special* special = take_queue(); special != nullptr; special = special->next) due.push_back(special);
    if (due.empty()) break;
    std::sort(due.begin(), due.end(), [](const Special* a, const Special* b) { return a->sequence < b->sequence; });
    for (Special* special : due) run_one(special);
  }
  runner.store(false, std::memory_order_release);
  finalizers_start();  // what was queued after the look
}

bool any_queued() {
  const Guard guard;
  return queue != nullptr;
}

}  // namespace

void gc_set_finalizer(void* object, Finalizer finalizer) {
  Finalizer before;
  {
    const Guard guard;
    MSpan* const s = span_of_object(object);
    if (s == nullptr) throw_("runtime.SetFinalizer: pointer not at an object of the collected heap");
    const auto address = reinterpret_cast<uintptr_t>(object);
    Special** const link = find(s, address, SpecialKind::finalizer);
    const bool there = is(*link, address, SpecialKind::finalizer);
    if (there) before = (*link)->finalizer;
    if (finalizer.run == nullptr && there) {
      Special* const special = *link;
      point(link, special->next);
      free_special(special);
    } else if (finalizer.run != nullptr) {
      (there ? *link : insert(link, address, SpecialKind::finalizer))->finalizer = finalizer;
      scan_now(object);
    }
  }
  drop(before);
}

WeakCell* gc_weak_cell(void* object) {
  const Guard guard;
  MSpan* const s = span_of_object(object);
  if (s == nullptr) throw_("gc::Weak: pointer not at an object of the collected heap");
  const auto address = reinterpret_cast<uintptr_t>(object);
  Special** const link = find(s, address, SpecialKind::weak);
  if (!is(*link, address, SpecialKind::weak)) {
    WeakCell* cell = free_cells;
    if (cell != nullptr) free_cells = cell->next;
    else cell = new (persistentalloc(sizeof(WeakCell), 16)) WeakCell;
    cell->object = object;
    cell->references.store(1, std::memory_order_relaxed);  // the special's
    insert(link, address, SpecialKind::weak)->cell = cell;
  }
  WeakCell* const cell = (*link)->cell;
  cell->references.fetch_add(1, std::memory_order_relaxed);
  return cell;
}

void gc_weak_acquire(WeakCell* cell) { cell->references.fetch_add(1, std::memory_order_relaxed); }

void gc_weak_release(WeakCell* cell) {
  // Not the last one, in most cases: the special has one.
  uint32_t count = cell->references.load(std::memory_order_relaxed);
  while (count > 1) {
    if (cell->references.compare_exchange_weak(count, count - 1, std::memory_order_release)) return;
  }
  const Guard guard;
  release_locked(cell);
}

// While a cycle marks, what is handed out may have been reachable in no other way: it is shaded, as a value that is inserted.
// The bits of a span that somebody sweeps may be half turned; if it still waits for its sweep they stand, since its sweeper needs
// the lock first.
void* gc_weak_get(WeakCell* cell) {
  void* object = nullptr;
  for (bool known = false; !known;) {
    const Guard guard;
    object = cell->object;
    if (object == nullptr) return nullptr;
    const auto address = reinterpret_cast<uintptr_t>(object);
    const MSpan* const s = span_of(address);
    const uint32_t behind = mheap_.sweepgen.load(std::memory_order_relaxed) - s->sweepgen.load(std::memory_order_acquire);
    const bool marking = gc_barrier_on.load(std::memory_order_relaxed) != 0;
    if (!marking && behind == 2 && !s->isMarked(s->objIndex(address))) return nullptr;
    known = marking || behind != 1;
  }
  gc_barrier(nullptr, object);
  return object;
}

void gc_profile_object(void* object, HeapBucket* bucket) {
  const Guard guard;
  MSpan* const s = span_of_object(object);
  if (s == nullptr) throw_("heap profile: a sampled object is none of the collected heap's");
  const auto address = reinterpret_cast<uintptr_t>(object);
  insert(find(s, address, SpecialKind::profile), address, SpecialKind::profile)->bucket = bucket;
}

size_t specials_blocks() { return block_count.load(std::memory_order_acquire); }

void specials_scan(size_t block, GcWork* work) {
  const Guard guard;
  for (const Special* special : *blocks[block]) {
    if (special == nullptr) continue;
    if (special->kind == SpecialKind::finalizer) gc_scan_inside(special->object, work);
    if (special->kind == SpecialKind::queued) gc_shade(special->object, work);
  }
}

void specials_before_sweep(MSpan* s) {
  // Relaxed: one that is added now is of an object that is alive.
  if (std::atomic_ref(s->specials).load(std::memory_order_relaxed) == nullptr) return;
  const Guard guard;
  // In rounds: all of an object's weak pointers are cleared before a finalizer marks it, and only then it is known who dies.
  for (const SpecialKind kind : {SpecialKind::weak, SpecialKind::finalizer, SpecialKind::profile}) {
    Special** link = &s->specials;
    while (Special* const special = *link) {
      const uint32_t index = s->objIndex(special->object);
      if (special->kind != kind || s->isMarked(index)) {
        link = &special->next;
        continue;
      }
      point(link, special->next);
      if (kind == SpecialKind::weak) {
        special->cell->object = nullptr;
        release_locked(special->cell);
        free_special(special);
      } else if (kind == SpecialKind::profile) {
        heap_profile_freed(special->bucket, s->elemsize);
        free_special(special);
      } else {
        s->setMarked(index);
        special->kind = SpecialKind::queued;
        special->next = queue;
        queue = special;
      }
    }
  }
}

void finalizers_start() {
  if (!any_queued() || runner.exchange(true, std::memory_order_acq_rel)) return;
  newproc(run_queue, nullptr, nullptr, {.system = true, .maker = &kRunner, .maker_index = runners++});
}

void finalizers_discard() {
  Special* list = take_queue();
  while (list != nullptr) {
    Special* const special = list;
    list = list->next;
    drop(special->finalizer);
    const Guard guard;
    free_special(special);
  }
  runners = 0;
}

void specials_before_fork() { lock.lock(); }
void specials_after_fork() { lock.unlock(); }

void finalizers_each_closure(void (*visit)(uintptr_t closure, void* arg), void* arg) {
  const Guard guard;
  for (size_t i = 0; i < all_count; ++i) {
    const Special* const special = at_index(i);
    if (special != nullptr && special->finalizer.run != nullptr) visit(reinterpret_cast<uintptr_t>(special->finalizer.closure), arg);
  }
}

uint64_t finalizers_run_for_test() { return finalizers_ran.load(std::memory_order_relaxed); }

}  // namespace reprise::rt
