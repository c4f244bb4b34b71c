// The envelope of everything in a trace file: a 32-byte head and a zstd payload (FORMAT.md).
//
// FrameWriter appends to a descriptor that the caller owns; FrameReader reads by position and
// never holds more than one payload. One thread each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "replay/error.h"

typedef struct ZSTD_CCtx_s ZSTD_CCtx;
typedef struct ZSTD_DCtx_s ZSTD_DCtx;

namespace reprise::trace {

enum class FrameKind : uint16_t { header = 1, inputs = 2, chunk = 3, footer = 4 };
const char* name_of(FrameKind kind);

inline constexpr uint32_t kFrameMagic = 0x465a'5052;  // "RPZF"
inline constexpr uint16_t kFormatVersion = 4;
inline constexpr uint16_t kOldestFormatVersion = 1;  // that is still read
inline constexpr uint32_t kMaxRawBytes = 32u << 20;   // of one payload, uncompressed

struct FrameHead {
  uint32_t magic;
  uint16_t kind;
  uint16_t version;
  uint32_t raw_bytes;     // of the message
  uint32_t stored_bytes;  // of the payload that follows
  uint64_t sequence;      // 0, 1, 2, ... in the file
  uint64_t checksum;      // XXH3 of the 24 bytes before and the payload
};
static_assert(sizeof(FrameHead) == 32);

class FrameWriter {
 public:
  // `level` is zstd's.
  FrameWriter(int fd, int level);
  ~FrameWriter();
  FrameWriter(const FrameWriter&) = delete;
  FrameWriter& operator=(const FrameWriter&) = delete;

  // Appends one frame. Each of `cuts`, ascending offsets into the message, starts a zstd block, with
  // its own statistics. Shorter matches than `least_match` are not looked for; 0: as zstd's level has it. 0, or the
  // errno of the write; the file may then end in a torn frame, which trim() cuts off.
  int append(FrameKind kind, std::span<const std::byte> message, std::span<const size_t> cuts = {},
             int least_match = 0);

  // Cuts the file to its whole frames. 0 or errno.
  int trim();

  uint64_t bytes() const { return offset_; }        // of whole frames so far
  uint64_t next_sequence() const { return sequence_; }

  // Goes on after frames that are there already (recovery).
  void resume(uint64_t offset, uint64_t sequence) { offset_ = offset, sequence_ = sequence; }

 private:
  // Bytes in buffer_ behind the head; 0 if there is no memory.
  size_t compress(std::span<const std::byte> message, std::span<const size_t> cuts, int least_match);

  int fd_;
  ZSTD_CCtx* context_;
  uint64_t offset_ = 0;
  uint64_t sequence_ = 0;
  std::vector<std::byte> buffer_;
};

// Where a frame lies, from its head alone.
struct FrameRef {
  FrameKind kind{};
  uint64_t offset = 0;
  uint32_t raw_bytes = 0;
  uint32_t stored_bytes = 0;
  uint64_t sequence = 0;
  uint64_t end() const { return offset + sizeof(FrameHead) + stored_bytes; }
};

class FrameReader {
 public:
  // `fd` stays the caller's and is read by pread only.
  FrameReader(int fd, std::string path);
  ~FrameReader();
  FrameReader(const FrameReader&) = delete;
  FrameReader& operator=(const FrameReader&) = delete;

  // Looks at the head at `offset`, which must be below the file's size. The frame must be
  // number `sequence` and end within the file.
  Error look(uint64_t offset, uint64_t sequence, FrameRef& out);

  // Reads, checks and decompresses a frame that look() found. `out` is 8-byte aligned.
  Error load(const FrameRef& frame, std::vector<uint64_t>& out);

  uint64_t file_bytes() const { return file_bytes_; }

 private:
  Error bad(uint64_t offset, std::string message) const;
  Error read_at(uint64_t offset, void* to, size_t size);

  int fd_;
  std::string path_;
  uint64_t file_bytes_ = 0;
  ZSTD_DCtx* context_;
  std::vector<std::byte> stored_;
};

}  // namespace reprise::trace
