// Turns records into one chunk's columns. Reused for chunk after chunk: a shape keeps its buffers, and
// they their capacity.
//
// Owns all that it holds; one thread.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "replay/columns.h"
#include "replay/records.h"
#include "replay/room.h"
#include "replay/trace_types.h"

namespace reprise::trace {

class ChunkBuilder {
 public:
  static constexpr size_t kMaxRecords = 1u << 16;
  static constexpr size_t kMaxShapes = 1u << 10;
  static constexpr size_t kMaxInputBytes = 2u << 20;  // a record that exceeds it still fits, alone

  ChunkBuilder();
  ~ChunkBuilder();

  // Takes whole records from the start of `tape`: up to its end, to a torn record, to the first that
  // starts `limit` bytes in or later, to one that is `rare`, or until the chunk is full. Returns how many
  // bytes it took.
  size_t take(Bytes tape, size_t limit) { return take_while<true>(tape, limit); }
  // The record at the start of `tape`, whatever it is. REQUIRES: it is whole, and !full().
  void take_any(Bytes tape) { take_while<false>(tape, tape.size()); }

  // Of which somebody wants to know besides: what maps a file, and the end.
  static constexpr bool rare(uint16_t kind) {
    return (kind & ~tape::kWithDecisions) == kMmap || kind == tape::kStart || kind == tape::kEnd;
  }
  static constexpr uint16_t kMmap = 9;

  // Whether the chunk should be written before another record is added.
  bool full() const {
    return records_ >= kMaxRecords || used_.size() >= kMaxShapes || input_bytes_ >= kMaxInputBytes;
  }

  size_t records() const { return records_; }
  size_t input_bytes() const { return input_bytes_; }
  // Calls visit(kind, records) for each kind, some of them more than once.
  template <typename Visit>
  void each_kind(Visit visit) const {
    for (const Shape* shape : used_) visit(shape->like.kind, uint64_t{shape->count});
    const KindCounts decisions = count_decisions();
    for (size_t kind = 0; kind < decisions.size(); ++kind) {
      visit(static_cast<uint16_t>(tape::kFirstDecision + kind), decisions[kind]);
    }
  }

  struct Context {  // what the chunk says besides its columns
    uint64_t first_record, tape_end;
    const std::vector<ObjectFile>& objects;
  };

  // Serialises to `inputs` and `chunk`, two Cap'n Proto messages, and starts anew. cuts(): where in
  // `chunk` a large column begins or ends.
  void finish(const Context& context, Room<std::byte>& inputs, std::vector<std::byte>& chunk);
  const std::vector<size_t>& cuts() const { return cuts_; }

 private:
  // One segment of a shape. What a short one has in common with the one before it, at its start and at its
  // end, is counted and left out of `bytes`.
  struct Stream {
    static constexpr size_t kShort = 255;   // so that a length in common is a byte
    static constexpr uint32_t kTrial = 64;  // rows after which looking is given up where it found little

    void put(uint32_t row, const std::byte* from, uint32_t length);
    void clear();
    // A column of `count`, or of none if all are 0.
    static std::span<const uint8_t> column(const std::unique_ptr<uint8_t[]>& of, uint32_t any, uint32_t count) {
      return {of.get(), any != 0 ? count : 0};
    }

    std::unique_ptr<uint32_t[]> lengths;
    std::unique_ptr<uint8_t[]> starts, ends;  // bytes in common
    Room<std::byte> bytes;
    uint32_t any_start = 0, any_end = 0;
    size_t left_out = 0;
    bool looks = true;
    uint32_t last_length = 0;                 // 0: there is none, or it was not short
    std::array<std::byte, kShort> last{};
  };
  struct Shape {
    explicit Shape(const tape::Record& head) : like(head), streams(head.segments) {}
    void grow();
    tape::Record like;       // kind, thread, segments, and a clock's check
    uint64_t chunk = 0;      // the last one in which it was used
    uint16_t index = 0;      // in that one
    uint32_t count = 0;      // of records, in each column
    uint32_t capacity = 0;   // of each column
    uint32_t any_check = 0;  // 0: all checks are
    std::unique_ptr<int64_t[]> values;
    std::unique_ptr<uint32_t[]> checks;
    std::vector<Stream> streams;
  };

  using KindCounts = std::array<uint64_t, tape::kFirstUnpacked / 16>;

  template <bool kStopAtRare>
  size_t take_while(Bytes tape, size_t limit);
  struct Carried {  // decisions that came with a record
    uint32_t bytes = 0, count = 0;
  };
  static constexpr size_t kTorn = ~size_t{0};
  static size_t segments_size(uint8_t segments, const std::byte* from, size_t left);
  size_t put(const tape::Record& head, Carried carried, const std::byte* segments, const std::byte* end);
  Shape& shape_of(const tape::Record& head, uint64_t key);
  Shape* find_shape(const tape::Record& head, uint64_t key);
  void put_token(uint16_t shape);
  void put_decisions(uint8_t thread, uint64_t packed, uint32_t count);
  KindCounts count_decisions() const;
  void put_inputs(Room<std::byte>& message) const;
  void clear();

  // A chunk may add kMaxShapes to what clear() leaves.
  static constexpr size_t kSlots = 8 * kMaxShapes;
  static constexpr size_t kMaxKeptShapes = 2 * kMaxShapes;
  std::vector<std::unique_ptr<Shape>> pool_;  // of this chunk and of those before
  std::array<Shape*, kSlots> slots_{};        // pool_ by hash of the key, linear probing
  struct Recent {
    uint64_t key = ~0ull;  // no record's: kinds end below
    Shape* shape = nullptr;
  };
  std::array<Recent, 256> recent_{};          // by hash of the key; slots_ has the truth
  uint64_t chunk_ = 1;
  std::vector<Shape*> used_;                  // in this chunk, by index
  // The chunk's tokens (FORMAT.md): a record takes six at most, if its thread has to be named.
  static constexpr size_t kMaxTokens = 6 * (kMaxRecords + tape::kPackedDecisions);
  std::unique_ptr<uint8_t[]> tokens_ = std::make_unique_for_overwrite<uint8_t[]>(kMaxTokens + 8);
  size_t token_count_ = 0;
  std::array<uint32_t, 16> far_bytes_{};      // by upper half: bytes of tokens_ that are a far shape's index
  size_t records_ = 0;
  uint8_t decider_ = 0;                       // the thread of the decision before
  size_t input_bytes_ = 0;
  std::vector<size_t> cuts_;
  std::vector<uint64_t> chunk_scratch_;       // first segment of the message; all 0 between two chunks
};

}  // namespace reprise::trace
