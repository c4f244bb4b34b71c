// Records as they lie on the tape, seen one by one in a stretch of bytes.
//
// A RecordView points into memory that somebody else owns (the ring, or a decoded chunk) and is
// valid as long as that is. No thread safety of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "runtime/seam/tape.h"

namespace reprise::trace {

using Bytes = std::span<const std::byte>;

constexpr size_t padded(size_t size, size_t unit) { return (size + unit - 1) / unit * unit; }

class RecordView {
 public:
  // Looks at the record at the start of `bytes`. False if no whole record is there.
  bool parse(Bytes bytes) {
    if (bytes.size() < sizeof(tape::Record)) return false;
    start_ = bytes.data();
    std::memcpy(&head_, start_, sizeof head_);
    size_ = sizeof head_;
    if (head_.segments == 0) return true;
    size_t at = sizeof head_;
    for (int i = 0; i < head_.segments; ++i) {
      uint32_t length = 0;
      if (bytes.size() - at < sizeof length) return false;
      std::memcpy(&length, start_ + at, sizeof length);
      at += sizeof length;
      if (bytes.size() - at < length) return false;
      at += length;
      at = padded(at, 4);
      if (at > bytes.size()) return false;
    }
    size_ = padded(at, 8);
    return size_ <= bytes.size();
  }

  const tape::Record& head() const { return head_; }
  size_t size() const { return size_; }  // with padding: where the next one starts
  Bytes whole() const { return {start_, size_}; }

  // Calls visit(index, bytes) for each segment in order.
  template <typename Visit>
  void each_segment(Visit visit) const {
    size_t at = sizeof head_;
    for (int i = 0; i < head_.segments; ++i) {
      uint32_t length = 0;
      std::memcpy(&length, start_ + at, sizeof length);
      at += sizeof length;
      visit(i, Bytes{start_ + at, length});
      at = padded(at + length, 4);
    }
  }

 private:
  const std::byte* start_ = nullptr;
  tape::Record head_{};
  size_t size_ = 0;
};

// Appends a record to `out` in tape layout.
void append_record(std::vector<std::byte>& out, const tape::Record& head,
                   std::span<const Bytes> segments);

// Tokens of a chunk (FORMAT.md): below tape::kFirstUnpacked a packed decision, from there up a shape, and
// kFarShape a shape whose index follows in two bytes.
inline constexpr uint8_t kFarShape = 0xff;
inline constexpr uint16_t kFirstFarShape = kFarShape - tape::kFirstUnpacked;

// Whether a kind is a decision of the seam.
constexpr bool is_decision(uint16_t kind) {
  return kind >= tape::kFirstDecision && kind <= tape::kLastDecision;
}

}  // namespace reprise::trace
