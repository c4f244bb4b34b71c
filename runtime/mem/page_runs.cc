// Runs of pages: segregated free lists, exact up to 64 pages and by powers of two above, best fit
// within a list, merged at once with free neighbours.
//
// Invariants: no two free spans touch; a free span is in the bin of its length; page_map_ names the
// span at both ends of every span, and at every page of a span in use. Pages from top_ on are zero.
// Lists are used in last in, first out order, so the outcome depends on the calls alone.
#include "runtime/mem/page_runs.h"

#include <algorithm>
#include <bit>
#include <new>

namespace reprise::mem {

void SpanList::push_front(Span* span) {
  span->prev = nullptr;
  span->next = head_;
  if (head_ != nullptr) head_->prev = span;
  head_ = span;
}

void SpanList::remove(Span* span) {
  if (span->prev != nullptr) span->prev->next = span->next;
  if (span->next != nullptr) span->next->prev = span->prev;
  if (head_ == span) head_ = span->next;
  span->prev = span->next = nullptr;
}

size_t PageRuns::metadata_bytes(uint32_t pages) {
  return (pages * sizeof(uint32_t) + alignof(Span) - 1) / alignof(Span) * alignof(Span) +
         pages * sizeof(Span);
}

PageRuns::PageRuns(void* metadata, uint32_t pages, uint64_t origin)
    : page_map_(static_cast<uint32_t*>(metadata)),
      spans_(reinterpret_cast<Span*>(static_cast<char*>(metadata) + metadata_bytes(pages) -
                                     pages * sizeof(Span))),
      pages_(pages),
      origin_(origin) {}

Span* PageRuns::take(uint32_t pages, uint32_t alignment) {
  const uint32_t slack = alignment - 1;
  if (pages > pages_ || slack > pages_ - pages) return nullptr;
  Span* span = find(pages + slack);
  if (span != nullptr) {
    withdraw(span);
  } else {
    if (pages + slack > pages_ - top_) return nullptr;
    span = new_span(top_, pages + slack, true);
    top_ += pages + slack;
  }
  const auto before = static_cast<uint32_t>(-(origin_ + span->first_page) & slack);
  if (before != 0) {
    Span* const rest = split(span, before);
    free_run(span);
    span = rest;
  }
  if (span->pages > pages) free_run(split(span, pages));
  for (uint32_t page = 0; page < pages; ++page)
    page_map_[span->first_page + page] = static_cast<uint32_t>(span - spans_) + 1;
  in_use_ += pages;
  return span;
}

void PageRuns::give_back(Span* span) {
  in_use_ -= span->pages;
  free_run(span);
}

Span* PageRuns::span_of(uint32_t page) const {
  if (page >= top_ || page_map_[page] == 0) return nullptr;
  Span* const span = &spans_[page_map_[page] - 1];
  const bool in_use = span->state == Span::State::small || span->state == Span::State::large;
  // Inside a free span the map is stale.
  return in_use && page - span->first_page < span->pages ? span : nullptr;
}

// The span that begins or ends at `page`, which does: its map entry is exact.
Span* PageRuns::neighbour(uint32_t page) const {
  return page < top_ ? &spans_[page_map_[page] - 1] : nullptr;
}

uint32_t PageRuns::bin_of(uint32_t pages) {
  return pages <= kExactBins ? pages - 1
                             : kExactBins + static_cast<uint32_t>(std::bit_width(pages - 1)) - 7;
}

Span* PageRuns::find(uint32_t pages) const {
  for (uint32_t bin = bin_of(pages); bin < kBins; ++bin) {
    Span* best = nullptr;
    for (Span* span = bins_[bin].front(); span != nullptr; span = span->next)
      if (span->pages >= pages && (best == nullptr || span->pages < best->pages)) best = span;
    if (best != nullptr) return best;
  }
  return nullptr;
}

Span* PageRuns::new_span(uint32_t first_page, uint32_t pages, bool zeroed) {
  Span* span = unused_;
  if (span != nullptr) {
    unused_ = span->next;
  } else {
    span = &spans_[spans_made_++];
  }
  new (span) Span{
      .first_page = first_page, .pages = pages, .state = Span::State::large, .zeroed = zeroed};
  return span;
}

void PageRuns::drop_span(Span* span) {
  span->state = Span::State::unused;
  span->next = unused_;
  unused_ = span;
}

void PageRuns::map(Span* span) {
  const auto index = static_cast<uint32_t>(span - spans_) + 1;
  page_map_[span->first_page] = index;
  page_map_[span->first_page + span->pages - 1] = index;
}

void PageRuns::insert(Span* span) {
  span->state = Span::State::free;
  map(span);
  bins_[bin_of(span->pages)].push_front(span);
}

// Out of its bin; `large` from now on, so that neighbours do not merge with it.
void PageRuns::withdraw(Span* span) {
  bins_[bin_of(span->pages)].remove(span);
  span->state = Span::State::large;
}

// Cuts a span that is in no list after `pages` pages; returns the rest, in no list either.
Span* PageRuns::split(Span* span, uint32_t pages) {
  Span* const rest = new_span(span->first_page + pages, span->pages - pages, span->zeroed);
  span->pages = pages;
  map(span);
  map(rest);
  return rest;
}

void PageRuns::free_run(Span* span) {
  Span* const after = neighbour(span->first_page + span->pages);
  if (after != nullptr && after->state == Span::State::free) {
    withdraw(after);
    span->pages += after->pages;
    span->zeroed &= after->zeroed;
    drop_span(after);
  }
  Span* const before = span->first_page > 0 ? neighbour(span->first_page - 1) : nullptr;
  if (before != nullptr && before->state == Span::State::free) {
    withdraw(before);
    before->pages += span->pages;
    before->zeroed &= span->zeroed;
    drop_span(span);
    span = before;
  }
  insert(span);
}

}  // namespace reprise::mem
