// A sorted array of free intervals, first fit from below.
//
// The array is bounded. When it is full, a release that would need another entry is forgotten: the
// addresses are lost, the same ones in record and in replay. A program that fragments its address
// space into more than kIntervals holes runs out of nothing: the area is 512 GiB.
#include "runtime/stage/address_space.h"

#include "runtime/stage/layout.h"
#include "runtime/stage/text.h"

namespace reprise::stage {
namespace {

constexpr int kIntervals = 16384;
constexpr uint64_t kHugePage = 2 << 20;

struct Interval {
  uint64_t begin, end;
};

class FreeSet {
 public:
  constexpr FreeSet(uint64_t begin, uint64_t end) : low_(begin), high_(end), count_(1) { free_[0] = {begin, end}; }

  uint64_t first_fit(uint64_t size) {
    const uint64_t alignment = size >= kHugePage ? kHugePage : kPage;
    for (int i = 0; i < count_; ++i) {
      const uint64_t at = (free_[i].begin + alignment - 1) & ~(alignment - 1);
      if (at < free_[i].end && free_[i].end - at >= size) return at;
    }
    return 0;
  }

  void remove(uint64_t begin, uint64_t end) {
    for (int i = first_ending_after(begin); i < count_ && free_[i].begin < end;) {
      Interval& f = free_[i];
      const Interval behind = {end, f.end};
      const bool before = f.begin < begin;
      if (before) f.end = begin;
      if (behind.begin < behind.end) {
        if (before) {
          insert(i + 1, behind);
        } else {
          f = behind;
        }
        return;
      }
      if (before) {
        ++i;
      } else {
        erase(i);
      }
    }
  }

  void add(uint64_t begin, uint64_t end) {
    if (begin < low_) begin = low_;
    if (end > high_) end = high_;
    if (begin >= end) return;
    remove(begin, end);
    const int i = first_ending_after(begin);
    const bool joins_left = i > 0 && free_[i - 1].end == begin;
    const bool joins_right = i < count_ && free_[i].begin == end;
    if (joins_left && joins_right) {
      free_[i - 1].end = free_[i].end;
      erase(i);
    } else if (joins_left) {
      free_[i - 1].end = end;
    } else if (joins_right) {
      free_[i].begin = begin;
    } else {
      insert(i, {begin, end});
    }
  }

 private:
  int first_ending_after(uint64_t at) const {
    int low = 0, high = count_;
    while (low < high) {
      const int middle = (low + high) / 2;
      if (free_[middle].end > at) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    return low;
  }

  void insert(int i, Interval interval) {
    if (count_ == kIntervals) return;
    memmove(&free_[i + 1], &free_[i], (count_ - i) * sizeof *free_);
    free_[i] = interval;
    ++count_;
  }

  void erase(int i) {
    --count_;
    memmove(&free_[i], &free_[i + 1], (count_ - i) * sizeof *free_);
  }

  uint64_t low_, high_;
  int count_;
  Interval free_[kIntervals] = {};
};

constinit FreeSet area(kMapBase, kMapEnd);
constinit FreeSet low_area(kLowMapBase, kLowMapEnd);

}  // namespace

uint64_t claim_anywhere(uint64_t size, bool low) {
  FreeSet& set = low ? low_area : area;
  const uint64_t at = set.first_fit(size);
  if (at) set.remove(at, at + size);
  return at;
}

void claim(uint64_t begin, uint64_t end) {
  area.remove(begin, end);
  low_area.remove(begin, end);
}

void release(uint64_t begin, uint64_t end) {
  area.add(begin, end);
  low_area.add(begin, end);
}

}  // namespace reprise::stage
