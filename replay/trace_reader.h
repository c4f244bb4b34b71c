// Reads a trace: header and footer at open, then chunk by chunk. Memory: one chunk at a time.
//
// One thread. Nothing here trusts the file; whatever is wrong comes back as one Error with path,
// byte offset and what was expected there.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "replay/chunk_reader.h"
#include "replay/error.h"
#include "replay/frame.h"
#include "replay/trace_types.h"

namespace reprise::trace {

class TraceReader {
 public:
  TraceReader();
  ~TraceReader();
  TraceReader(const TraceReader&) = delete;
  TraceReader& operator=(const TraceReader&) = delete;

  // Opens a file and walks its frame heads; loads header and footer.
  Error open(const std::string& path);

  // The same over a descriptor, which stays the caller's. `path` is for messages.
  Error open(int fd, const std::string& path);

  const Header& header() const { return header_; }

  // Nothing: the recording was cut off before it could write one.
  const std::optional<Footer>& footer() const { return footer_; }

  // Why records are missing at the end; empty for a complete trace.
  std::string cut_off() const;

  // The next chunk. *more is false after the last one, and `out` is then untouched.
  Error next(DecodedChunk& out, bool* more);

  // Starts over with the first chunk.
  void rewind() { next_ = 0, records_ = 0; }

  uint64_t file_bytes() const;
  uint64_t input_frame_bytes() const { return input_frame_bytes_; }
  size_t chunks() const { return chunks_.size(); }

  // Where the last frame that counts ends (inputs count with their chunk), and the number of the one
  // that would follow: for recovery.
  uint64_t frames_end() const { return frames_end_; }
  uint64_t next_sequence() const { return frames_; }
  // True: a torn frame at the end is not an error but ignored. Set before open().
  void tolerate_torn_end(bool tolerate) { tolerate_torn_end_ = tolerate; }

 private:
  struct ChunkRef {
    FrameRef inputs, chunk;
  };
  Error walk();
  Error place(const FrameRef& frame);
  Error bad(uint64_t offset, std::string message) const;

  int owned_fd_ = -1;
  std::string path_;
  std::unique_ptr<FrameReader> frame_reader_;
  Header header_;
  std::optional<Footer> footer_;
  std::optional<FrameRef> pending_inputs_;
  std::vector<ChunkRef> chunks_;
  size_t next_ = 0;
  uint64_t records_ = 0;
  uint64_t input_frame_bytes_ = 0;
  uint64_t frames_end_ = 0;
  uint64_t frames_ = 0;    // below frames_end_
  uint64_t sequence_ = 0;  // of the next frame to look at
  bool tolerate_torn_end_ = false;
  std::vector<uint64_t> inputs_words_, chunk_words_;
};

}  // namespace reprise::trace
