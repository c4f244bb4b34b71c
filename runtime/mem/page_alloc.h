// PageAlloc: which pages of the heap's arena are in use, and which hold memory.
//
// Two bits a page: in use; *resident* (it may hold memory, because it was handed out and not released since). A page that
// is not resident reads as zeros. Over the bits lies a tree: leaves are chunks of 512 pages, each inner node stands for
// eight below; a node knows how many free pages it begins with, ends with, and has in a row at most. So the lowest run
// of any length is found in a few steps a level (the design of the reference's page allocator). The tree is brought up to date
// when it is asked.
//
// All of it is memory that the caller gives, zeroed, and zeros mean that everything is free and nothing resident: a range of
// gigabytes costs nothing before it is used.
//
// Deterministic: the lowest run that fits. Not thread-safe: mheap_.lock. Makes no system call.
#pragma once

#include <cstddef>
#include <cstdint>

namespace reprise::rt {

class PageAlloc {
 public:
  static constexpr size_t kChunkPages = 512;
  static constexpr size_t kChunkWords = kChunkPages / 64;

  // Bytes of metadata for that many pages.
  static size_t metadata_bytes(size_t pages);

  PageAlloc() = default;
  // `pages` is a power of two of at least a chunk, below 2^31. `metadata` as said above.
  void init(void* metadata, size_t pages);

  static constexpr size_t kNone = SIZE_MAX;
  struct Run {
    size_t page = kNone;
    size_t resident = 0;  // pages of it that were resident: the rest is zeros
  };
  // The lowest run of `npages` free pages, now in use and resident. page == kNone: there is none.
  Run alloc(size_t npages);
  // REQUIRES: all of them are in use.
  void free(size_t page, size_t npages);

  // The highest run of free, resident pages, at most max_pages of its end; they are in use from now on, until give_back.
  // page == kNone: there are none.
  struct Scavengable {
    size_t page = kNone;
    size_t npages = 0;
  };
  Scavengable take_scavengable(size_t max_pages);
  // They are free again, and not resident if `released`.
  void give_back(const Scavengable& run, bool released);

  size_t in_use() const { return in_use_; }
  size_t resident() const { return resident_pages_; }
  size_t top() const { return top_; }  // pages from here on were never handed out
  bool is_free(size_t page) const { return (used_[page / 64] >> (page % 64) & 1) == 0; }
  bool is_resident(size_t page) const { return (held_[page / 64] >> (page % 64) & 1) != 0; }

  // Ends the program if a node of the tree is not what the bits say.
  void check_for_test();

 private:
  static constexpr int kMaxLevels = 9;
  static constexpr size_t kFanout = 8;

  // Complements, so that zeros are a node that is free as a whole: pages of the node, less the count.
  struct Node {
    uint32_t start_less, max_less, end_less;
    bool operator==(const Node&) const = default;
  };
  struct Free {
    size_t start, max, end;
  };

  Free read(int level, size_t index) const;
  bool write(int level, size_t index, const Free& value);  // whether it changes
  size_t node_pages(int level) const { return kChunkPages << (3 * (levels_ - 1 - level)); }
  Free of_chunk(size_t chunk) const;
  Free merged(int level, size_t index) const;
  void note_change(size_t page, size_t npages);
  void settle();
  size_t find(size_t npages);
  size_t find_at_search(size_t npages) const;
  size_t find_in_chunk(size_t chunk, size_t from, size_t npages) const;

  uint64_t* used_ = nullptr;
  uint64_t* held_ = nullptr;
  Node* level_[kMaxLevels] = {};   // 0 is the root's
  size_t count_[kMaxLevels] = {};  // nodes of a level
  int levels_ = 0;
  size_t pages_ = 0;
  size_t in_use_ = 0;
  size_t resident_pages_ = 0;
  size_t top_ = 0;
  size_t search_ = 0;        // no page below is free
  size_t scavenge_top_ = 0;  // chunks from here on hold no free resident page
  static constexpr size_t kMaxStale = 8;
  size_t stale_[kMaxStale] = {};  // chunks that changed since their leaves were written
  size_t stale_count_ = 0;
};

}  // namespace reprise::rt
