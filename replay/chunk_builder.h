// Turns records into one chunk's columns. Reused for chunk after chunk: buffers keep their capacity.
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

  // Whether the chunk should be written before another record is added.
  bool full() const;

  size_t records() const { return order_.size(); }
  size_t input_bytes() const { return input_bytes_; }

  struct Context {  // what the chunk says besides its columns
    uint64_t first_record, tape_end;
    const std::vector<ObjectFile>& objects;
  };

  // Serialises to `inputs` and `chunk`, two Cap'n Proto messages, and starts anew.
  void finish(const Context& context, std::vector<std::byte>& inputs,
              std::vector<std::byte>& chunk);

 private:
  struct Shape {
    tape::Record like{};  // kind, thread, segments
    std::vector<int64_t> values;
    std::vector<int64_t> checks;  // empty as long as all are 0
    std::vector<std::vector<int64_t>> lengths;
    std::vector<std::vector<std::byte>> bytes;
  };

  uint16_t shape_of(const tape::Record& head);
  uint16_t find_shape(const tape::Record& head, uint64_t key);
  void clear();

  static constexpr size_t kSlots = 4 * kMaxShapes;
  std::array<uint32_t, kSlots> slots_{};    // shape index + 1 by hash of its key, linear probing
  std::vector<std::unique_ptr<Shape>> pool_;  // the first shapes_ are in use
  size_t shapes_ = 0;
  struct Recent {
    uint64_t key = ~0ull;  // no record's: kinds end below
    uint16_t shape = 0;
  };
  std::array<Recent, 256> recent_{};        // by kind and thread; slots_ has the truth
  std::vector<uint16_t> order_;
  size_t input_bytes_ = 0;
};

}  // namespace reprise::trace
