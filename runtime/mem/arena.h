// Arena: a malloc over one reserved range of addresses.
//
// Small blocks come from spans of one size class, with a bitmap of what is in use kept apart from
// the blocks: a program that writes to freed memory or past a block harms its own data, not the
// allocator, and a double free or a pointer into the middle of a block is found at once. Large
// blocks are runs of pages. The lowest free slot of the most recently used span goes first.
//
// Deterministic: addresses depend only on the base and on the sequence of calls.
// All state, the Arena object included, lies inside the range.
//
// Thread safety: any thread; a spin lock, which the baton keeps uncontended in controlled modes.
// Makes no system call but madvise for large blocks, if so asked.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "runtime/mem/page_runs.h"
#include "runtime/mem/size_class.h"

namespace reprise::mem {

class Arena {
 public:
  enum class Release : bool { never, large_blocks };  // pages of freed blocks go back to the kernel

  // What free() and usable_size() say of a pointer that they do not accept.
  enum class Fault : uint8_t { none, not_a_block, double_free };

  // Builds an arena in [base, base + bytes): zeroed memory, page aligned, readable and writable.
  // Null if the range is too small to hold its own metadata and a page.
  static Arena* create(void* base, size_t bytes, Release release);

  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // `alignment` is a power of two. Null when the arena is full. Zeroed if so asked.
  void* allocate(size_t bytes, size_t alignment, bool zeroed);
  Fault free(void* block);
  // Bytes that the block holds, 0 and *fault set if it is none.
  size_t usable_size(const void* block, Fault* fault);

  bool contains(const void* pointer) const {
    return reinterpret_cast<uintptr_t>(pointer) - reinterpret_cast<uintptr_t>(this) < bytes_;
  }
  size_t bytes_in_use();

  // The block in use that an address lies in, anywhere in it; no bytes if there is none.
  struct Block {
    uintptr_t begin = 0;
    size_t bytes = 0;
  };
  Block block_at(uintptr_t address);
  // Every block in use, by address. `f` must not allocate from this arena, nor free.
  template <class F>
  void each_block(F f) {
    for (const Span* span = runs_.span_from(0); span != nullptr; span = runs_.span_from(span->first_page + span->pages)) {
      if (span->state == Span::State::large) f(Block{begin_of(span, 0), size_t{span->pages} * kPageBytes});
      if (span->state != Span::State::small) continue;
      const SizeClass& c = kClasses[span->size_class];
      for (uint32_t slot = 0; slot < c.slots; ++slot)
        if (in_use(span, slot)) f(Block{begin_of(span, slot), c.bytes});
    }
  }

 private:
  class Guard;
  struct Place {
    Span* span = nullptr;
    uint32_t slot = 0;
    Fault fault = Fault::none;
  };

  Arena(size_t bytes, char* pages_begin, uint32_t pages, Release release);

  void* allocate_small(size_t size_class);
  void* allocate_large(size_t bytes, size_t alignment, bool* zero);
  Span* new_small_span(size_t size_class);
  Place place_of(const void* block) const;
  void free_small(Span* span, uint32_t slot);
  void release_and_free(void* block);
  char* address_of(const Span* span) const {
    return pages_begin_ + size_t{span->first_page} * kPageBytes;
  }
  static bool in_use(const Span* span, uint32_t slot) { return (span->used[slot / 64] >> slot % 64 & 1) != 0; }
  uintptr_t begin_of(const Span* span, uint32_t slot) const {
    return reinterpret_cast<uintptr_t>(address_of(span)) + size_t{slot} * kClasses[span->size_class].bytes;
  }

  size_t bytes_;
  char* pages_begin_;
  Release release_;
  std::atomic<bool> busy_{false};
  SpanList partial_[kSizeClasses];  // spans with a free slot; guarded by busy_, like runs_
  PageRuns runs_;
};

}  // namespace reprise::mem
