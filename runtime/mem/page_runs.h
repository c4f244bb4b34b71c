// PageRuns: hands out runs of pages from a reserved range, and takes them back.
//
// Every page belongs to a span: a run that is free, holds blocks of one size class, or holds one
// large block. Free neighbours are merged at once. Deterministic: what is handed out depends only on
// the sequence of calls, never on time or on where the range lies. All of its state lies in memory
// that the caller gives, so that it moves with the arena it describes.
//
// Not thread-safe: guarded by the arena's lock. Makes no system call.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/mem/size_class.h"

namespace reprise::mem {

struct Span {
  enum class State : uint8_t { unused, free, small, large };

  uint32_t first_page = 0;
  uint32_t pages = 0;
  State state = State::unused;
  uint8_t size_class = 0;  // small
  bool zeroed = false;     // never written since the kernel gave it
  uint16_t live = 0;       // small: blocks in use
  Span* prev = nullptr;    // a bin's list, a class's list, or the list of unused spans
  Span* next = nullptr;
  uint64_t used[kMaxSlots / 64] = {};  // small: which slots are in use
};

// A doubly linked list of spans through prev and next.
class SpanList {
 public:
  Span* front() const { return head_; }
  bool empty() const { return head_ == nullptr; }
  void push_front(Span* span);
  void remove(Span* span);

 private:
  Span* head_ = nullptr;
};

class PageRuns {
 public:
  // Bytes of metadata for a range of this many pages: the page map, then the table of spans.
  static size_t metadata_bytes(uint32_t pages);

  // `metadata` must be zeroed memory of that size, aligned for Span.
  // `origin` is the number of the first page in the address space: alignment is absolute.
  PageRuns(void* metadata, uint32_t pages, uint64_t origin);
  PageRuns(const PageRuns&) = delete;
  PageRuns& operator=(const PageRuns&) = delete;

  // A run whose first address is a multiple of `alignment` pages (a power of two). Null if there
  // is none. Its state is the caller's to set; until then it is `large`.
  Span* take(uint32_t pages, uint32_t alignment);
  // REQUIRES: the span came from take() and was not given back.
  void give_back(Span* span);

  // The span that holds a page, null if the page is in none or within a free one.
  Span* span_of(uint32_t page) const;

  // The span, free or not, that begins with a page where one does; null from the end of what was handed out on.
  const Span* span_from(uint32_t page) const { return neighbour(page); }

  uint32_t pages_in_use() const { return in_use_; }

 private:
  static constexpr uint32_t kExactBins = 64;
  static constexpr uint32_t kBins = kExactBins + 32;

  static uint32_t bin_of(uint32_t pages);
  Span* find(uint32_t pages) const;
  Span* new_span(uint32_t first_page, uint32_t pages, bool zeroed);
  void drop_span(Span* span);
  Span* neighbour(uint32_t page) const;
  void map(Span* span);
  void insert(Span* span);
  void withdraw(Span* span);
  Span* split(Span* span, uint32_t pages);
  void free_run(Span* span);

  uint32_t* page_map_;  // index + 1 in spans_ of the span; exact at a span's first and last page,
                        // and at every page of a span in use
  Span* spans_;
  Span* unused_ = nullptr;
  uint32_t spans_made_ = 0;
  uint32_t pages_;
  uint64_t origin_;
  uint32_t top_ = 0;  // pages from here on were never handed out
  uint32_t in_use_ = 0;
  SpanList bins_[kBins];
};

}  // namespace reprise::mem
