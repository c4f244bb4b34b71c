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

  void add(const RecordView& record);
  // The decisions of a tape::kDecisions record.
  void add_decisions(const tape::Record& packed);

  // Whether the chunk should be written before another record is added.
  bool full() const;

  size_t records() const { return order_.size(); }
  size_t input_bytes() const { return input_bytes_; }
  // Calls visit(kind, records) for each shape.
  template <typename Visit>
  void each_shape(Visit visit) const {
    for (const Shape* shape : used_) visit(shape->like.kind, shape->values.size());
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

  Shape& shape_of(const tape::Record& head);
  Shape* find_shape(const tape::Record& head, uint64_t key);
  void add_number(const tape::Record& head, uint32_t check, Shape& shape);
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
  std::vector<uint16_t> order_;
  size_t input_bytes_ = 0;
  std::vector<size_t> cuts_;
};

}  // namespace reprise::trace
