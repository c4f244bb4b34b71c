// One chunk's columns back to records in tape layout.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "replay/records.h"
#include "replay/trace_types.h"

namespace reprise::trace {

struct DecodedChunk {
  uint64_t offset = 0;  // of its frame in the file
  uint64_t first_record = 0;
  uint32_t count = 0;
  uint64_t tape_end = 0;
  std::vector<std::byte> records;  // in tape layout, `count` of them
  std::vector<ObjectFile> objects;
};

inline constexpr uint32_t kMaxChunkRecords = 1u << 17;

// Rebuilds the records. False and *why if the messages contradict themselves; then `out` is
// unspecified. Memory: the sum of both messages, their columns at 8 bytes a value, and the records.
bool decode_chunk(std::span<const uint64_t> inputs, std::span<const uint64_t> chunk,
                  DecodedChunk& out, std::string* why);

}  // namespace reprise::trace
