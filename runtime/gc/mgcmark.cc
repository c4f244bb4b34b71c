// Marking: from a word to an object, from an object to the words in it, and the jobs that roots are divided into.
//
// Invariants:
//  - An object is white (mark bit clear), grey (bit set, in a work buffer or about to be put there by who set it) or black
//    (bit set, looked into, or without pointers, or made during the cycle). Whoever sets the bit greys it: once.
//  - A word is looked up whatever it is (conservative scanning finds integers): no span, a free slot, or waste behind
//    the last object are no object.
//  - A marker is in the middle of a job or an object only in text of the runtime's, where nobody is preempted: when the
//    world is stopped everything grey is in a buffer.
//
// What is read here may be written by the program at the same time: words are read by relaxed loads. What a slot held before
// or holds after is shaded by the barrier, so it does not matter which of both is read.
#include <algorithm>

#include "runtime/gc/gc.h"
#include "runtime/gc/mfinal.h"
#include "runtime/gc/roots.h"
#include "runtime/sched/sched.h"
#include "runtime/type/type.h"

namespace reprise::rt {

namespace {

constexpr uintptr_t kWord = sizeof(uintptr_t);
constexpr int64_t kChunkWork = 1024;  // what looking through a chunk's bits counts for

// A marker is not stopped in the middle of a job, and a chunk has up to 131,072 roots. In controlled modes nobody waits meanwhile.
size_t parts_of_chunk() { return seam_active ? 1 : 32; }

struct RootJobs {
  std::atomic<size_t> next_chunk{0};  // part of one
  std::atomic<size_t> next_specials{0};
  size_t chunks = 0;          // parts, at the start of the cycle; what comes later is shaded when it is made
  size_t specials = 0;        // blocks
};
RootJobs root_jobs;

__attribute__((no_sanitize("address", "thread"))) uintptr_t load_word(uintptr_t at) {
  return __atomic_load_n(reinterpret_cast<const uintptr_t*>(at), __ATOMIC_RELAXED);
}

// The span of a word, null if it is in none. While marking no span is freed, and one in the table is complete: its state need
// not be looked at. `used` is the part of the arena that was ever handed out when the scan began: what is beyond is black.
inline MSpan* span_while_marking(uintptr_t word, size_t used) {
  const uintptr_t offset = word - kHeapArena;
  if (offset >= used) return nullptr;
  return span_table(offset >> kHeapPageShift).load(std::memory_order_acquire);
}

size_t used_of_arena() { return mheap_.arena_used.load(std::memory_order_acquire) - kHeapArena; }

// Most words lead to what is marked already, so the mark bit comes first: it is set on allocated objects only.
[[gnu::always_inline]] inline void shade_in(MSpan* s, uintptr_t word, GcWork* work) {
  if (word >= s->limit) return;
  const uint32_t index = s->objIndex(word);
  if (s->isMarked(index) || !s->isAllocated(index) || !s->setMarked(index)) return;
  work->bytes_marked += static_cast<int64_t>(s->elemsize);
  if (s->spanclass.noscan()) return;
  work->put(s->objBase(index));
}

[[gnu::always_inline]] inline void shade_while_marking(uintptr_t word, size_t used, GcWork* work) {
  if (MSpan* const s = span_while_marking(word, used)) shade_in(s, word, work);
}

// The next few grey objects, on their way from memory while those before them are looked into. In controlled modes one at a
// time, so that steps are as small as can be.
class Ahead {
 public:
  explicit Ahead(GcWork* work) : work_(work), wanted_(seam_active ? 1 : kMost) {}
  ~Ahead() {
    while (count_ != 0) work_->put(take());
  }
  Ahead(const Ahead&) = delete;
  Ahead& operator=(const Ahead&) = delete;

  // 0: there is none.
  uintptr_t next() {
    while (count_ < wanted_) {
      const uintptr_t object = work_->get();
      if (object == 0) break;
      __builtin_prefetch(reinterpret_cast<const void*>(object));
      ring_[(first_ + count_++) % kMost] = object;
    }
    return count_ != 0 ? take() : 0;
  }

 private:
  static constexpr uint32_t kMost = 8;

  uintptr_t take() {
    --count_;
    return ring_[first_++ % kMost];
  }

  GcWork* work_;
  uint32_t wanted_, first_ = 0, count_ = 0;
  uintptr_t ring_[kMost];
};

constexpr size_t kMaskWords = 64;
constexpr size_t kMaskedSlot = kMaskWords * kWord;

// The first words of a mask.
inline uint64_t mask_word(const Type* type) {
  uint64_t mask = 0;
  const size_t bytes = (type->ptrdata / kWord + 7) / 8;
  for (size_t i = 0; i < bytes; ++i) mask |= uint64_t{type->gcdata[i]} << (8 * i);
  return mask;
}

// An object of a small type, or an array of them.
void scan_small(uintptr_t base, uintptr_t end, const Type* type, GcWork* work) {
  const uint64_t mask = mask_word(type);
  const size_t used = used_of_arena();
  for (uintptr_t element = base; element + type->ptrdata <= end; element += type->size) {
    for (uint64_t left = mask; left != 0; left &= left - 1) {
      shade_while_marking(load_word(element + kWord * static_cast<size_t>(__builtin_ctzll(left))), used, work);
    }
  }
}

// Which words of a slot may be pointers, bit i for word i: of an object of a type, or of an array of them. Computed once for neighbours
// of a type, which most are.
class SlotWords {
 public:
  // REQUIRES: elemsize <= kMaskedSlot.
  uint64_t of(const Type* type, size_t elemsize) {
    if (type != type_ || elemsize != elemsize_) [[unlikely]] look_at(type, elemsize);
    return words_;
  }

 private:
  [[gnu::noinline]] void look_at(const Type* type, size_t elemsize) {
    type_ = type;
    elemsize_ = elemsize;
    words_ = 0;
    if (type == nullptr || type->ptrdata == 0) return;
    if (type->gcdata == nullptr || type->size == 0) {
      words_ = ~uint64_t{0} >> (kMaskWords - elemsize / kWord);
      return;
    }
    const uint64_t mask = mask_word(type);
    for (size_t element = 0; element + type->ptrdata <= elemsize; element += type->size) words_ |= mask << (element / kWord);
  }

  const Type* type_ = nullptr;
  size_t elemsize_ = 0;
  uint64_t words_ = 0;
};

// Words of [from, to) for which the mask of a type, that begins at `base` and repeats, has a bit.
void scan_masked(uintptr_t base, uintptr_t from, uintptr_t to, const Type* type, GcWork* work) {
  const uintptr_t first = from - (from - base) % type->size;
  for (uintptr_t element = first; element < to; element += type->size) {
    const uintptr_t end = std::min(element + type->ptrdata, to);
    for (uintptr_t at = element; at < end; at += kWord) {
      const uintptr_t bit = (at - element) / kWord;
      if (at >= from && (type->gcdata[bit / 8] >> (bit % 8) & 1) != 0) gc_shade(load_word(at), work);
    }
  }
}

void scan_part(const MSpan* s, uintptr_t base, uintptr_t from, uintptr_t to, GcWork* work) {
  const Type* const type = s->typeAt(base);
  if (type == nullptr || type->ptrdata == 0) return;
  if (type->gcdata == nullptr || type->size == 0) return gc_scan_words(from, to, work);
  if (type->ptrdata <= kMaskWords * kWord && to - base <= kObletBytes) return scan_small(base, to, type, work);
  scan_masked(base, from, to, type, work);
}

// The object's own entry puts those of its other parts first, so that several workers share it.
[[gnu::noinline]] int64_t scan_entry_of_large(const MSpan* s, uintptr_t entry, GcWork* work) {
  if (s->elemsize <= kObletBytes) {
    scan_part(s, entry, entry, entry + s->elemsize, work);
    return static_cast<int64_t>(s->elemsize);
  }
  const uintptr_t base = s->startAddr;  // it is alone there
  const uintptr_t end = base + s->elemsize;
  if (entry == base) {
    for (uintptr_t part = base + kObletBytes; part < end; part += kObletBytes) work->put(part);
  }
  const uintptr_t to = std::min(entry + kObletBytes, end);
  scan_part(s, base, entry, to, work);
  return static_cast<int64_t>(to - entry);
}

// An entry is an object, or a part of a large one (mgcwork.h). Returns its bytes.
[[gnu::always_inline]] inline int64_t scan_entry(uintptr_t entry, size_t used, SlotWords* slot_words, GcWork* work) {
  const MSpan* const s = span_table((entry - kHeapArena) >> kHeapPageShift).load(std::memory_order_acquire);
  const size_t bytes = s->elemsize;
  if (bytes > kMaskedSlot) [[unlikely]] return scan_entry_of_large(s, entry, work);
  for (uint64_t left = slot_words->of(s->typeAt(entry), bytes); left != 0; left &= left - 1) {
    shade_while_marking(load_word(entry + kWord * static_cast<size_t>(__builtin_ctzll(left))), used, work);
  }
  return static_cast<int64_t>(bytes);
}

void visit_root(uintptr_t value, void* arg) { gc_shade(value, static_cast<GcWork*>(arg)); }

constexpr int64_t kLeastJob = 64;  // bytes that a job counts for, so that a budget is spent by many empty ones, too

bool one_chunk(GcWork* work) {
  if (root_jobs.next_chunk.load(std::memory_order_relaxed) >= root_jobs.chunks) return false;
  const size_t chunk = root_jobs.next_chunk.fetch_add(1, std::memory_order_relaxed);
  if (chunk >= root_jobs.chunks) return false;
  const size_t parts = parts_of_chunk();
  roots_scan(chunk / parts, chunk % parts, parts, visit_root, work);
  work->scan_work += kChunkWork / static_cast<int64_t>(parts);
  return true;
}

bool one_block_of_specials(GcWork* work) {
  if (root_jobs.next_specials.load(std::memory_order_relaxed) >= root_jobs.specials) return false;
  const size_t block = root_jobs.next_specials.fetch_add(1, std::memory_order_relaxed);
  if (block >= root_jobs.specials) return false;
  specials_scan(block, work);
  return true;
}

// One job; its work in bytes, 0 if there is none left.
int64_t root_job(GcWork* work) {
  const int64_t before = work->scan_work;
  if (!one_chunk(work) && !one_block_of_specials(work) && !gc_scan_some_stack(work)) return 0;
  work->scan_work = std::max(work->scan_work, before + kLeastJob);
  const int64_t done = work->scan_work - before;
  gc_state.stack_work.fetch_add(done, std::memory_order_relaxed);
  return done;
}

}  // namespace

void gc_begin_roots() {
  root_jobs.next_chunk.store(0, std::memory_order_relaxed);
  root_jobs.next_specials.store(0, std::memory_order_relaxed);
  root_jobs.chunks = roots_chunks() * parts_of_chunk();
  root_jobs.specials = specials_blocks();
  gc_begin_stacks();
}

bool gc_roots_done() {
  return root_jobs.next_chunk.load(std::memory_order_relaxed) >= root_jobs.chunks &&
         root_jobs.next_specials.load(std::memory_order_relaxed) >= root_jobs.specials && gc_stacks_done();
}

void gc_shade(uintptr_t word, GcWork* work) {
  if (MSpan* const s = span_of(word)) shade_in(s, word, work);
}

__attribute__((no_sanitize("address", "thread"))) void gc_scan_words(uintptr_t from, uintptr_t to, GcWork* work) {
  const size_t used = used_of_arena();
  for (uintptr_t at = from; at + kWord <= to; at += kWord) shade_while_marking(load_word(at), used, work);
}

void gc_scan_inside(uintptr_t object, GcWork* work) {
  const MSpan* const s = span_of(object);
  if (s == nullptr || s->spanclass.noscan()) return;
  const uintptr_t base = s->objBase(s->objIndex(object));
  scan_part(s, base, base, base + s->elemsize, work);
  work->scan_work += static_cast<int64_t>(s->elemsize);
}

int64_t gc_drain(GcWork* work, int64_t budget) {
  int64_t done = 0;
  while (done < budget) {
    const int64_t job = root_job(work);
    if (job == 0) break;
    done += job;
  }
  const size_t used = used_of_arena();
  const int64_t after_roots = done;
  SlotWords slot_words;
  Ahead ahead(work);
  while (done < budget) {
    const uintptr_t entry = ahead.next();
    if (entry == 0) break;
    done += scan_entry(entry, used, &slot_words, work);
  }
  work->scan_work += done - after_roots;
  return done;
}

void gc_flush_counts(GcWork* work) {
  if (work->bytes_marked != 0) gc_state.bytes_marked.fetch_add(work->bytes_marked, std::memory_order_relaxed);
  if (work->scan_work != 0) gc_state.scan_work.fetch_add(work->scan_work, std::memory_order_relaxed);
  work->bytes_marked = work->scan_work = 0;
}

}  // namespace reprise::rt
