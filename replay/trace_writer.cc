// The trace file, frame by frame.
//
// Invariants: the file below frames_->bytes() is whole frames; safe_ is the tapeEnd of the last
// chunk among them; totals_ counts every record of a chunk that was written or tried. An Inputs frame is written just
// before its Chunk frame, so the chunk is what makes both count.
#include "replay/trace_writer.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "replay/build_id.h"
#include "replay/redact.h"
#include "replay/trace_reader.h"
#include "replay/wire.h"

namespace reprise::trace {

std::string part_path(const std::string& path) { return path + ".part"; }
std::string tape_path(const std::string& path) { return path + ".tape"; }

Error add_packed(const tape::Control& control, TraceWriter& writer) {
  const tape::Record& packed = control.packed;
  if (packed.check == 0 || control.packed_at != control.written) return {};
  RecordView record;
  const bool whole = packed.kind == tape::kDecisions && record.parse(std::as_bytes(std::span(&packed, 1)));
  return whole ? writer.add(record, control.written) : Error{};
}

TraceWriter::TraceWriter() = default;

TraceWriter::~TraceWriter() {
  if (fd_ >= 0) close(fd_);
}

namespace {

// A locked descriptor of `path`, or -1 and errno. The file may have been renamed away between open
// and flock, by a recorder that just finished: then look again.
int open_locked(const std::string& path) {
  for (;;) {
    int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return -1;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
      int failed = errno;
      close(fd);
      errno = failed;
      return -1;
    }
    struct stat mine {}, there {};
    if (fstat(fd, &mine) == 0 && stat(path.c_str(), &there) == 0 && mine.st_ino == there.st_ino &&
        mine.st_dev == there.st_dev) {
      return fd;
    }
    close(fd);
  }
}

}  // namespace

Error TraceWriter::open(const std::string& path) {
  path_ = path;
  // The trace will be renamed onto this name: a device would be gone, and a directory refuses only then.
  struct stat there {};
  if (stat(path.c_str(), &there) == 0 && !S_ISREG(there.st_mode)) {
    return {Error::Kind::io, path, 0, S_ISDIR(there.st_mode) ? "is a directory" : "is there already, and is not a file"};
  }
  std::string part = part_path(path);
  fd_ = open_locked(part);
  if (fd_ < 0) {
    if (errno == EWOULDBLOCK) return {Error::Kind::busy, path, 0, "another recorder writes it"};
    return {Error::Kind::io, part, 0, std::strerror(errno)};
  }
  if (fchmod(fd_, 0600) != 0 || ftruncate(fd_, 0) != 0) {
    return {Error::Kind::io, part, 0, std::strerror(errno)};
  }
  frames_ = std::make_unique<FrameWriter>(fd_, kLevel);
  return {};
}

Error TraceWriter::resume(const std::string& path, bool* complete) {
  path_ = path;
  std::string part = part_path(path);
  if (access(part.c_str(), F_OK) != 0) return {Error::Kind::io, part, 0, std::strerror(errno)};
  fd_ = open_locked(part);
  if (fd_ < 0) {
    if (errno == EWOULDBLOCK) return {Error::Kind::busy, path, 0, "a recorder is still writing it"};
    return {Error::Kind::io, part, 0, std::strerror(errno)};
  }
  TraceReader reader;
  reader.tolerate_torn_end(true);
  if (Error e = reader.open(fd_, part)) return e;
  *complete = reader.footer().has_value();
  if (*complete) return rename_into_place();
  if (ftruncate(fd_, static_cast<off_t>(reader.frames_end())) != 0) {
    return {Error::Kind::io, part, 0, std::strerror(errno)};
  }
  frames_ = std::make_unique<FrameWriter>(fd_, kLevel);
  frames_->resume(reader.frames_end(), reader.next_sequence());
  return count_chunks(reader);
}

Error TraceWriter::count_chunks(TraceReader& reader) {
  totals_.objects.push_back(reader.header().executable);
  object_paths_.insert(reader.header().executable.path);
  DecodedChunk chunk;
  for (bool more = true;;) {
    if (Error e = reader.next(chunk, &more)) return e;
    if (!more) break;
    RecordView record;
    for (Bytes rest = chunk.records; record.parse(rest); rest = rest.subspan(record.size())) {
      count(record.head().kind, 1);
      totals_.ended = record.head().kind == tape::kEnd;
      record.each_segment([&](int, Bytes bytes) { totals_.input_bytes += bytes.size(); });
    }
    for (const ObjectFile& object : chunk.objects) {
      if (object_paths_.insert(object.path).second) totals_.objects.push_back(object);
    }
    totals_.chunks.push_back({chunk.offset, chunk.first_record});
    safe_ = tape_end_ = chunk.tape_end;
  }
  totals_.input_frame_bytes = reader.input_frame_bytes();
  return {};
}

Error TraceWriter::write(FrameKind kind, Bytes message, std::span<const size_t> cuts, int least_match) {
  if (broken_) return {};
  int failed = frames_->append(kind, message, cuts, least_match);
  if (failed == 0) return {};
  broken_ = true;
  return {Error::Kind::io, part_path(path_), frames_->bytes(), std::strerror(failed)};
}

Error TraceWriter::begin(const Header& header) {
  object_paths_.insert(header.executable.path);
  totals_.objects.push_back(header.executable);
  return write(FrameKind::header, header_message(header));
}

// Looks for a tape::MappedFile in the segment.
void TraceWriter::note_object(Bytes segment) {
  tape::MappedFile file{};
  if (segment.size() <= sizeof file) return;
  std::memcpy(&file, segment.data(), sizeof file);
  if (file.as_it_is != 1 || file.is_elf != 1) return;
  Bytes name = segment.subspan(sizeof file);
  std::string path(reinterpret_cast<const char*>(name.data()), name.size());
  path.resize(std::strlen(path.c_str()));
  if (!path.starts_with("/") || !object_paths_.insert(path).second) return;
  objects_.push_back(object_file(path));
  totals_.objects.push_back(objects_.back());
}

void TraceWriter::note_objects(uint16_t kind, const RecordView& record) {
  int first = kind == ChunkBuilder::kMmap ? 1 : kind == tape::kStart ? 2 : 0;
  if (first == 0) return;
  record.each_segment([&](int i, Bytes segment) {
    if (i < first) note_object(segment);
  });
}

void TraceWriter::count(uint16_t kind, uint64_t records) {
  totals_.records += records;
  kind_counts_[kind < kKinds ? kind : 0] += records;
}

void TraceWriter::gather(const RecordView& record, uint64_t tape_end) {
  tape_end_ = tape_end;
  totals_.ended = record.head().kind == tape::kEnd;
  note_objects(static_cast<uint16_t>(record.head().kind & ~tape::kWithDecisions), record);
  builder_.take_any(record.whole());
}

size_t TraceWriter::take(Bytes tape, uint64_t position) {
  size_t done = 0;
  while (done < tape.size() && !due()) {
    const size_t took = builder_.take(tape.subspan(done), longest_ - (position + done - safe_));
    done += took;
    if (took > 0) tape_end_ = position + done, totals_.ended = false;
    RecordView record;
    if (done == tape.size() || due() || !record.parse(tape.subspan(done))) break;
    if (!ChunkBuilder::rare(record.head().kind)) continue;
    if (record.head().kind == tape::kStart && !redacted_.empty()) trace::redact(record, redacted_);
    done += record.size();
    gather(record, position + done);
  }
  return done;
}

Error TraceWriter::flush() { return builder_.records() > 0 ? write_chunk() : Error{}; }

// The columns of choices are noise over few values, and so are inputs whose repeats were left out: a short
// match, which noise is full of, costs more than its literals.
constexpr int kNoiseMatch = 7, kNoiseMatchOfInputs = 6;

Error TraceWriter::write_chunk() {
  const size_t input_bytes = builder_.input_bytes();
  totals_.input_bytes += input_bytes;
  const uint64_t first_record = totals_.records;
  builder_.each_kind([this](uint16_t kind, uint64_t records) { count(kind, records); });
  builder_.finish({first_record, tape_end_, objects_}, inputs_message_, chunk_message_);
  uint64_t start = frames_->bytes();
  const bool mostly_left_out = inputs_message_.size() < input_bytes / 2;
  Error failed = write(FrameKind::inputs, inputs_message_.span(), {}, mostly_left_out ? kNoiseMatchOfInputs : 0);
  uint64_t middle = frames_->bytes();
  if (!failed) failed = write(FrameKind::chunk, chunk_message_, builder_.cuts(), kNoiseMatch);
  if (!broken_) {
    totals_.input_frame_bytes += middle - start;
    totals_.chunks.push_back({middle, first_record});
  }
  safe_ = tape_end_;
  objects_.clear();
  return failed;
}

Error TraceWriter::rename_into_place() {
  std::string part = part_path(path_);
  if (rename(part.c_str(), path_.c_str()) == 0) return {};
  return {Error::Kind::io, part, 0, std::string("cannot rename: ") + std::strerror(errno)};
}

Error TraceWriter::finish(Footer footer) {
  Error failed = flush();
  if (!failed && !broken_) {
    for (size_t kind = 0; kind < kKinds; ++kind) {
      if (kind_counts_[kind] > 0) totals_.counts[static_cast<uint16_t>(kind)] = kind_counts_[kind];
    }
    Footer whole = totals_;
    whole.wait_status = footer.wait_status;
    whole.cut_off = footer.cut_off;
    whole.events = footer.events;
    whole.fingerprint = footer.fingerprint;
    whole.memory_hash = footer.memory_hash;
    whole.duration_ns = footer.duration_ns;
    failed = write(FrameKind::footer, footer_message(whole));
    totals_ = whole;
  }
  if (broken_) {
    Error renamed = abandon();
    return failed ? failed : renamed;
  }
  return rename_into_place();
}

Error TraceWriter::abandon() {
  broken_ = true;
  if (int failed = frames_->trim()) {
    return {Error::Kind::io, part_path(path_), frames_->bytes(), std::strerror(failed)};
  }
  return rename_into_place();
}

void TraceWriter::discard() {
  broken_ = true;
  unlink(part_path(path_).c_str());
}

}  // namespace reprise::trace
