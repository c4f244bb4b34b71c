// mallocgc: where the size leads, and what an object gets on its way out.
//
// The hot path is: the P's span of the class, the lowest bit of its allocCache, the slot. No lock, no atomic read-modify-write: who
// has the P has the cache, and no goroutine is switched out inside the runtime's text.
//
// Order of an object's birth: zeroed, its type noted, then freeIndexForScan raised (release). Marking that comes upon its address
// before takes the slot for free and leaves it; whoever can have been given the address gets it after. While a cycle marks
// it is born black, because its pointers are still null and whatever is stored there passes the barrier.
#include "runtime/mem/mallocgc.h"

#include <bit>
#include <cstdio>
#include <cstring>

#include "runtime/mem/mcache.h"
#include "runtime/mem/mcentral.h"
#include "runtime/mem/mheap.h"
#include "runtime/sched/fibers.h"
#include "runtime/sched/here.h"
#include "runtime/sched/proc.h"
#include "runtime/type/type.h"

namespace reprise::rt {

constinit std::atomic<uint8_t> heap_attention{0};
constinit HeapHooks heap_hooks;

namespace {

constexpr size_t kTinyBytes = 16;
constexpr size_t kClearInLine = 64;

// All objects of no size.
constinit uint64_t zerobase = 0;

struct Made {
  void* object = nullptr;
  MSpan* s = nullptr;
  uint32_t index = 0;
  bool refilled = false;  // heap_live has grown
};

[[noreturn, gnu::cold, gnu::noinline]] void out_of_memory(size_t size) {
  char text[160];
  mheap_.lock.lock();
  const uint64_t in_use = mheap_.pages_in_use * kHeapPageBytes;
  mheap_.lock.unlock();
  std::snprintf(text, sizeof text, "out of memory: cannot allocate %zu-byte block (%llu in use)", size,
                static_cast<unsigned long long>(in_use));
  throw_(text);
}

[[gnu::noinline, gnu::cold]] MCache* first_cache(P* pp) {
  if (pp == nullptr) throw_("mallocgc: called on a thread that has no P");
  pp->mcache = allocmcache();
  return pp->mcache;
}

inline MCache* cache_here() {
  P* const pp = p_here();
  MCache* const c = pp != nullptr ? pp->mcache : nullptr;
  return c != nullptr ? c : first_cache(pp);
}

// The owner's counter, read by others.
inline void count_one(std::atomic<uint64_t>& counter) {
  counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

// The span's next slot if the word at hand has one; else nelems. The last slot of a word is left to the slow path, which
// loads the next.
inline uint32_t next_free_fast(MSpan* s) {
  const uint64_t cache = s->allocCache;
  if (cache == 0) return s->nelems;
  const auto skip = static_cast<uint32_t>(std::countr_zero(cache));
  const uint32_t index = s->freeindex + skip, behind = index + 1;
  if (index >= s->nelems || (behind % 64 == 0 && behind != s->nelems)) return s->nelems;
  s->allocCache = cache >> 1 >> skip;
  s->freeindex = behind;
  return index;
}

[[gnu::noinline]] void next_free_slow(MCache* c, SpanClass spanclass, Made* made) {
  made->s = c->alloc[spanclass.index()];
  made->index = made->s->nextFreeIndex();
  if (made->index < made->s->nelems) return;
  if (!c->refill(spanclass)) out_of_memory(kHeapClasses[spanclass.sizeclass()].bytes);
  made->refilled = true;
  made->s = c->alloc[spanclass.index()];
  made->index = made->s->nextFreeIndex();
  if (made->index >= made->s->nelems) throw_("mallocgc: a span from mcentral has no free slot");
}

inline Made next_free(MCache* c, SpanClass spanclass) {
  Made made;
  made.s = c->alloc[spanclass.index()];
  made.index = next_free_fast(made.s);
  if (made.index == made.s->nelems) [[unlikely]] next_free_slow(c, spanclass, &made);
  ++made.s->allocCount;
  made.object = reinterpret_cast<void*>(made.s->objBase(made.index));
  return made;
}

// Sizes of small classes are multiples of 8, and of 16 beyond 32.
inline void clear(void* object, size_t bytes) {
  if (bytes > kClearInLine) {
    const FiberUnseen unseen;
    std::memset(object, 0, bytes);
    return;
  }
  auto* const words = static_cast<uint64_t*>(object);
  for (size_t i = 0; i < bytes / 8; ++i) {
    words[i] = 0;
    asm volatile("" : : : "memory");  // or the compiler calls memset, or repeats one instruction, which costs more than all the rest
  }
}

inline Made make_small(MCache* c, SpanClass spanclass, const Type* type, bool zero) {
  const Made made = next_free(c, spanclass);
  if (zero && made.s->needzero) clear(made.object, made.s->elemsize);
  if (!spanclass.noscan()) made.s->noteType(made.index, type);
  made.s->freeIndexForScan.store(made.s->freeindex, std::memory_order_release);
  return made;
}

// Objects without pointers that are smaller than a block of 16 bytes share one, so long as they fit: many small strings and
// numbers die together. The block lives as long as any of them.
inline Made make_tiny(MCache* c, size_t size) {
  uintptr_t at = c->tinyoffset;
  if (size % 8 == 0) at = (at + 7) & ~uintptr_t{7};
  else if (size % 4 == 0) at = (at + 3) & ~uintptr_t{3};
  else if (size % 2 == 0) at = (at + 1) & ~uintptr_t{1};
  count_one(c->tinyAllocs);
  if (c->tiny != 0 && at + size <= kTinyBytes) {
    c->tinyoffset = at + size;
    return {reinterpret_cast<void*>(c->tiny + at), nullptr, 0, false};
  }
  const Made made = next_free(c, kTinySpanClass);
  count_one(c->tinyBlocks);
  auto* const words = static_cast<uint64_t*>(made.object);
  words[0] = words[1] = 0;
  made.s->freeIndexForScan.store(made.s->freeindex, std::memory_order_release);
  // The block with more room left is the one to go on with.
  if (size < c->tinyoffset || c->tiny == 0) {
    c->tiny = reinterpret_cast<uintptr_t>(made.object);
    c->tinyoffset = size;
  }
  return made;
}

[[gnu::noinline]] Made make_large(MCache* c, size_t size, const Type* type, bool noscan, bool zero) {
  const size_t npages = size / kHeapPageBytes + (size % kHeapPageBytes != 0 ? 1 : 0);
  if (heap_hooks.sweep_credit != nullptr) heap_hooks.sweep_credit(npages * kHeapPageBytes);
  MSpan* const s = mheap_alloc(npages, SpanClass(0, noscan));
  if (s == nullptr) out_of_memory(size);
  if (zero && s->needzero) clear(reinterpret_cast<void*>(s->base()), s->bytes());
  s->only_type.store(type, std::memory_order_relaxed);
  s->freeindex = s->allocCount = 1;
  s->allocCache = 0;
  s->freeIndexForScan.store(1, std::memory_order_release);
  count_one(c->largeAllocCount);
  c->largeAlloc.store(c->largeAlloc.load(std::memory_order_relaxed) + s->elemsize, std::memory_order_relaxed);
  mheap_.heap_live.fetch_add(s->elemsize, std::memory_order_relaxed);
  return {reinterpret_cast<void*>(s->base()), s, 0, true};
}

bool on_goroutine() {
  const G* const gp = g_here();
  return gp != nullptr && gp->ctx.m->ctx.g0 != gp;
}

// What the collector wants of this object. It is in its span's bits before anybody has its address. One that was cut from a
// tiny block marks the block, which may be older than the cycle and white.
[[gnu::noinline]] void attend(Made made, size_t size, uint8_t why) {
  bool whole = true;
  if (made.s == nullptr) {
    made.s = span_of(made.object);
    made.index = made.s->objIndex(reinterpret_cast<uintptr_t>(made.object));
    whole = false;
  }
  if ((why & kHeapMarking) != 0 && (made.s->setMarked(made.index) || whole)) {
    if (heap_hooks.allocated_black != nullptr) heap_hooks.allocated_black(made.s, made.index);
  }
  if ((why & kHeapDebug) != 0 && whole && heap_hooks.allocated != nullptr) heap_hooks.allocated(made.s, made.index, size);
}

[[gnu::noinline]] void maybe_trigger() {
  if (mheap_.heap_live.load(std::memory_order_relaxed) < mheap_.gc_trigger.load(std::memory_order_relaxed)) return;
  if (heap_hooks.trigger != nullptr && on_goroutine()) heap_hooks.trigger();
}

[[gnu::noinline]] void pay_debt() {
  if (heap_hooks.assist != nullptr) heap_hooks.assist();
}

// May park, and go on on another thread: nothing of this one's may be kept across.
inline void pay(size_t size) {
  G* const gp = goroutine_here();
  if (gp == nullptr) return;
  gp->gcAssistBytes -= static_cast<int64_t>(size);
  if (gp->gcAssistBytes < 0) [[unlikely]] pay_debt();
}

// A large object's span becomes the sweeper's to find only when it is complete and, while marking, black.
void file_large(const Made& made) {
  const uint32_t sweepgen = mheap_.sweepgen.load(std::memory_order_relaxed);
  push_span(mcentrals[made.s->spanclass.index()].fullSwept(sweepgen), made.s);
}

inline void* finish(const Made& made, size_t size) {
  fiber_takes_memory();
  const uint8_t why = heap_attention.load(std::memory_order_relaxed);
  if (why != 0) [[unlikely]] attend(made, size, why);
  if (made.refilled) [[unlikely]] {
    if (made.s->spanclass.sizeclass() == 0) file_large(made);
    maybe_trigger();
  }
  return made.object;
}

bool has_no_pointers(const Type* type) { return type == nullptr || type->ptrdata == 0; }

// The class of objects that lie at multiples of `alignment`; 0: none is small.
uint8_t aligned_class(size_t size, size_t alignment) {
  for (size_t c = size <= kMaxSmallSize ? heap_size_class(size) : kNumSizeClasses; c < kNumSizeClasses; ++c) {
    if (kHeapClasses[c].bytes % alignment == 0) return static_cast<uint8_t>(c);
  }
  return 0;
}

}  // namespace

void* mallocgc(size_t size, const Type* type, bool needzero) {
  if (size == 0) return &zerobase;
  const uint8_t why = heap_attention.load(std::memory_order_relaxed);
  if (why & kHeapMarking) [[unlikely]] pay(size);
  MCache* const c = cache_here();
  const bool noscan = has_no_pointers(type);
  if (size > kMaxSmallSize) [[unlikely]] return finish(make_large(c, size, type, noscan, needzero || !noscan), size);
  if (noscan && size < kTinyBytes && (why & kHeapDebug) == 0) return finish(make_tiny(c, size), size);
  return finish(make_small(c, SpanClass(heap_size_class(size), noscan), type, needzero || !noscan), size);
}

namespace {

[[gnu::noinline]] void* gc_new_slow(SpanClass spanclass, const Type* type) {
  return finish(make_small(cache_here(), spanclass, type, true), kHeapClasses[spanclass.sizeclass()].bytes);
}

[[gnu::noinline]] void* attended(MSpan* s, uint32_t index, void* object, uint8_t why) {
  attend({object, s, index, false}, s->elemsize, why);
  return object;
}

}  // namespace

// What make_small() and finish() do, without a thing in memory that need not be.
void* gc_new(SpanClass spanclass, const Type* type) {
  if (goroutine_here() == nullptr) [[unlikely]] return nullptr;
  if (heap_attention.load(std::memory_order_relaxed) & kHeapMarking) pay(kHeapClasses[spanclass.sizeclass()].bytes);
  const MCache* const c = p_here()->mcache;
  if (c == nullptr) [[unlikely]] return gc_new_slow(spanclass, type);
  MSpan* const s = c->alloc[spanclass.index()];
  const uint32_t index = next_free_fast(s);
  if (index == s->nelems) [[unlikely]] return gc_new_slow(spanclass, type);
  ++s->allocCount;
  void* const object = reinterpret_cast<void*>(s->objBase(index));
  if (s->needzero) clear(object, s->elemsize);
  if (!spanclass.noscan()) s->noteType(index, type);
  s->freeIndexForScan.store(s->freeindex, std::memory_order_release);
  fiber_takes_memory();
  const uint8_t why = heap_attention.load(std::memory_order_relaxed);
  return why != 0 ? attended(s, index, object, why) : object;
}

void* mallocgc_aligned(size_t size, size_t alignment, const Type* type, bool needzero) {
  if (!std::has_single_bit(alignment) || alignment > kHeapPageBytes) throw_("mallocgc: alignment of more than a page");
  if (size == 0 && alignment > alignof(uint64_t)) size = 1;
  if (alignment <= alignof(uint64_t) && (size % alignment == 0 || size >= kTinyBytes)) return mallocgc(size, type, needzero);
  if (heap_attention.load(std::memory_order_relaxed) & kHeapMarking) pay(size);
  MCache* const c = cache_here();
  const bool noscan = has_no_pointers(type);
  const uint8_t size_class = aligned_class(size, alignment);
  if (size_class == 0) return finish(make_large(c, size, type, noscan, needzero || !noscan), size);
  return finish(make_small(c, SpanClass(size_class, noscan), type, needzero || !noscan), size);
}

}  // namespace reprise::rt
