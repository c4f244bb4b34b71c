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
#include "replay/trace_types.h"

namespace reprise::trace {

class ChunkBuilder {
 public:
  static constexpr size_t kMaxRecords = 1u << 16;
  static constexpr size_t kMaxShapes = 1u << 10;
  static constexpr size_t kMaxInputBytes = 2u << 20;  // a record that exceeds it still fits, alone

  ChunkBuilder();
  ~ChunkBuilder();

  // A record with this head, which may differ from the one on the tape in kind and check, and the
  // segments of `record`. REQUIRES: !full(); the same holds for add_decisions().
  void add(const tape::Record& head, const RecordView& record);
  // `count` packed decisions of a thread, the first in the lowest byte.
  void add_decisions(uint8_t thread, uint64_t packed, uint32_t count);

  // Whether the chunk should be written before another record is added.
  bool full() const {
    return records_ >= kMaxRecords || used_.size() >= kMaxShapes || input_bytes_ >= kMaxInputBytes;
  }

  size_t records() const { return records_; }
  size_t input_bytes() const { return input_bytes_; }
  // Calls visit(kind, records) for each kind, some of them more than once.
  template <typename Visit>
  void each_kind(Visit visit) const {
    for (const Shape* shape : used_) visit(shape->like.kind, shape->values.size());
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
  void finish(const Context& context, std::vector<std::byte>& inputs,
              std::vector<std::byte>& chunk);
  const std::vector<size_t>& cuts() const { return cuts_; }

 private:
  struct Shape {
    explicit Shape(const tape::Record& head)
        : like(head), lengths(head.segments), bytes(head.segments) {}
    tape::Record like;    // kind, thread, segments, and a clock's check
    uint64_t chunk = 0;   // the last one in which it was used
    uint16_t index = 0;   // in that one
    std::vector<int64_t> values;
    std::vector<int64_t> checks;  // empty as long as all are 0
    std::vector<std::vector<int64_t>> lengths;
    std::vector<std::vector<std::byte>> bytes;
  };

  using KindCounts = std::array<uint64_t, tape::kFirstUnpacked / 16>;

  Shape& shape_of(const tape::Record& head);
  Shape* find_shape(const tape::Record& head, uint64_t key);
  void put_token(uint16_t shape);
  KindCounts count_decisions() const;
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
  std::array<Recent, 256> recent_{};          // by kind and thread; slots_ has the truth
  uint64_t chunk_ = 1;
  std::vector<Shape*> used_;                  // in this chunk, by index
  // The chunk's tokens (FORMAT.md): a record takes six at most, if its thread has to be named.
  static constexpr size_t kMaxTokens = 6 * (kMaxRecords + tape::kPackedDecisions);
  std::unique_ptr<uint8_t[]> tokens_ = std::make_unique_for_overwrite<uint8_t[]>(kMaxTokens + 8);
  size_t token_count_ = 0;
  size_t records_ = 0;
  uint8_t decider_ = 0;                       // the thread of the decision before
  size_t input_bytes_ = 0;
  std::vector<size_t> cuts_;
  // First segments of the messages; all 0 between two chunks.
  std::vector<uint64_t> input_scratch_, chunk_scratch_;
};

}  // namespace reprise::trace
