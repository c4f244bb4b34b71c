// Writes one trace: header, chunks, footer. `NAME.rpz.part` until finish() renames it.
//
// One thread. The file is locked (flock) from open to destruction, so that a second recorder on the
// same path is refused. Every failure is returned once; after it the writer is broken() and ignores
// what it is given, so that a recording can go on without it.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "replay/chunk_builder.h"
#include "replay/error.h"
#include "replay/frame.h"
#include "replay/trace_types.h"

namespace reprise::trace {

class TraceReader;
struct DecodedChunk;

// Adds the decisions that a program left in the making when it was killed, if any.
Error add_packed(const tape::Control& control, class TraceWriter& writer);

std::string part_path(const std::string& path);  // NAME.rpz.part
std::string tape_path(const std::string& path);  // NAME.rpz.tape

class TraceWriter {
 public:
  static constexpr int kLevel = 3;  // of zstd; measured in FORMAT.md

  TraceWriter();
  ~TraceWriter();  // an unfinished trace stays as .part
  TraceWriter(const TraceWriter&) = delete;
  TraceWriter& operator=(const TraceWriter&) = delete;

  // Creates PATH.part with mode 0600 and locks it. Error::Kind::busy if another recorder has it.
  Error open(const std::string& path);

  // Takes up PATH.part where a killed recorder left it: cuts a torn end, counts what is there, and
  // is then ready for add() of what follows safe() on the tape. *complete: it only lacked the rename,
  // which is done now. Error::Kind::busy if that recorder is alive.
  Error resume(const std::string& path, bool* complete);

  // The first frame. Call once, before add().
  Error begin(const Header& header);

  // Adds a record that ends at `tape_end` on the tape. Its memory is not needed afterwards.
  // Writes the chunk before it if that is full.
  Error add(const RecordView& record, uint64_t tape_end) {
    Error failed;
    if (due()) failed = write_chunk();
    gather(record, tape_end);
    return failed;
  }

  // The same for many records, which cannot fail: takes whole ones from the start of `tape`, which lies at
  // `position`, until a chunk is due(), they end, or one is torn. Returns how many bytes it took. Where a
  // chunk is due, flush() comes first.
  size_t take(Bytes tape, uint64_t position);
  bool due() const { return builder_.full() || tape_end_ - safe_ >= longest_; }

  // How much of a tape a chunk may hold before it is due.
  void limit_chunks(uint64_t tape_bytes) { longest_ = tape_bytes; }
  // Whose values in the environment are to be overwritten, on the tape too, when take() comes to them.
  void redact(const std::vector<std::string>& names) { redacted_ = names; }

  // Of what add() gathered; a chunk of much input is worth writing while the program computes.
  size_t pending_input_bytes() const { return builder_.input_bytes(); }

  // Writes what add() gathered, if anything. Then safe() has caught up.
  Error flush();

  // Up to where on the tape records are in the file. Ring space below may be reused.
  uint64_t safe() const { return safe_; }

  // The last frame, then the rename. Of `footer` the caller fills what the trace cannot know: wait
  // status, cut_off, events, fingerprint, memory hash and duration.
  Error finish(Footer footer);

  // Ends the trace without a footer: whole frames only, renamed, cut off.
  Error abandon();

  // Removes the file: a run that is not worth keeping.
  void discard();

  bool broken() const { return broken_; }
  uint64_t records() const { return totals_.records; }  // without what add() gathers still
  const Footer& totals() const { return totals_; }
  uint64_t file_bytes() const { return frames_ ? frames_->bytes() : 0; }
  const std::string& path() const { return path_; }

 private:
  Error write_chunk();
  void gather(const RecordView& record, uint64_t tape_end);
  Error write(FrameKind kind, Bytes message, std::span<const size_t> cuts = {}, int least_match = 0);
  Error rename_into_place();
  Error count_chunks(TraceReader& reader);
  void note_objects(uint16_t kind, const RecordView& record);
  void note_object(Bytes segment);
  void count(uint16_t kind, uint64_t records);

  std::string path_;
  int fd_ = -1;
  std::unique_ptr<FrameWriter> frames_;
  ChunkBuilder builder_;
  std::vector<ObjectFile> objects_;    // of the chunk being gathered
  std::set<std::string> object_paths_;
  Room<std::byte> inputs_message_;
  std::vector<std::byte> chunk_message_;
  std::vector<std::string> redacted_;
  uint64_t longest_ = UINT64_MAX;
  static constexpr size_t kKinds = 0x440;
  std::array<uint64_t, kKinds> kind_counts_{};  // unknown kinds are counted as 0
  Footer totals_;
  uint64_t tape_end_ = 0;
  uint64_t safe_ = 0;
  bool broken_ = false;
};

}  // namespace reprise::trace
