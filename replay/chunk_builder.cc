// Records to columns.
//
// Invariant: the tokens name, in order, each packed decision and the shape of each other record, and that
// record is the next unread entry of every column of its shape. A shape is (kind, thread, number of segments): within one, the
// fields are alike, so each column compresses; across shapes nothing is compared. Each clock has a
// shape of its own, since differences compress only between readings of one clock.
//
// Segments are compared with the one before them while that lies in the nearest cache: what they have in common
// is left out, which costs less than putting it and having zstd find it again.
//
// The bytes of records go from the tape to where their column grows, once. What comes per record is in
// take_while() and put(), which call nothing where nothing is new; the rest is done once a chunk.
//
// Checks below tape::kKeptCheck stay, and those of kCheckpoint, which are numbers; the rest become 0,
// see runtime/seam/tape.h.
#include "replay/chunk_builder.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "replay/wire.h"

namespace reprise::trace {
namespace {

uint32_t kept_check(const tape::Record& head) {
  return head.check < tape::kKeptCheck || head.kind == tape::kCheckpoint ? head.check : 0;
}

uint64_t key_of(const tape::Record& head) {
  const uint64_t clock = head.kind == tape::kClock ? head.check : 0;
  return clock << 32 | uint64_t{head.kind} << 16 | uint64_t{head.segments} << 8 | head.thread;
}
constexpr size_t hash_of(uint64_t key) { return key * 0x9e37'79b9'7f4a'7c15u >> 32; }

uint64_t word_at(const std::byte* at) {
  uint64_t word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

// Most segments are short, and a call of memcpy costs more than they do. Stays within both.
void copy_bytes(std::byte* to, const std::byte* from, size_t size) {
  struct Block { uint64_t words[2]; };
  const auto move = [&](auto unit, size_t at) {
    std::memcpy(&unit, from + at, sizeof unit);
    std::memcpy(to + at, &unit, sizeof unit);
  };
  if (size > 128 || size < 4) {
    std::memcpy(to, from, size);
  } else if (size >= sizeof(Block)) {
    for (size_t at = 0; at < size - sizeof(Block); at += sizeof(Block)) move(Block{}, at);
    move(Block{}, size - sizeof(Block));
  } else if (size >= 8) {
    move(uint64_t{}, 0);
    move(uint64_t{}, size - 8);
  } else {
    move(uint32_t{}, 0);
    move(uint32_t{}, size - 4);
  }
}

using Blobs = std::vector<kj::ArrayPtr<const kj::byte>>;

void put_column(schema::Column::Builder to, const EncodedColumn& from, Blobs& blobs) {
  to.setEncoding(static_cast<schema::Column::Encoding>(from.encoding));
  to.setBase(from.base);
  to.setBytes({reinterpret_cast<const kj::byte*>(from.bytes.data()), from.bytes.size()});
  blobs.push_back(to.asReader().getBytes());
}

// Where in the flat message the blobs that are worth statistics of their own begin and end.
void find_cuts(::capnp::MessageBuilder& message, const Blobs& blobs, std::vector<size_t>& cuts) {
  constexpr size_t kLarge = 4096;
  auto segments = message.getSegmentsForOutput();
  size_t start = padded(4 * (segments.size() + 1), sizeof(::capnp::word));  // behind the segment table
  cuts.clear();
  for (auto segment : segments) {
    const auto* first = reinterpret_cast<const kj::byte*>(segment.begin());
    const auto* end = reinterpret_cast<const kj::byte*>(segment.end());
    for (auto blob : blobs) {
      if (blob.size() < kLarge || blob.begin() < first || blob.begin() >= end) continue;
      cuts.push_back(start + static_cast<size_t>(blob.begin() - first));
      cuts.push_back(cuts.back() + blob.size());
    }
    start += static_cast<size_t>(end - first);
  }
  std::ranges::sort(cuts);
}

size_t common_start(const std::byte* a, const std::byte* b, size_t most) {
  size_t at = 0;
  for (; at + sizeof(uint64_t) <= most; at += sizeof(uint64_t)) {
    const uint64_t differ = word_at(a + at) ^ word_at(b + at);
    if (differ != 0) return at + static_cast<size_t>(std::countr_zero(differ)) / 8;
  }
  while (at < most && a[at] == b[at]) ++at;
  return at;
}

// Before these two ends.
size_t common_end(const std::byte* a, const std::byte* b, size_t most) {
  size_t at = 0;
  for (; at + sizeof(uint64_t) <= most; at += sizeof(uint64_t)) {
    const uint64_t differ = word_at(a - at - sizeof(uint64_t)) ^ word_at(b - at - sizeof(uint64_t));
    if (differ != 0) return at + static_cast<size_t>(std::countl_zero(differ)) / 8;
  }
  while (at < most && a[-1 - static_cast<ptrdiff_t>(at)] == b[-1 - static_cast<ptrdiff_t>(at)]) ++at;
  return at;
}

// Behind the bytes of a message that the one before had, so that the next one of its kind still fits.
constexpr size_t kSlackBytes = 32 << 10;

// The builder takes a segment of zeros and leaves one: messages of half a megabyte made in fresh memory
// cost more in pages than in columns.
kj::ArrayPtr<::capnp::word> as_segment(std::vector<uint64_t>& scratch) {
  static_assert(sizeof(::capnp::word) == sizeof(uint64_t));
  return {reinterpret_cast<::capnp::word*>(scratch.data()), scratch.size()};
}

template <typename T>
void regrow(std::unique_ptr<T[]>& column, size_t count, size_t capacity) {
  auto larger = std::make_unique_for_overwrite<T[]>(capacity);
  std::copy_n(column.get(), count, larger.get());
  column = std::move(larger);
}

// How far ahead of a record the tape is fetched from the other processor's cache.
constexpr size_t kPrefetchBytes = 1024;

}  // namespace

ChunkBuilder::ChunkBuilder() = default;
ChunkBuilder::~ChunkBuilder() = default;

[[gnu::noinline]] void ChunkBuilder::Shape::grow() {
  const uint32_t larger = std::max(16u, 2 * capacity);
  regrow(values, count, larger);
  regrow(checks, count, larger);
  for (Stream& stream : streams) {
    regrow(stream.lengths, count, larger);
    regrow(stream.starts, count, larger);
    regrow(stream.ends, count, larger);
  }
  capacity = larger;
}

inline ChunkBuilder::Shape& ChunkBuilder::shape_of(const tape::Record& head, uint64_t key) {
  Recent& recent = recent_[hash_of(key) >> 24 & 255];
  if (recent.key != key) [[unlikely]] recent = {key, find_shape(head, key)};
  Shape& shape = *recent.shape;
  if (shape.chunk != chunk_) [[unlikely]] {
    shape.chunk = chunk_;
    shape.index = static_cast<uint16_t>(used_.size());
    used_.push_back(&shape);
  }
  return shape;
}

ChunkBuilder::Shape* ChunkBuilder::find_shape(const tape::Record& head, uint64_t key) {
  size_t slot = hash_of(key) & (kSlots - 1);
  while (slots_[slot] != nullptr && key_of(slots_[slot]->like) != key) slot = (slot + 1) & (kSlots - 1);
  if (slots_[slot] == nullptr) {
    pool_.push_back(std::make_unique<Shape>(head));
    slots_[slot] = pool_.back().get();
  }
  return slots_[slot];
}

inline void ChunkBuilder::put_token(uint16_t shape) {
  if (shape < kFirstFarShape) [[likely]] {
    tokens_[token_count_++] = static_cast<uint8_t>(tape::kFirstUnpacked + shape);
    return;
  }
  tokens_[token_count_] = kFarShape;
  std::memcpy(&tokens_[token_count_ + 1], &shape, sizeof shape);
  token_count_ += 1 + sizeof shape;
  ++far_bytes_[shape >> 4 & 15];
  ++far_bytes_[shape >> 12];
}

inline void ChunkBuilder::put_decisions(uint8_t thread, uint64_t packed, uint32_t count) {
  if (count == 0) return;  // of a damaged tape: its tokens would be counted by no record
  if (thread != decider_) [[unlikely]] {
    const tape::Record named{tape::kDecisions, 0, thread, 0, 0};
    put_token(shape_of(named, key_of(named)).index);
    decider_ = thread;
  }
  static_assert(std::endian::native == std::endian::little);
  std::memcpy(&tokens_[token_count_], &packed, sizeof packed);
  token_count_ += count;
  records_ += count;
}

// With padding, of a record with so many segments; kTorn if they are not within `left` bytes.
inline size_t ChunkBuilder::segments_size(uint8_t segments, const std::byte* from, size_t left) {
  size_t at = 0;
  for (uint8_t i = 0; i < segments; ++i) {
    uint32_t length = 0;
    if (left - at < sizeof length) return kTorn;
    std::memcpy(&length, from + at, sizeof length);
    at += sizeof length;
    if (left - at < padded(length, 4)) return kTorn;
    at += padded(length, 4);
  }
  at = padded(at, 8);
  return at <= left ? at : kTorn;
}

// A request is often the one before but for a few bytes, and what is never put costs neither us nor zstd.
inline void ChunkBuilder::Stream::put(uint32_t row, const std::byte* from, uint32_t length) {
  lengths[row] = length;
  size_t start = 0, end = 0;
  if (length <= kShort && looks) {
    start = common_start(from, last.data(), std::min(length, last_length));
    if (start < length) {
      const size_t most = std::min<size_t>(length - start, last_length);
      end = common_end(from + length, last.data() + last_length, most);
      copy_bytes(last.data(), from, length);
    }
    last_length = length;
    left_out += start + end;
    if (row == kTrial) looks = left_out >= bytes.size() / 4;
  } else {
    last_length = 0;
  }
  starts[row] = static_cast<uint8_t>(start);
  ends[row] = static_cast<uint8_t>(end);
  any_start |= static_cast<uint32_t>(start);
  any_end |= static_cast<uint32_t>(end);
  const size_t rest = length - start - end;
  if (rest == 0) return;
  copy_bytes(bytes.room_for(rest), from + start, rest);
  bytes.set_size(bytes.size() + rest);
}

void ChunkBuilder::Stream::clear() {
  bytes.clear();
  any_start = any_end = last_length = 0;
  left_out = 0;
  looks = true;
}

// How long the segments are that follow this head; kTorn if `end` comes before theirs, and then nothing is put.
inline size_t ChunkBuilder::put(const tape::Record& head, Carried carried, const std::byte* segments,
                                const std::byte* end) {
  Shape& shape = shape_of(head, key_of(head));
  if (shape.count == shape.capacity) [[unlikely]] shape.grow();
  const uint32_t row = shape.count;
  const size_t size = segments_size(head.segments, segments, static_cast<size_t>(end - segments));
  if (size == kTorn) return kTorn;
  for (Stream& stream : shape.streams) {
    uint32_t length = 0;
    std::memcpy(&length, segments, sizeof length);
    stream.put(row, segments + sizeof length, length);
    segments += sizeof length + padded(length, 4);
    input_bytes_ += length;
  }
  const uint32_t check = kept_check(head);
  shape.values[row] = head.value;
  shape.checks[row] = check;
  shape.any_check |= check;
  ++shape.count;
  put_decisions(head.thread, carried.bytes, carried.count);
  put_token(shape.index);
  ++records_;
  return size;
}

template <bool kStopAtRare>
size_t ChunkBuilder::take_while(Bytes tape, size_t limit) {
  const std::byte* p = tape.data();
  const std::byte* const end = p + tape.size();
  const std::byte* const stop = p + std::min(limit, tape.size());
  while (p < stop && static_cast<size_t>(end - p) >= sizeof(tape::Record) && !full()) {
    __builtin_prefetch(p + kPrefetchBytes);
    tape::Record head;
    std::memcpy(&head, p, sizeof head);
    if (kStopAtRare && rare(head.kind)) break;
    if (head.kind == tape::kDecisions) {
      const uint32_t count = std::min(head.check, tape::kPackedDecisions);
      put_decisions(head.thread, static_cast<uint64_t>(head.value), count);
      p += sizeof head;
      continue;
    }
    Carried carried;
    if (head.kind & tape::kWithDecisions) {
      head.kind &= static_cast<uint16_t>(~tape::kWithDecisions);
      carried = {head.check, tape::carried(head.check)};
      head.check = 0;
    }
    const size_t size = put(head, carried, p + sizeof head, end);
    if (size == kTorn) [[unlikely]] break;
    p += sizeof head + size;
  }
  return static_cast<size_t>(p - tape.data());
}

template size_t ChunkBuilder::take_while<true>(Bytes tape, size_t limit);
template size_t ChunkBuilder::take_while<false>(Bytes tape, size_t limit);

ChunkBuilder::KindCounts ChunkBuilder::count_decisions() const {
  KindCounts counts{};
  std::array<std::array<uint32_t, 16>, 4> seen{};  // four, because runs of one token wait for their own sum
  for (size_t i = 0; i < token_count_; ++i) ++seen[i & 3][tokens_[i] >> 4];
  for (size_t kind = 0; kind < counts.size(); ++kind) {
    counts[kind] = seen[0][kind] + seen[1][kind] + seen[2][kind] + seen[3][kind] - far_bytes_[kind];
  }
  return counts;
}

void ChunkBuilder::clear() {
  for (Shape* shape : used_) {
    shape->count = shape->any_check = 0;
    for (Stream& stream : shape->streams) stream.clear();
  }
  used_.clear();
  token_count_ = records_ = input_bytes_ = 0;
  far_bytes_.fill(0);
  decider_ = 0;
  ++chunk_;
  if (pool_.size() <= kMaxKeptShapes) return;
  slots_.fill(nullptr);
  recent_.fill({});
  pool_.clear();
}

// One blob, so that its framing can be written by hand: Cap'n Proto would copy the bytes twice more.
void ChunkBuilder::put_inputs(Room<std::byte>& message) const {
  message.clear();
  size_t blob = 0;
  for (const Shape* shape : used_) {
    for (const Stream& stream : shape->streams) blob += stream.bytes.size();
  }
  const size_t size = blob_message_bytes(blob);
  std::byte* to = message.room_for(size);
  to += begin_blob_message(blob, to);
  for (const Shape* shape : used_) {
    for (const Stream& stream : shape->streams) {
      if (stream.bytes.size() > 0) std::memcpy(to, stream.bytes.data(), stream.bytes.size());
      to += stream.bytes.size();
    }
  }
  std::fill(to, message.data() + size, std::byte{0});
  message.set_size(size);
}

void ChunkBuilder::finish(const Context& context, Room<std::byte>& inputs, std::vector<std::byte>& chunk) {
  put_inputs(inputs);
  if (chunk_scratch_.size() * 8 < chunk.size() + kSlackBytes) chunk_scratch_.resize((chunk.size() + kSlackBytes) / 8);
  ::capnp::MallocMessageBuilder message(as_segment(chunk_scratch_));
  auto to = message.initRoot<schema::Chunk>();
  to.setFirstRecord(context.first_record);
  to.setRecords(static_cast<uint32_t>(records_));
  to.setTapeEnd(context.tape_end);
  auto shapes = to.initShapes(static_cast<unsigned>(used_.size()));
  EncodedColumn column;
  Blobs blobs;
  for (unsigned i = 0; i < used_.size(); ++i) {
    const Shape& from = *used_[i];
    const std::span<const int64_t> values{from.values.get(), from.count};
    shapes[i].setKind(from.like.kind);
    shapes[i].setThread(from.like.thread);
    shapes[i].setSegments(from.like.segments);
    shapes[i].setCount(from.count);
    encode_column(values, column);
    put_column(shapes[i].initValues(), column, blobs);
    encode_column(std::span<const uint32_t>(from.checks.get(), from.any_check != 0 ? from.count : 0), column);
    put_column(shapes[i].initChecks(), column, blobs);  // none is a constant 0
    auto lengths = shapes[i].initLengths(from.like.segments);
    bool common = false;
    for (unsigned s = 0; s < from.like.segments; ++s) {
      encode_lengths({from.streams[s].lengths.get(), from.count}, values, column);
      put_column(lengths[s], column, blobs);
      common |= (from.streams[s].any_start | from.streams[s].any_end) != 0;
    }
    if (!common) continue;
    auto starts = shapes[i].initStarts(from.like.segments), ends = shapes[i].initEnds(from.like.segments);
    for (unsigned s = 0; s < from.like.segments; ++s) {
      const Stream& stream = from.streams[s];
      encode_column(Stream::column(stream.starts, stream.any_start, from.count), column);
      put_column(starts[s], column, blobs);
      encode_column(Stream::column(stream.ends, stream.any_end, from.count), column);
      put_column(ends[s], column, blobs);
    }
  }
  to.setTokens({tokens_.get(), token_count_});
  blobs.push_back(to.asReader().getTokens());
  auto objects = to.initObjects(static_cast<unsigned>(context.objects.size()));
  for (unsigned i = 0; i < objects.size(); ++i) put_object(objects[i], context.objects[i]);
  flatten(message, chunk);
  find_cuts(message, blobs, cuts_);
  clear();
}

}  // namespace reprise::trace
