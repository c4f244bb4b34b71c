// Columns to records, distrusting everything.
//
// A frame's checksum already excludes damage, so what is caught here is a writer's bug or malice.
// Order of the checks: counts first (they bound memory), then columns (each must hold exactly its
// count), then lengths (they bound memory too; less what segments have in common, their sum must be exactly the
// input bytes), and only then records.
#include "replay/chunk_reader.h"

#include <fmt/format.h>

#include <cstring>

#include "replay/columns.h"
#include "replay/frame.h"
#include "replay/wire.h"

namespace reprise::trace {
namespace {

struct Stream {  // one segment of one shape
  std::vector<int64_t> lengths;
  std::vector<int64_t> starts, ends;  // in common with the segment before; empty: 0
  size_t at = 0;                      // into the input bytes
  size_t last = 0;                    // where the segment before lies in the records

  int64_t start(size_t i) const { return starts.empty() ? 0 : starts[i]; }
  int64_t end(size_t i) const { return ends.empty() ? 0 : ends[i]; }

  // Whether what the segments have in common is there.
  bool agrees() const {
    for (size_t i = 0; i < starts.size(); ++i) {
      const int64_t before = i == 0 ? 0 : lengths[i - 1];
      if (starts[i] < 0 || ends[i] < 0 || starts[i] > before || ends[i] > before) return false;
      if (starts[i] > lengths[i] - ends[i]) return false;
    }
    return true;
  }
};

struct Shape {
  tape::Record like{};
  size_t next = 0;
  std::vector<int64_t> values, checks;
  std::vector<Stream> streams;
};

class Decoder {
 public:
  Decoder(schema::Chunk::Reader chunk, Bytes inputs, DecodedChunk& out)
      : chunk_(chunk), inputs_(inputs), out_(out) {}

  bool run(std::string* why) {
    const char* failed = counts();
    if (!failed) failed = shapes();
    if (!failed) failed = place_streams();
    if (!failed) failed = records();
    if (failed) *why = failed;
    return !failed;
  }

 private:
  const char* counts() {
    out_.count = chunk_.getRecords();
    if (out_.count > kMaxChunkRecords) return "expected at most 131072 records in a chunk";
    size_t shapes = chunk_.getShapes().size();
    if (shapes > 1u << 16) return "expected at most 65536 shapes in a chunk";
    uint64_t sum = 0;
    for (auto s : chunk_.getShapes()) sum += s.getCount();
    if (chunk_.hasTokens()) return sum <= out_.count ? nullptr : "expected at least as many records as the shapes have";
    if (sum != out_.count) return "expected the shapes' counts to add up to the records";
    bits_ = shapes > 256 ? 16 : 8;
    // Version 1 had a byte here as well; of one record both are the same.
    order_ = chunk_.getOrder();
    if (shapes <= 4 && order_.size() == (out_.count + 3) / 4) bits_ = 2;
    return order_.size() == (out_.count * bits_ + 7) / 8 ? nullptr : "expected one shape a record";
  }

  static bool column(schema::Column::Reader from, size_t count, std::span<const int64_t> values,
                     std::vector<int64_t>& out) {
    auto bytes = from.getBytes();
    return decode_column(static_cast<Encoding>(from.getEncoding()), from.getBase(),
                         {reinterpret_cast<const std::byte*>(bytes.begin()), bytes.size()}, count,
                         values, out);
  }

  const char* shapes() {
    for (auto from : chunk_.getShapes()) {
      Shape& shape = shapes_.emplace_back();
      shape.like = {from.getKind(), from.getSegments(), from.getThread(), 0, 0};
      size_t count = from.getCount();
      if (!column(from.getValues(), count, {}, shape.values)) return "expected a whole column of values";
      if (!column(from.getChecks(), count, {}, shape.checks)) return "expected a whole column of checks";
      if (from.getLengths().size() != shape.like.segments) return "expected a length column a segment";
      for (auto lengths : from.getLengths()) {
        if (!column(lengths, count, shape.values, shape.streams.emplace_back().lengths)) {
          return "expected a whole column of lengths";
        }
      }
      if (const char* failed = common(from, shape)) return failed;
    }
    return nullptr;
  }

  // After the lengths, which are bounded first: a column of few bytes may stand for many.
  const char* common(schema::Shape::Reader from, Shape& shape) {
    for (const Stream& stream : shape.streams) {
      for (int64_t length : stream.lengths) {
        if (length < 0 || length > static_cast<int64_t>(kMaxRawBytes - segment_bytes_)) {
          return "expected segments of at most 32 MiB in a chunk";
        }
        segment_bytes_ += static_cast<uint32_t>(length);
      }
    }
    if (!from.hasStarts() && !from.hasEnds()) return nullptr;
    const size_t segments = shape.streams.size();
    // Each once: to get a list counts all of it against the limit of the message.
    const auto starts = from.getStarts();
    const auto ends = from.getEnds();
    if (starts.size() != segments || ends.size() != segments) return "expected two columns a segment";
    for (unsigned i = 0; i < segments; ++i) {
      Stream& stream = shape.streams[i];
      const size_t count = stream.lengths.size();
      const bool whole = column(starts[i], count, {}, stream.starts) &&
                         column(ends[i], count, {}, stream.ends);
      if (!whole) return "expected a whole column of bytes in common";
      if (!stream.agrees()) return "expected no more bytes in common than both segments have";
    }
    return nullptr;
  }

  const char* place_streams() {
    uint64_t at = 0;
    for (Shape& shape : shapes_) {
      for (Stream& stream : shape.streams) {
        stream.at = at;
        for (size_t i = 0; i < stream.lengths.size(); ++i) {
          const auto length = static_cast<uint64_t>(stream.lengths[i] - stream.start(i) - stream.end(i));
          if (length > inputs_.size() - at) return "expected the segments' lengths to stay within the input bytes";
          at += length;
        }
      }
    }
    return at == inputs_.size() ? nullptr : "expected the segments to use all input bytes";
  }

  size_t shape_index(size_t i) const {
    if (bits_ == 2) return order_[i / 4] >> i % 4 * 2 & 3;
    return bits_ == 8 ? order_[i] : order_[i * 2] | order_[i * 2 + 1] << 8;
  }

  // The next record of a shape.
  const char* put_next(size_t index) {
    if (index >= shapes_.size()) return "expected a shape of this chunk";
    Shape& shape = shapes_[index];
    if (shape.next == shape.values.size()) return "expected a record left of this shape";
    const size_t i = shape.next++;
    tape::Record head = shape.like;
    head.value = shape.values[i];
    head.check = static_cast<uint32_t>(shape.checks[i]);
    put_bytes(&head, sizeof head);
    for (Stream& stream : shape.streams) put_segment(stream, i);
    out_.records.resize(padded(out_.records.size(), 8));
    return nullptr;
  }

  void put_bytes(const void* bytes, size_t size) {
    const auto* from = static_cast<const std::byte*>(bytes);
    out_.records.insert(out_.records.end(), from, from + size);
  }

  void put_segment(Stream& stream, size_t i) {
    const auto length = static_cast<uint32_t>(stream.lengths[i]);
    const auto start = static_cast<size_t>(stream.start(i)), end = static_cast<size_t>(stream.end(i));
    put_bytes(&length, sizeof length);
    const size_t place = out_.records.size();
    out_.records.resize(place + padded(length, 4));
    std::byte* const to = out_.records.data() + place;
    const std::byte* const before = out_.records.data() + stream.last;
    const size_t rest = length - start - end;
    if (start > 0) std::memcpy(to, before, start);
    if (rest > 0) std::memcpy(to + start, inputs_.data() + stream.at, rest);
    if (end > 0) std::memcpy(to + start + rest, before + stream.lengths[i - 1] - end, end);
    stream.at += rest;
    stream.last = place;
  }

  // Versions 1 and 2.
  const char* records_by_order() {
    for (size_t i = 0; i < out_.count; ++i) {
      if (const char* failed = put_next(shape_index(i))) return failed;
    }
    return nullptr;
  }

  const char* records_by_tokens() {
    auto tokens = chunk_.getTokens();
    size_t made = 0;
    uint8_t thread = 0;
    for (size_t i = 0; i < tokens.size(); ++i) {
      const uint8_t token = tokens[i];
      if (token < tape::kFirstUnpacked) {
        if (++made > out_.count) return "expected as many tokens as records";
        append_record(out_.records, tape::unpacked(token, thread), {});
        continue;
      }
      size_t index = token - tape::kFirstUnpacked;
      if (token == kFarShape) {
        if (tokens.size() - i < 3) return "expected two bytes behind a token";
        index = static_cast<size_t>(tokens[i + 1] | tokens[i + 2] << 8);
        i += 2;
      }
      if (index < shapes_.size() && shapes_[index].like.kind == tape::kDecisions) {
        thread = shapes_[index].like.thread;
        continue;
      }
      if (++made > out_.count) return "expected as many tokens as records";
      if (const char* failed = put_next(index)) return failed;
    }
    return made == out_.count ? nullptr : "expected as many tokens as records";
  }

  const char* records() {
    out_.records.clear();
    // All of it at once: memory that a growing vector leaves behind costs as much as the decoding. A record's own bytes and its
    // padding are at most so many, and what is not touched costs nothing.
    size_t segments = 0;
    for (const Shape& shape : shapes_) segments += shape.values.size() * shape.streams.size();
    out_.records.reserve(out_.count * (sizeof(tape::Record) + 8) + segments * 8 + segment_bytes_);
    return chunk_.hasTokens() ? records_by_tokens() : records_by_order();
  }

  schema::Chunk::Reader chunk_;
  Bytes inputs_;
  DecodedChunk& out_;
  size_t bits_ = 8;  // of a record in order_
  ::capnp::Data::Reader order_;
  std::vector<Shape> shapes_;
  uint32_t segment_bytes_ = 0;
};

::capnp::ReaderOptions limits(size_t words) {
  ::capnp::ReaderOptions options;
  options.traversalLimitInWords = 8 * words + 1024;  // zero-sized elements are what it stops
  return options;
}

kj::ArrayPtr<const ::capnp::word> as_words(std::span<const uint64_t> words) {
  return {reinterpret_cast<const ::capnp::word*>(words.data()), words.size()};
}

}  // namespace

bool decode_chunk(std::span<const uint64_t> inputs, std::span<const uint64_t> chunk,
                  DecodedChunk& out, std::string* why) {
  try {
    ::capnp::FlatArrayMessageReader input_message(as_words(inputs), limits(inputs.size()));
    ::capnp::FlatArrayMessageReader chunk_message(as_words(chunk), limits(chunk.size()));
    auto bytes = input_message.getRoot<schema::Inputs>().getBytes();
    auto from = chunk_message.getRoot<schema::Chunk>();
    out.first_record = from.getFirstRecord();
    out.tape_end = from.getTapeEnd();
    Decoder decoder(from, {reinterpret_cast<const std::byte*>(bytes.begin()), bytes.size()}, out);
    if (!decoder.run(why)) return false;
    out.objects.clear();
    for (auto o : from.getObjects()) out.objects.push_back(get_object(o));
    return true;
  } catch (const kj::Exception& e) {
    *why = fmt::format("expected a Cap'n Proto chunk: {}", e.getDescription().cStr());
    return false;
  }
}

}  // namespace reprise::trace
