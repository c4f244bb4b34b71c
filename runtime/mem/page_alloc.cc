// The lowest run of free pages by a tree of summaries over bitmaps.
//
// Invariants: a leaf is what its chunk's bits say, an inner node what its eight children say, whenever no call is under
// way (check_for_test), but for the leaves in stale_ and what is above them. No page below search_ is free. A chunk at
// scavenge_top_ or above has no free resident page.
//
// Most runs are short, and lie in the chunk that search_ is in: then they are found in its bits, and the tree is not asked. So it is
// set right when it is, not at each change: a chunk from which runs are taken, and to which they come back, one by one, is
// summed up once.
//
// The search goes along one level from the left and carries the free pages that the nodes so far end with. Where those and
// what the next node begins with are enough, that is the lowest run, since it begins before the node; else, where the node has
// enough in a row inside, the lowest run begins in it and the search goes on among its children. Nothing can be carried
// into them that is enough, or it had been found one level up.
//
// Rejected: lists of free runs by size (runtime/mem/page_runs.h), which give the best fit, not the lowest address: the heap
// would not shrink from its end, where the scavenger works.
#include "runtime/mem/page_alloc.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "runtime/sched/proc.h"

namespace reprise::rt {

namespace {

size_t levels_of(size_t chunks) {
  size_t levels = 1;
  for (; chunks > 8 && chunks % 8 == 0; chunks /= 8) ++levels;
  return levels;
}

// Calls f(word index, mask) for each word of a run of bits.
template <class F>
void each_word(size_t first, size_t count, F f) {
  while (count > 0) {
    const size_t bit = first % 64, n = std::min(count, 64 - bit);
    f(first / 64, (n == 64 ? ~uint64_t{0} : (uint64_t{1} << n) - 1) << bit);
    first += n;
    count -= n;
  }
}

// From `from` on the first bit that is `value`, in `words` words; their number of bits if there is none.
size_t next_bit(const uint64_t* bits, size_t words, size_t from, bool value) {
  const uint64_t flip = value ? 0 : ~uint64_t{0};
  size_t word = from / 64;
  if (word >= words) return words * 64;
  uint64_t left = (bits[word] ^ flip) >> (from % 64);
  if (left != 0) return from + static_cast<size_t>(std::countr_zero(left));
  while (++word < words) {
    left = bits[word] ^ flip;
    if (left != 0) return word * 64 + static_cast<size_t>(std::countr_zero(left));
  }
  return words * 64;
}

}  // namespace

size_t PageAlloc::metadata_bytes(size_t pages) {
  size_t nodes = 0, count = pages / kChunkPages;
  for (size_t level = levels_of(count); level > 0; --level, count /= kFanout) nodes += count;
  return pages / 64 * sizeof(uint64_t) * 2 + nodes * sizeof(Node);
}

void PageAlloc::init(void* metadata, size_t pages) {
  pages_ = pages;
  used_ = static_cast<uint64_t*>(metadata);
  held_ = used_ + pages / 64;
  auto* next = reinterpret_cast<Node*>(held_ + pages / 64);
  size_t count = pages / kChunkPages;
  levels_ = static_cast<int>(levels_of(count));
  for (int level = levels_ - 1; level >= 0; --level, count /= kFanout) {
    level_[level] = next;
    count_[level] = count;
    next += count;
  }
}

PageAlloc::Free PageAlloc::read(int level, size_t index) const {
  const Node& n = level_[level][index];
  const size_t pages = node_pages(level);
  return {pages - n.start_less, pages - n.max_less, pages - n.end_less};
}

bool PageAlloc::write(int level, size_t index, const Free& value) {
  const size_t pages = node_pages(level);
  const Node node{static_cast<uint32_t>(pages - value.start), static_cast<uint32_t>(pages - value.max),
                  static_cast<uint32_t>(pages - value.end)};
  return std::exchange(level_[level][index], node) != node;
}

PageAlloc::Free PageAlloc::of_chunk(size_t chunk) const {
  const uint64_t* const bits = used_ + chunk * kChunkWords;
  Free free{0, 0, 0};
  for (size_t at = next_bit(bits, kChunkWords, 0, false); at < kChunkPages;) {
    const size_t end = next_bit(bits, kChunkWords, at, true);
    if (at == 0) free.start = end;
    if (end == kChunkPages) free.end = end - at;
    free.max = std::max(free.max, end - at);
    at = next_bit(bits, kChunkWords, end, false);
  }
  return free;
}

PageAlloc::Free PageAlloc::merged(int level, size_t index) const {
  const size_t child_pages = node_pages(level + 1);
  Free all{0, 0, 0};
  for (size_t i = 0; i < kFanout; ++i) {
    const Free child = read(level + 1, index * kFanout + i);
    if (all.start == i * child_pages) all.start += child.start;
    all.max = std::max({all.max, child.max, all.end + child.start});
    all.end = child.end == child_pages ? all.end + child_pages : child.end;
  }
  return all;
}

void PageAlloc::note_change(size_t page, size_t npages) {
  const size_t last = (page + npages - 1) / kChunkPages;
  for (size_t chunk = page / kChunkPages; chunk <= last; ++chunk) {
    if (std::find(stale_, stale_ + stale_count_, chunk) != stale_ + stale_count_) continue;
    if (stale_count_ == kMaxStale) settle();
    stale_[stale_count_++] = chunk;
  }
}

// Level by level upwards, as far as anything changes. A parent follows the children that lead to it, so the list is reused.
void PageAlloc::settle() {
  size_t count = stale_count_;
  stale_count_ = 0;
  for (int level = levels_ - 1; level >= 0 && count != 0; --level) {
    size_t parents = 0;
    for (size_t i = 0; i < count; ++i) {
      const size_t index = stale_[i];
      if (!write(level, index, level == levels_ - 1 ? of_chunk(index) : merged(level, index))) continue;
      const size_t parent = index / kFanout;
      if (parents == 0 || stale_[parents - 1] != parent) stale_[parents++] = parent;
    }
    count = parents;
  }
}

size_t PageAlloc::find_in_chunk(size_t chunk, size_t from, size_t npages) const {
  const uint64_t* const bits = used_ + chunk * kChunkWords;
  for (size_t at = next_bit(bits, kChunkWords, from, false); at < kChunkPages;) {
    const size_t end = next_bit(bits, kChunkWords, at, true);
    if (end - at >= npages) return chunk * kChunkPages + at;
    at = next_bit(bits, kChunkWords, end, false);
  }
  return kNone;
}

// What begins below the run that is found here and is as long would end in this chunk, too, and begin at search_ or above.
size_t PageAlloc::find_at_search(size_t npages) const {
  return search_ < pages_ ? find_in_chunk(search_ / kChunkPages, search_ % kChunkPages, npages) : kNone;
}

size_t PageAlloc::find(size_t npages) {
  if (const size_t page = find_at_search(npages); page != kNone) return page;
  settle();
  size_t first = search_ / node_pages(0), end = count_[0];
  for (int level = 0;; ++level) {
    const size_t pages = node_pages(level);
    size_t carried = 0, inside = kNone;
    for (size_t i = first; i < end; ++i) {
      const Free node = read(level, i);
      if (carried + node.start >= npages) return i * pages - carried;
      if (node.max >= npages) {
        inside = i;
        break;
      }
      carried = node.end == pages ? carried + pages : node.end;
    }
    if (inside == kNone) {
      if (level == 0) return kNone;
      throw_("page allocator: a node has fewer free pages than its summary");
    }
    if (level == levels_ - 1) {
      const size_t page = find_in_chunk(inside, 0, npages);
      if (page == kNone) throw_("page allocator: a chunk has fewer free pages than its summary");
      return page;
    }
    first = inside * kFanout;
    end = first + kFanout;
  }
}

PageAlloc::Run PageAlloc::alloc(size_t npages) {
  const size_t page = npages == 0 || npages > pages_ ? kNone : find(npages);
  if (page == kNone) return {};
  Run run{page, 0};
  each_word(page, npages, [&](size_t word, uint64_t mask) {
    run.resident += static_cast<size_t>(std::popcount(held_[word] & mask));
    used_[word] |= mask;
    held_[word] |= mask;
  });
  note_change(page, npages);
  in_use_ += npages;
  resident_pages_ += npages - run.resident;
  top_ = std::max(top_, page + npages);
  // A longer run was asked for than what may be free below it.
  if (npages == 1 || page == search_) search_ = page + npages;
  return run;
}

void PageAlloc::free(size_t page, size_t npages) {
  each_word(page, npages, [&](size_t word, uint64_t mask) {
    if ((used_[word] & mask) != mask) throw_("page allocator: pages are freed that are not in use");
    used_[word] &= ~mask;
  });
  note_change(page, npages);
  in_use_ -= npages;
  search_ = std::min(search_, page);
  scavenge_top_ = std::max(scavenge_top_, (page + npages - 1) / kChunkPages + 1);
}

PageAlloc::Scavengable PageAlloc::take_scavengable(size_t max_pages) {
  for (; scavenge_top_ > 0; --scavenge_top_) {
    const size_t first_word = (scavenge_top_ - 1) * kChunkWords;
    for (size_t word = first_word + kChunkWords; word-- > first_word;) {
      const uint64_t idle = held_[word] & ~used_[word];
      if (idle == 0) continue;
      // The highest run of ones of the word; runs that go on below are taken in the next round.
      const int above = std::countl_zero(idle);
      const auto length = std::min(static_cast<size_t>(std::countl_one(idle << above)), max_pages);
      const Scavengable run{word * 64 + 64 - static_cast<size_t>(above) - length, length};
      each_word(run.page, run.npages, [&](size_t w, uint64_t mask) { used_[w] |= mask; });
      note_change(run.page, run.npages);
      in_use_ += length;
      return run;
    }
  }
  return {};
}

void PageAlloc::give_back(const Scavengable& run, bool released) {
  if (released) {
    each_word(run.page, run.npages, [&](size_t word, uint64_t mask) { held_[word] &= ~mask; });
    resident_pages_ -= run.npages;
  }
  free(run.page, run.npages);
}

void PageAlloc::check_for_test() {
  settle();
  const auto same = [](const Free& a, const Free& b) { return a.start == b.start && a.max == b.max && a.end == b.end; };
  for (size_t chunk = 0; chunk < count_[levels_ - 1]; ++chunk) {
    if (!same(read(levels_ - 1, chunk), of_chunk(chunk))) throw_("page allocator: a leaf is wrong");
  }
  for (int level = levels_ - 2; level >= 0; --level) {
    for (size_t i = 0; i < count_[level]; ++i) {
      if (!same(read(level, i), merged(level, i))) throw_("page allocator: a node is wrong");
    }
  }
  if (next_bit(used_, pages_ / 64, 0, false) < search_) throw_("page allocator: a page below search_ is free");
}

}  // namespace reprise::rt
