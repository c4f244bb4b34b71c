// mallocgc: where the size leads, and what an object gets on its way out.
//
// The hot path is: the P's span of the class, the lowest bit of its allocCache, the slot. No lock, no atomic read-modify-write: who
// has the P has the cache, and no goroutine is switched out inside the runtime's text.
//
// For that reason a loop that allocates is seldom interrupted by a signal: most of its time is here. So allocations serve requests to
// give way, before they touch the cache; what takes long (sweeping for a large object, zeroing it) does so in between, or without the P.
//
// Order of an object's birth: zeroed, its type noted, then freeIndexForScan raised (release). Marking that comes upon its address
// before takes the slot for free and leaves it; whoever can have been given the address gets it after. While a cycle marks
// it is born black, because its pointers are still null and whatever is stored there passes the barrier.
#include "runtime/mem/mallocgc.h"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstring>

#include "runtime/mem/mcache.h"
#include "runtime/mem/mcentral.h"
#include "runtime/mem/mheap.h"
#include "runtime/sched/fibers.h"
#include "runtime/sched/here.h"
#include "runtime/sched/proc.h"
#include "runtime/sched/syscall.h"
#include "runtime/type/type.h"

namespace reprise::rt {

constinit std::atomic<uint8_t> heap_attention{0};
constinit HeapHooks heap_hooks;

namespace {

constexpr size_t kTinyBytes = 16;
constexpr size_t kClearInLine = 64;
constexpr size_t kClearWithoutP = 1 << 20;
constexpr size_t kSweepPiece = 1 << 20;

// All objects of no size.
constinit uint64_t zerobase = 0;

struct Made {
  void* object = nullptr;
  MSpan* s = nullptr;
  uint32_t index = 0;
  bool refilled = false;  // heap_live has grown
  bool sampled = false;   // for the heap profile
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

// The span's next slot, counted. REQUIRES: allocCache is not 0, the word at hand has one.
[[gnu::always_inline]] inline uint32_t next_free_fast(MSpan* s) {
  const uint64_t cache = s->allocCache;
  const auto skip = static_cast<uint32_t>(std::countr_zero(cache));
  const uint32_t index = s->freeindex + skip;
  s->allocCache = cache >> skip >> 1;
  s->freeindex = index + 1;
  ++s->allocCount;
  return index;
}

[[gnu::noinline]] void next_free_slow(MCache* c, SpanClass spanclass, Made* made) {
  made->s = c->alloc[spanclass.index()];
  c->sampler.before(spanclass, made->s);
  made->index = made->s->nextFreeIndex();
  if (made->index >= made->s->nelems) {
    if (!c->refill(spanclass)) out_of_memory(kHeapClasses[spanclass.sizeclass()].bytes);
    made->refilled = true;
    made->s = c->alloc[spanclass.index()];
    made->index = made->s->nextFreeIndex();
    if (made->index >= made->s->nelems) throw_("mallocgc: a span from mcentral has no free slot");
  }
  made->sampled = c->sampler.take(spanclass, made->s);
  ++made->s->allocCount;
}

inline Made next_free(MCache* c, SpanClass spanclass) {
  Made made;
  made.s = c->alloc[spanclass.index()];
  if (made.s->allocCache != 0) [[likely]] made.index = next_free_fast(made.s);
  else next_free_slow(c, spanclass, &made);
  made.object = reinterpret_cast<void*>(made.s->objBase(made.index));
  return made;
}

// Sizes of small classes are multiples of 8, and of 16 beyond 32.
inline void clear_words(uint64_t* words, size_t bytes) {
  for (size_t i = 0; i < bytes / 8; ++i) {
    words[i] = 0;
    asm volatile("" : : : "memory");  // or the compiler calls memset, or repeats one instruction, which costs more than all the rest
  }
}

inline void clear(void* object, size_t bytes) {
  if (bytes <= kClearInLine) return clear_words(static_cast<uint64_t*>(object), bytes);
  const FiberUnseen unseen;
  std::memset(object, 0, bytes);
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
    return {reinterpret_cast<void*>(c->tiny + at), nullptr, 0, false, false};
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

// In pieces, between which the goroutine gives way: what is to be swept grows with the size.
void sweep_for_large(size_t bytes) {
  if (heap_hooks.sweep_credit == nullptr) return;
  for (size_t left = bytes; left != 0; left -= std::min(left, kSweepPiece)) {
    heap_hooks.sweep_credit(std::min(left, kSweepPiece));
    preempt_point();
  }
}

// Zeroing much takes as long as a system call that blocks, so it is treated as one: nobody waits for the P meanwhile. Cycles may
// pass. They find no object there, since none is allocated in the span; and no sweeper comes, since it is in no set.
[[gnu::noinline]] void clear_large(MSpan* s) {
  const auto at = reinterpret_cast<void*>(s->base());
  if (s->bytes() < kClearWithoutP || !can_enter_syscall()) return clear(at, s->bytes());
  __builtin_unwind_init();  // the collector may scan the stack meanwhile
  entersyscall();
  clear(at, s->bytes());
  exitsyscall();
  s->sweepgen.store(mheap_.sweepgen.load(std::memory_order_relaxed), std::memory_order_relaxed);
}

// May go on on another P.
[[gnu::noinline]] Made make_large(size_t size, const Type* type, bool noscan, bool zero) {
  const size_t npages = size / kHeapPageBytes + (size % kHeapPageBytes != 0 ? 1 : 0);
  sweep_for_large(npages * kHeapPageBytes);
  MSpan* const s = mheap_alloc(npages, SpanClass(0, noscan));
  if (s == nullptr) out_of_memory(size);
  if (zero && s->needzero) clear_large(s);
  MCache* const c = cache_here();
  s->only_type.store(type, std::memory_order_relaxed);
  s->freeindex = s->allocCount = 1;
  s->allocCache = 0;
  s->freeIndexForScan.store(1, std::memory_order_release);
  count_one(c->largeAllocCount);
  c->largeAlloc.store(c->largeAlloc.load(std::memory_order_relaxed) + s->elemsize, std::memory_order_relaxed);
  mheap_.heap_live.fetch_add(s->elemsize, std::memory_order_relaxed);
  return {reinterpret_cast<void*>(s->base()), s, 0, true, c->sampler.take_large(s->elemsize)};
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

// What attention asks for before an allocation. May park, and go on on another thread: nothing of this one's may be kept across.
[[gnu::noinline]] void attend_before(uint8_t why, size_t size) {
  G* const gp = goroutine_here();
  if (gp == nullptr) return;
  if ((why & kHeapGiveWay) != 0) preempt_point();
  if ((heap_attention.load(std::memory_order_relaxed) & kHeapMarking) == 0) return;
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
  // Last: unwinding may wait for the dynamic linker's lock.
  if (made.sampled) [[unlikely]] heap_profile_sample(made.object, made.s->elemsize);
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
  if (why != 0) [[unlikely]] attend_before(why, size);
  const bool noscan = has_no_pointers(type);
  if (size > kMaxSmallSize) [[unlikely]] return finish(make_large(size, type, noscan, needzero || !noscan), size);
  MCache* const c = cache_here();
  if (noscan && size < kTinyBytes && (why & kHeapDebug) == 0) return finish(make_tiny(c, size), size);
  return finish(make_small(c, SpanClass(heap_size_class(size), noscan), type, needzero || !noscan), size);
}

namespace {

[[gnu::noinline]] void* gc_new_slow(SpanClass spanclass, const Type* type) {
  return finish(make_small(cache_here(), spanclass, type, true), kHeapClasses[spanclass.sizeclass()].bytes);
}

// A span's second type, or the first object of a span: not worth a frame of gc_new's.
[[gnu::noinline]] void* note_and_publish(MSpan* s, uint32_t index, const Type* type) {
  s->noteType(index, type);
  s->freeIndexForScan.store(s->freeindex, std::memory_order_release);
  fiber_takes_memory();
  return reinterpret_cast<void*>(s->objBase(index));
}

// One that must be cleared by a call.
[[gnu::noinline]] void* clear_and_publish(MSpan* s, uint32_t index, const Type* type) {
  clear(reinterpret_cast<void*>(s->objBase(index)), s->elemsize);
  if (!s->spanclass.noscan()) s->noteType(index, type);
  s->freeIndexForScan.store(s->freeindex, std::memory_order_release);
  fiber_takes_memory();
  return reinterpret_cast<void*>(s->objBase(index));
}

// A few stores where the size is known when this is compiled.
[[gnu::always_inline]] inline void clear_slot(uint64_t* words, size_t bytes) {
  if (!__builtin_constant_p(bytes)) return clear_words(words, bytes);
  const FiberUnseen unseen;
  std::memset(words, 0, bytes);
}

// What make_small() and finish() do where nothing is asked for, without a thing in memory that need not be: no frame, whatever is rare
// is a call in its place.
[[gnu::always_inline]] inline void* complete(MSpan* s, uint32_t index, SpanClass spanclass, size_t bytes, const Type* type) {
  if (bytes > kClearInLine && s->needzero) return clear_and_publish(s, index, type);
  auto* const words = reinterpret_cast<uint64_t*>(s->startAddr + index * bytes);
  if (s->needzero) clear_slot(words, bytes);
  if (!spanclass.noscan() && s->only_type.load(std::memory_order_relaxed) != type) [[unlikely]] {
    return note_and_publish(s, index, type);
  }
  s->freeIndexForScan.store(s->freeindex, std::memory_order_release);
  fiber_takes_memory();
  return words;
}

// While a cycle marks: black, before anybody has its address.
[[gnu::noinline]] void* blacken(MSpan* s, uint32_t index, void* object) {
  if (s->setMarked(index) && heap_hooks.allocated_black != nullptr) heap_hooks.allocated_black(s, index);
  return object;
}

// attend_before() may have parked, and attention may be another now.
[[gnu::noinline]] void* gc_new_attended(SpanClass spanclass, const Type* type) {
  const size_t bytes = kHeapClasses[spanclass.sizeclass()].bytes;
  attend_before(heap_attention.load(std::memory_order_relaxed), bytes);
  const MCache* const c = p_here()->mcache;
  if (c == nullptr || heap_attention.load(std::memory_order_relaxed) != kHeapMarking) return gc_new_slow(spanclass, type);
  MSpan* const s = c->alloc[spanclass.index()];
  if (s->allocCache == 0) return gc_new_slow(spanclass, type);
  const uint32_t index = next_free_fast(s);
  return blacken(s, index, complete(s, index, spanclass, bytes, type));
}

// heap_attention is looked at once, since nobody is switched out in between.
[[gnu::always_inline]] inline void* gc_new_here(SpanClass spanclass, size_t bytes, const Type* type) {
  const G* const gp = g_here();
  if (gp == nullptr || gp != gp->ctx.m->ctx.curg) [[unlikely]] return nullptr;
  if (heap_attention.load(std::memory_order_relaxed) != 0) [[unlikely]] return gc_new_attended(spanclass, type);
  const MCache* const c = gp->ctx.m->p->mcache;
  if (c == nullptr) [[unlikely]] return gc_new_slow(spanclass, type);
  MSpan* const s = c->alloc[spanclass.index()];
  if (s->allocCache == 0) [[unlikely]] return gc_new_slow(spanclass, type);
  const uint32_t index = next_free_fast(s);
  return complete(s, index, spanclass, bytes, type);
}

template <uint8_t Class>
[[gnu::always_inline]] inline void* gc_new_sized(const Type* type) {
  return gc_new_here(SpanClass(Class / 2, Class % 2 != 0), kHeapClasses[Class / 2].bytes, type);
}
static_assert(kHeapClasses[kGcNewClasses / 2 - 1].bytes == kClearInLine);

}  // namespace

void* gc_new(SpanClass spanclass, const Type* type) {
  return gc_new_here(spanclass, kHeapClasses[spanclass.sizeclass()].bytes, type);
}

// Specialisations, not instantiations: those are the archive's own (CMakeLists.txt).
template <>
void* gc_new_of<2>(const Type* type) {
  return gc_new_sized<2>(type);
}
template <>
void* gc_new_of<4>(const Type* type) {
  return gc_new_sized<4>(type);
}
template <>
void* gc_new_of<5>(const Type* type) {
  return gc_new_sized<5>(type);
}
template <>
void* gc_new_of<6>(const Type* type) {
  return gc_new_sized<6>(type);
}
template <>
void* gc_new_of<7>(const Type* type) {
  return gc_new_sized<7>(type);
}
template <>
void* gc_new_of<8>(const Type* type) {
  return gc_new_sized<8>(type);
}
template <>
void* gc_new_of<9>(const Type* type) {
  return gc_new_sized<9>(type);
}
template <>
void* gc_new_of<10>(const Type* type) {
  return gc_new_sized<10>(type);
}
template <>
void* gc_new_of<11>(const Type* type) {
  return gc_new_sized<11>(type);
}
template <>
void* gc_new_of<12>(const Type* type) {
  return gc_new_sized<12>(type);
}
template <>
void* gc_new_of<13>(const Type* type) {
  return gc_new_sized<13>(type);
}

void* mallocgc_aligned(size_t size, size_t alignment, const Type* type, bool needzero) {
  if (!std::has_single_bit(alignment) || alignment > kHeapPageBytes) throw_("mallocgc: alignment of more than a page");
  if (size == 0 && alignment > alignof(uint64_t)) size = 1;
  if (alignment <= alignof(uint64_t) && (size % alignment == 0 || size >= kTinyBytes)) return mallocgc(size, type, needzero);
  const uint8_t why = heap_attention.load(std::memory_order_relaxed);
  if (why != 0) [[unlikely]] attend_before(why, size);
  const bool noscan = has_no_pointers(type);
  const uint8_t size_class = aligned_class(size, alignment);
  if (size_class == 0) return finish(make_large(size, type, noscan, needzero || !noscan), size);
  return finish(make_small(cache_here(), SpanClass(size_class, noscan), type, needzero || !noscan), size);
}

}  // namespace reprise::rt
