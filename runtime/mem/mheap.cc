// The collected heap's pages and spans: reservation, descriptors, their bits, the table from pages to spans.
//
// Invariants (under mheap_.lock): a page is in use in the page allocator exactly if it is in a span, or in the hands of
// the scavenger; the table names the span at each of a span's pages and nothing elsewhere; a descriptor is on the free list
// or its span is in use. A span's state is `in_use` from after the table is written until before it is cleared.
//
// Metadata is an eighth of the arena, reserved with it: the table, the page allocator's bits and tree, descriptors, and
// the rest for persistentalloc. The worst case, spans of one page with 1,024 objects each, needs a tenth. Nothing of it is
// touched before it is needed.
//
// Reservations are writable and not accounted for (MAP_NORESERVE). Where address space is limited (RLIMIT_AS) or
// overcommitting is forbidden a smaller arena is taken; under a limit a quarter of it, since there is more to reserve than
// the heap.
#include "runtime/mem/mheap.h"

#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>

#include "runtime/mem/mcentral.h"
#include "runtime/mem/scavenge.h"
#include "runtime/sched/fibers.h"
#include "runtime/sched/proc.h"
#include "runtime/stage/abi.h"
#include "runtime/sys/syscall.h"
#include "runtime/type/type.h"

namespace reprise::rt {

constinit MHeap mheap_;

namespace {

constexpr size_t kMinArenaBytes = size_t{64} << 20;
constexpr size_t kMetadataShare = 8;
// The memory hash of a controlled run looks at all that is reserved.
constexpr size_t kControlledArenaBytes = size_t{32} << 30;
constexpr size_t kWordsAtOnce = 512;

size_t page_of(uintptr_t address) { return (address - kHeapArena) >> kHeapPageShift; }
uintptr_t address_of(size_t page) { return kHeapArena + (page << kHeapPageShift); }
size_t round_up(size_t value, size_t to) { return (value + to - 1) / to * to; }

MSpan* descriptors() {
  return reinterpret_cast<MSpan*>(kHeapMetadata + mheap_.arena_bytes.load(std::memory_order_relaxed) / 32);
}

// LeakSanitizer finds there what only objects, or the collector's own records, point to: told of in pieces, as it grows.
struct Told {
  uintptr_t end;

  void up_to(uintptr_t used) {
    constexpr uintptr_t kPieceBytes = 1 << 20;
    for (; end < used; end += kPieceBytes) stack_holds_pointers(end, end + kPieceBytes);
  }
};
Told told_objects{kHeapArena};  // the lock, like the next
Told told_metadata{0};

bool reserve(uintptr_t at, size_t bytes) {
  constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
  const long got = sys::call_kernel(SYS_mmap, at, bytes, PROT_READ | PROT_WRITE, kFlags, -1, 0);
  return static_cast<uintptr_t>(got) == at;
}

size_t wanted_arena() {
  size_t bytes = getauxval(stage::kAuxTable) != 0 ? kControlledArenaBytes : kHeapArenaMaxBytes;
  rlimit limit{};
  if (sys::call_kernel(SYS_prlimit64, 0, RLIMIT_AS, nullptr, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
    bytes = std::min(bytes, std::bit_floor(size_t{limit.rlim_cur} / 4));
  }
  return std::min(bytes, kHeapArenaMaxBytes);
}

// REQUIRES: the lock. The table and the descriptors take a thirty-second each, the rest is for persistentalloc.
void mheapinit() {
  if (mheap_.arena_bytes.load(std::memory_order_relaxed) != 0) [[likely]] return;
  size_t bytes = wanted_arena();
  for (;; bytes /= 2) {
    if (bytes < kMinArenaBytes) throw_("cannot reserve address space for the collected heap");
    if (!reserve(kHeapArena, bytes)) continue;
    if (reserve(kHeapMetadata, bytes / kMetadataShare)) break;
    sys::call_kernel(SYS_munmap, kHeapArena, bytes);
  }
  const size_t pages = bytes / kHeapPageBytes;
  const uintptr_t bits = kHeapMetadata + pages * sizeof(MSpan*);
  static_assert(sizeof(MSpan) <= kHeapPageBytes / 32);
  if (bits + PageAlloc::metadata_bytes(pages) > kHeapMetadata + bytes / 32) throw_("mheapinit: metadata overlaps");
  mheap_.pages.init(reinterpret_cast<void*>(bits), pages);
  mheap_.metadata_next = kHeapMetadata + bytes / 16;
  mheap_.metadata_end = kHeapMetadata + bytes / kMetadataShare;
  told_metadata.end = mheap_.metadata_next;
  mheap_.arena_bytes.store(bytes, std::memory_order_release);
}

// REQUIRES: the lock.
void* persistent_locked(size_t bytes, size_t alignment) {
  mheapinit();
  const uintptr_t at = round_up(mheap_.metadata_next, alignment);
  if (bytes > mheap_.metadata_end - at) throw_("out of memory (heap metadata)");
  mheap_.metadata_next = at + bytes;
  told_metadata.up_to(at + bytes);
  return reinterpret_cast<void*>(at);
}

// A run of words, zeroed. Free ones are linked through their first word. REQUIRES: the lock.
BitWord* alloc_words(size_t count) {
  if (count > kMaxWordRun) throw_("mheap: a span has too many objects");
  BitWord*& list = mheap_.free_words[count];
  if (list == nullptr) {
    auto* const block = static_cast<BitWord*>(persistent_locked(kWordsAtOnce * sizeof(BitWord), 64));
    for (size_t i = kWordsAtOnce / count; i-- > 0;) {
      block[i * count].store(reinterpret_cast<uintptr_t>(list), std::memory_order_relaxed);
      list = &block[i * count];
    }
  }
  BitWord* const words = list;
  list = reinterpret_cast<BitWord*>(words[0].load(std::memory_order_relaxed));
  for (size_t i = 0; i < count; ++i) words[i].store(0, std::memory_order_relaxed);
  return words;
}

void free_words(BitWord* words, size_t count) {
  words[0].store(reinterpret_cast<uintptr_t>(mheap_.free_words[count]), std::memory_order_relaxed);
  mheap_.free_words[count] = words;
}

MSpan* alloc_descriptor() {
  MSpan* s = mheap_.free_spans;
  if (s != nullptr) {
    mheap_.free_spans = s->next;
    return s;
  }
  s = new (&descriptors()[mheap_.spans_made++]) MSpan;
  s->number = mheap_.spans_made;
  return s;
}

// Small objects that are scanned have the table of their types at the end of the span, so that it costs what a header before
// each would and keeps them aligned.
constexpr size_t kMaxTypesInside = 512;

bool types_inside(const MSpan* s) {
  return !s->spanclass.noscan() && s->spanclass.sizeclass() != 0 && s->elemsize <= kMaxTypesInside;
}

size_t types_words(const MSpan* s) {
  return s->spanclass.noscan() || s->spanclass.sizeclass() == 0 || types_inside(s) ? 0 : s->nelems;
}

void lay_out(MSpan* s) {
  const uint8_t size_class = s->spanclass.sizeclass();
  if (size_class == 0) {
    s->elemsize = s->bytes();
    s->nelems = 1;
    s->divMul = 0;
    s->types = nullptr;
  } else {
    s->elemsize = kHeapClasses[size_class].bytes;
    s->divMul = kHeapClasses[size_class].divMul;
    s->nelems = static_cast<uint32_t>(s->bytes() / (s->elemsize + (types_inside(s) ? sizeof(Type*) : 0)));
    s->types = nullptr;
  }
  s->limit = s->startAddr + s->nelems * s->elemsize;
}

// REQUIRES: the lock.
void alloc_bits(MSpan* s) {
  s->allocBits = alloc_words(s->mark_words());
  s->gcmarkBits = alloc_words(s->mark_words());
  if (types_inside(s)) {
    s->types = reinterpret_cast<const Type**>(s->startAddr + s->bytes()) - s->nelems;
  } else if (types_words(s) != 0) {
    s->types = reinterpret_cast<const Type**>(alloc_words(types_words(s)));
  }
}

void publish(MSpan* s) {
  const size_t first = page_of(s->startAddr);
  for (size_t i = 0; i < s->npages; ++i) span_table(first + i).store(s, std::memory_order_release);
  s->state.store(SpanState::in_use, std::memory_order_release);
}

// REQUIRES: the lock. Null: no room.
MSpan* alloc_locked(size_t npages, SpanClass spanclass) {
  mheapinit();
  const PageAlloc::Run run = mheap_.pages.alloc(npages);
  if (run.page == PageAlloc::kNone) return nullptr;
  MSpan* const s = alloc_descriptor();
  s->startAddr = address_of(run.page);
  s->npages = npages;
  s->spanclass = spanclass;
  s->needzero = run.resident != 0;
  s->freeindex = s->allocCount = 0;
  s->freeIndexForScan.store(0, std::memory_order_relaxed);
  s->only_type.store(nullptr, std::memory_order_relaxed);
  std::atomic_ref(s->specials).store(nullptr, std::memory_order_relaxed);
  lay_out(s);
  alloc_bits(s);
  s->refillAllocCache();
  s->sweepgen.store(mheap_.sweepgen.load(std::memory_order_relaxed), std::memory_order_relaxed);
  publish(s);
  ++mheap_.spans_in_use;
  mheap_.pages_in_use += npages;
  const uintptr_t end = s->startAddr + s->bytes();
  if (end > mheap_.arena_used.load(std::memory_order_relaxed)) mheap_.arena_used.store(end, std::memory_order_release);
  told_objects.up_to(end);
  return s;
}

// What the pages would take beyond the memory limit is released elsewhere first.
void keep_below_limit(size_t npages) {
  const uint64_t limit = heap_memory_limit();
  if (limit == UINT64_MAX) [[likely]] return;
  mheap_.lock.lock();
  const uint64_t after = (mheap_.pages.resident() + npages) * kHeapPageBytes;
  mheap_.lock.unlock();
  if (after > limit) scavenge(after - limit);
}

}  // namespace

uint64_t MHeap::metadata_used() const {
  const size_t bytes = arena_bytes.load(std::memory_order_relaxed);
  if (bytes == 0) return 0;
  return metadata_next - (kHeapMetadata + bytes / 16) + spans_made * sizeof(MSpan) + pages.top() * sizeof(MSpan*);
}

MSpan* span_numbered(uint32_t number) { return &descriptors()[number - 1]; }

MSpan* mheap_alloc(size_t npages, SpanClass spanclass) {
  keep_below_limit(npages);
  mheap_.lock.lock();
  MSpan* const s = alloc_locked(npages, spanclass);
  mheap_.lock.unlock();
  return s;
}

void mheap_free(MSpan* s) {
  mheap_.lock.lock();
  if (s->state.load(std::memory_order_relaxed) != SpanState::in_use) throw_("mheap_free: the span is not in use");
  s->state.store(SpanState::dead, std::memory_order_release);
  const size_t first = page_of(s->startAddr);
  for (size_t i = 0; i < s->npages; ++i) span_table(first + i).store(nullptr, std::memory_order_release);
  free_words(s->allocBits, s->mark_words());
  free_words(s->gcmarkBits, s->mark_words());
  if (types_words(s) != 0) free_words(reinterpret_cast<BitWord*>(s->types), types_words(s));
  mheap_.pages.free(first, s->npages);
  --mheap_.spans_in_use;
  mheap_.pages_in_use -= s->npages;
  s->next = mheap_.free_spans;
  mheap_.free_spans = s;
  mheap_.lock.unlock();
}

void* persistentalloc(size_t bytes, size_t alignment) {
  mheap_.lock.lock();
  void* const memory = persistent_locked(bytes, alignment);
  mheap_.lock.unlock();
  return memory;
}

void mheap_before_fork() { mheap_.lock.lock(); }

void mheap_after_fork(bool in_child) {
  if (in_child) spans_may_be_lost();
  mheap_.lock.unlock();
}

}  // namespace reprise::rt
