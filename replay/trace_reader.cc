// The grammar of a trace: header (inputs chunk)* footer?, and nothing after the footer.
//
// A file that ends between two frames without a footer is a cut-off recording, and whole as far as
// it goes. A file that ends inside a frame was damaged after it was written, because a writer trims
// what it could not finish: that is an error, except during recovery (tolerate_torn_end).
#include "replay/trace_reader.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "replay/wire.h"

namespace reprise::trace {

TraceReader::TraceReader() = default;

TraceReader::~TraceReader() {
  if (owned_fd_ >= 0) close(owned_fd_);
}

Error TraceReader::bad(uint64_t offset, std::string message) const {
  return {Error::Kind::bad_trace, path_, offset, std::move(message)};
}

Error TraceReader::open(const std::string& path) {
  path_ = path;
  owned_fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (owned_fd_ < 0) {
    return bad(0, fmt::format("expected a trace, cannot open it: {}", std::strerror(errno)));
  }
  return open(owned_fd_, path);
}

Error TraceReader::open(int fd, const std::string& path) {
  path_ = path;
  struct stat st {};
  if (fstat(fd, &st) != 0) return {Error::Kind::io, path, 0, std::strerror(errno)};
  if (S_ISDIR(st.st_mode)) return bad(0, "expected a trace, found a directory");
  if (!S_ISREG(st.st_mode)) return bad(0, "expected a trace, found something that is not a file");
  if (st.st_size == 0) return bad(0, "expected a trace, found an empty file");
  frame_reader_ = std::make_unique<FrameReader>(fd, path);
  return walk();
}

Error TraceReader::walk() {
  FrameRef frame;
  for (uint64_t at = 0; at < frame_reader_->file_bytes(); at = frame.end()) {
    Error failed = frame_reader_->look(at, sequence_, frame);
    if (failed && tolerate_torn_end_ && sequence_ > 0) break;
    if (failed) return failed;
    if ((failed = place(frame))) return failed;
    ++sequence_;
    if (!pending_inputs_) frames_ = sequence_, frames_end_ = frame.end();
  }
  return {};
}

Error TraceReader::place(const FrameRef& frame) {
  FrameKind expected = sequence_ == 0    ? FrameKind::header
                       : pending_inputs_ ? FrameKind::chunk
                                         : FrameKind::inputs;
  bool footer_fits = sequence_ > 0 && !pending_inputs_;
  if (footer_) return bad(frame.offset, "expected the end of the file after the footer");
  if (frame.kind != expected && !(frame.kind == FrameKind::footer && footer_fits)) {
    return bad(frame.offset, fmt::format("expected a {} frame{}, found {}", name_of(expected),
                                         footer_fits ? " or a footer" : "", name_of(frame.kind)));
  }
  std::string why;
  switch (frame.kind) {
    case FrameKind::inputs:
      pending_inputs_ = frame;
      return {};
    case FrameKind::chunk:
      input_frame_bytes_ += pending_inputs_->end() - pending_inputs_->offset;
      chunks_.push_back({*pending_inputs_, frame});
      pending_inputs_.reset();
      return {};
    case FrameKind::header:
      if (Error failed = frame_reader_->load(frame, chunk_words_)) return failed;
      if (!parse_header(chunk_words_, header_, &why)) return bad(frame.offset, "expected a header: " + why);
      return {};
    case FrameKind::footer:
      if (Error failed = frame_reader_->load(frame, chunk_words_)) return failed;
      if (!parse_footer(chunk_words_, footer_.emplace(), &why)) {
        return bad(frame.offset, "expected a footer: " + why);
      }
      return {};
  }
  return {};
}

std::string TraceReader::cut_off() const {
  if (!footer_) return "the recording ended without a footer";
  return footer_->cut_off;
}

uint64_t TraceReader::file_bytes() const { return frame_reader_->file_bytes(); }

Error TraceReader::next(DecodedChunk& out, bool* more) {
  *more = next_ < chunks_.size();
  if (!*more) {
    if (footer_ && footer_->records != records_) {
      return bad(frames_end_, fmt::format("expected {} records as the footer says, found {}",
                                          footer_->records, records_));
    }
    return {};
  }
  const ChunkRef& ref = chunks_[next_];
  if (Error failed = frame_reader_->load(ref.inputs, inputs_words_)) return failed;
  if (Error failed = frame_reader_->load(ref.chunk, chunk_words_)) return failed;
  std::string why;
  if (!decode_chunk(inputs_words_, chunk_words_, out, &why)) return bad(ref.chunk.offset, why);
  if (out.first_record != records_) {
    return bad(ref.chunk.offset, fmt::format("expected a chunk from record {}, found {}", records_,
                                             out.first_record));
  }
  out.offset = ref.chunk.offset;
  records_ += out.count;
  ++next_;
  return {};
}

}  // namespace reprise::trace
