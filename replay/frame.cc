// Frames: head, checksum, zstd.
//
// Invariants: every byte of the file belongs to exactly one frame; every bit of a frame is covered
// by its checksum or is the checksum; nothing is allocated by a length that was not first compared
// with kMaxRawBytes and with the size of the file. So a damaged file costs a line, not memory.
//
// The payload is checked before it is decompressed: zstd then only ever sees what we wrote, unless
// somebody made the checksum fit, for which its own bounds and our raw_bytes stand.
#include "replay/frame.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#define XXH_STATIC_LINKING_ONLY  // XXH3_state_t on the stack
#include <xxhash.h>
#include <zstd.h>

#include <cerrno>
#include <cstring>

namespace reprise::trace {
namespace {

constexpr size_t kChecked = offsetof(FrameHead, checksum);

uint64_t checksum(const FrameHead& head, const std::byte* payload) {
  XXH3_state_t state;
  XXH3_64bits_reset(&state);
  XXH3_64bits_update(&state, &head, kChecked);
  XXH3_64bits_update(&state, payload, head.stored_bytes);
  return XXH3_64bits_digest(&state);
}

// Writes all of it. 0 or errno.
int write_all(int fd, const std::byte* p, size_t n, uint64_t at) {
  while (n > 0) {
    ssize_t done = pwrite(fd, p, n, static_cast<off_t>(at));
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return errno;
    if (done == 0) return ENOSPC;
    p += done, n -= static_cast<size_t>(done), at += static_cast<uint64_t>(done);
  }
  return 0;
}

}  // namespace

const char* name_of(FrameKind kind) {
  switch (kind) {
    case FrameKind::header: return "header";
    case FrameKind::inputs: return "inputs";
    case FrameKind::chunk: return "chunk";
    case FrameKind::footer: return "footer";
  }
  return "unknown";
}

FrameWriter::FrameWriter(int fd, int level) : fd_(fd), context_(ZSTD_createCCtx()) {
  ZSTD_CCtx_setParameter(context_, ZSTD_c_compressionLevel, level);
  ZSTD_CCtx_setParameter(context_, ZSTD_c_contentSizeFlag, 0);  // raw_bytes says it
}

FrameWriter::~FrameWriter() { ZSTD_freeCCtx(context_); }

size_t FrameWriter::compress(std::span<const std::byte> message, std::span<const size_t> cuts, int least_match) {
  ZSTD_CCtx_reset(context_, ZSTD_reset_session_only);
  ZSTD_CCtx_setParameter(context_, ZSTD_c_minMatch, least_match);
  ZSTD_CCtx_setPledgedSrcSize(context_, message.size());
  ZSTD_outBuffer out{buffer_.data() + sizeof(FrameHead), buffer_.size() - sizeof(FrameHead), 0};
  ZSTD_inBuffer in{message.data(), 0, 0};
  for (size_t cut : cuts) {
    in.size = cut;
    const size_t left = ZSTD_compressStream2(context_, &out, &in, ZSTD_e_flush);
    if (ZSTD_isError(left) || left != 0) return 0;
  }
  in.size = message.size();
  const size_t left = ZSTD_compressStream2(context_, &out, &in, ZSTD_e_end);
  return ZSTD_isError(left) || left != 0 ? 0 : out.pos;
}

int FrameWriter::append(FrameKind kind, std::span<const std::byte> message, std::span<const size_t> cuts,
                        int least_match) {
  if (message.size() > kMaxRawBytes) return EFBIG;
  constexpr size_t kBlockHead = 16;  // of a block that a cut starts, at most
  size_t need = sizeof(FrameHead) + ZSTD_compressBound(message.size()) + kBlockHead * cuts.size();
  if (buffer_.size() < need) buffer_.resize(need);  // never smaller: growing again would zero it again
  std::byte* payload = buffer_.data() + sizeof(FrameHead);
  size_t stored = compress(message, cuts, least_match);
  if (stored == 0) return ENOMEM;
  FrameHead head{kFrameMagic, static_cast<uint16_t>(kind), kFormatVersion,
                 static_cast<uint32_t>(message.size()), static_cast<uint32_t>(stored), sequence_, 0};
  head.checksum = checksum(head, payload);
  std::memcpy(buffer_.data(), &head, sizeof head);
  size_t size = sizeof head + stored;
  if (int failed = write_all(fd_, buffer_.data(), size, offset_)) return failed;
  offset_ += size;
  ++sequence_;
  return 0;
}

int FrameWriter::trim() { return ftruncate(fd_, static_cast<off_t>(offset_)) == 0 ? 0 : errno; }

FrameReader::FrameReader(int fd, std::string path)
    : fd_(fd), path_(std::move(path)), context_(ZSTD_createDCtx()) {
  struct stat st {};
  if (fstat(fd, &st) == 0) file_bytes_ = static_cast<uint64_t>(st.st_size);
}

FrameReader::~FrameReader() { ZSTD_freeDCtx(context_); }

Error FrameReader::bad(uint64_t offset, std::string message) const {
  return {Error::Kind::bad_trace, path_, offset, std::move(message)};
}

Error FrameReader::read_at(uint64_t offset, void* to, size_t size) {
  auto* p = static_cast<char*>(to);
  while (size > 0) {
    ssize_t n = pread(fd_, p, size, static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return {Error::Kind::io, path_, offset, std::strerror(errno)};
    if (n == 0) return bad(offset, fmt::format("expected {} more bytes, the file ends", size));
    p += n, size -= static_cast<size_t>(n), offset += static_cast<uint64_t>(n);
  }
  return {};
}

Error FrameReader::look(uint64_t offset, uint64_t sequence, FrameRef& out) {
  uint64_t left = file_bytes_ - offset;
  if (left < sizeof(FrameHead)) {
    return bad(offset, fmt::format("expected a frame head of {} bytes, the file ends after {}",
                                   sizeof(FrameHead), left));
  }
  FrameHead head{};
  if (Error e = read_at(offset, &head, sizeof head)) return e;
  if (head.magic != kFrameMagic) {
    return bad(offset, fmt::format("expected a frame (magic {:#010x}), found {:#010x}", kFrameMagic,
                                   head.magic));
  }
  if (head.version < kOldestFormatVersion || head.version > kFormatVersion) {
    return bad(offset + 6, fmt::format("expected format version {} to {}, found {}",
                                       kOldestFormatVersion, kFormatVersion, head.version));
  }
  if (head.kind < 1 || head.kind > 4) {
    return bad(offset + 4, fmt::format("expected a frame kind from 1 to 4, found {}", head.kind));
  }
  if (head.sequence != sequence) {
    return bad(offset + 16, fmt::format("expected frame {}, found {}", sequence, head.sequence));
  }
  if (head.raw_bytes > kMaxRawBytes) {
    return bad(offset + 8, fmt::format("expected a message of at most {} bytes, found {}",
                                       kMaxRawBytes, head.raw_bytes));
  }
  if (head.stored_bytes > left - sizeof head) {
    return bad(offset, fmt::format("expected a frame of {} bytes, the file ends after {}",
                                   sizeof head + head.stored_bytes, left));
  }
  out = {static_cast<FrameKind>(head.kind), offset, head.raw_bytes, head.stored_bytes, sequence};
  return {};
}

Error FrameReader::load(const FrameRef& frame, std::vector<uint64_t>& out) {
  FrameHead head{};
  if (Error e = read_at(frame.offset, &head, sizeof head)) return e;
  stored_.resize(frame.stored_bytes);
  if (Error e = read_at(frame.offset + sizeof head, stored_.data(), stored_.size())) return e;
  if (head.stored_bytes != frame.stored_bytes) return bad(frame.offset, "the file changed");
  uint64_t sum = checksum(head, stored_.data());
  if (sum != head.checksum) {
    return bad(frame.offset, fmt::format("expected checksum {:#018x} of this {} frame, found {:#018x}",
                                         head.checksum, name_of(frame.kind), sum));
  }
  out.assign((frame.raw_bytes + 7) / 8, 0);
  size_t raw = ZSTD_decompressDCtx(context_, out.data(), frame.raw_bytes, stored_.data(),
                                   stored_.size());
  if (ZSTD_isError(raw) || raw != frame.raw_bytes || raw % 8 != 0) {
    return bad(frame.offset + sizeof head,
               fmt::format("expected a zstd payload of {} bytes in words of 8", frame.raw_bytes));
  }
  return {};
}

}  // namespace reprise::trace
