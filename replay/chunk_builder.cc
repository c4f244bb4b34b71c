// Records to columns.
//
// Invariant: the tokens name, in order, each packed decision and the shape of each other record, and that
// record is the next unread entry of every column of its shape. A shape is (kind, thread, number of segments): within one, the
// fields are alike, so each column compresses; across shapes nothing is compared. Each clock has a
// shape of its own, since differences compress only between readings of one clock.
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
  uint64_t clock = head.kind == tape::kClock ? head.check : 0;
  return clock << 32 | uint64_t{head.kind} << 16 | uint64_t{head.segments} << 8 | head.thread;
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

// Behind the bytes of a message that the one before had, so that the next one of its kind still fits.
constexpr size_t kSlackBytes = 32 << 10;

// The builder takes a segment of zeros and leaves one: messages of half a megabyte made in fresh memory
// cost more in pages than in columns.
kj::ArrayPtr<::capnp::word> as_segment(std::vector<uint64_t>& scratch) {
  static_assert(sizeof(::capnp::word) == sizeof(uint64_t));
  return {reinterpret_cast<::capnp::word*>(scratch.data()), scratch.size()};
}

}  // namespace

ChunkBuilder::ChunkBuilder() = default;
ChunkBuilder::~ChunkBuilder() = default;

ChunkBuilder::Shape& ChunkBuilder::shape_of(const tape::Record& head) {
  const uint64_t key = key_of(head);
  Recent& recent = recent_[(head.kind ^ head.kind >> 4 ^ head.thread << 5 ^ head.segments << 3 ^ key >> 32) & 255];
  if (recent.key != key) recent = {key, find_shape(head, key)};
  Shape& shape = *recent.shape;
  if (shape.chunk != chunk_) {
    shape.chunk = chunk_;
    shape.index = static_cast<uint16_t>(used_.size());
    used_.push_back(&shape);
  }
  return shape;
}

ChunkBuilder::Shape* ChunkBuilder::find_shape(const tape::Record& head, uint64_t key) {
  size_t slot = (key * 0x9e37'79b9'7f4a'7c15u >> 32) & (kSlots - 1);
  while (slots_[slot] != nullptr && key_of(slots_[slot]->like) != key) slot = (slot + 1) & (kSlots - 1);
  if (slots_[slot] == nullptr) {
    pool_.push_back(std::make_unique<Shape>(head));
    slots_[slot] = pool_.back().get();
  }
  return slots_[slot];
}

void ChunkBuilder::put_token(uint16_t shape) {
  if (shape < kFirstFarShape) {
    tokens_[token_count_++] = static_cast<uint8_t>(tape::kFirstUnpacked + shape);
    return;
  }
  tokens_[token_count_] = kFarShape;
  std::memcpy(&tokens_[token_count_ + 1], &shape, sizeof shape);
  token_count_ += 1 + sizeof shape;
}

void ChunkBuilder::add(const tape::Record& head, const RecordView& record) {
  Shape& shape = shape_of(head);
  put_token(shape.index);
  ++records_;
  const uint32_t check = kept_check(head);
  if (check != 0 || !shape.checks.empty()) {
    shape.checks.resize(shape.values.size());
    shape.checks.push_back(check);
  }
  shape.values.push_back(head.value);
  if (head.segments == 0) return;
  record.each_segment([&](int i, Bytes bytes) {
    shape.lengths[i].push_back(static_cast<int64_t>(bytes.size()));
    shape.bytes[i].insert(shape.bytes[i].end(), bytes.begin(), bytes.end());
    input_bytes_ += bytes.size();
  });
}

void ChunkBuilder::add_decisions(uint8_t thread, uint64_t packed, uint32_t count) {
  if (count == 0) return;  // of a damaged tape: its tokens would be counted by no record
  if (thread != decider_) {
    put_token(shape_of({tape::kDecisions, 0, thread, 0, 0}).index);
    decider_ = thread;
  }
  static_assert(std::endian::native == std::endian::little);
  std::memcpy(&tokens_[token_count_], &packed, sizeof packed);
  token_count_ += count;
  records_ += count;
}

ChunkBuilder::KindCounts ChunkBuilder::count_decisions() const {
  std::array<std::array<uint32_t, 256>, 2> seen{};  // two, because runs of one token wait for their own sum
  for (size_t i = 0; i < token_count_; ++i) {
    const uint8_t token = tokens_[i];
    ++seen[i & 1][token];
    if (token == kFarShape) i += sizeof(uint16_t);
  }
  KindCounts counts{};
  for (size_t token = 0; token < tape::kFirstUnpacked; ++token) counts[token >> 4] += seen[0][token] + seen[1][token];
  return counts;
}

void ChunkBuilder::clear() {
  for (Shape* shape : used_) {
    shape->values.clear();
    shape->checks.clear();
    for (auto& lengths : shape->lengths) lengths.clear();
    for (auto& bytes : shape->bytes) bytes.clear();
  }
  used_.clear();
  token_count_ = records_ = input_bytes_ = 0;
  decider_ = 0;
  ++chunk_;
  if (pool_.size() <= kMaxKeptShapes) return;
  slots_.fill(nullptr);
  recent_.fill({});
  pool_.clear();
}

void ChunkBuilder::finish(const Context& context, std::vector<std::byte>& inputs,
                          std::vector<std::byte>& chunk) {
  if (input_scratch_.size() * 8 < input_bytes_ + kSlackBytes) input_scratch_.resize((input_bytes_ + kSlackBytes) / 8);
  if (chunk_scratch_.size() * 8 < chunk.size() + kSlackBytes) chunk_scratch_.resize((chunk.size() + kSlackBytes) / 8);
  ::capnp::MallocMessageBuilder input_message(as_segment(input_scratch_)), chunk_message(as_segment(chunk_scratch_));
  auto data = input_message.initRoot<schema::Inputs>().initBytes(input_bytes_);
  auto to = chunk_message.initRoot<schema::Chunk>();
  to.setFirstRecord(context.first_record);
  to.setRecords(static_cast<uint32_t>(records_));
  to.setTapeEnd(context.tape_end);
  auto shapes = to.initShapes(static_cast<unsigned>(used_.size()));
  size_t at = 0;
  EncodedColumn column;
  Blobs blobs;
  for (unsigned i = 0; i < used_.size(); ++i) {
    const Shape& from = *used_[i];
    shapes[i].setKind(from.like.kind);
    shapes[i].setThread(from.like.thread);
    shapes[i].setSegments(from.like.segments);
    shapes[i].setCount(static_cast<uint32_t>(from.values.size()));
    encode_column(from.values, column);
    put_column(shapes[i].initValues(), column, blobs);
    encode_column(from.checks, column);  // none is a constant 0
    put_column(shapes[i].initChecks(), column, blobs);
    auto lengths = shapes[i].initLengths(from.like.segments);
    for (unsigned s = 0; s < from.like.segments; ++s) {
      encode_lengths(from.lengths[s], from.values, column);
      put_column(lengths[s], column, blobs);
      if (!from.bytes[s].empty()) {
        std::memcpy(data.begin() + at, from.bytes[s].data(), from.bytes[s].size());
      }
      at += from.bytes[s].size();
    }
  }
  to.setTokens({tokens_.get(), token_count_});
  blobs.push_back(to.asReader().getTokens());
  auto objects = to.initObjects(static_cast<unsigned>(context.objects.size()));
  for (unsigned i = 0; i < objects.size(); ++i) put_object(objects[i], context.objects[i]);
  flatten(input_message, inputs);
  flatten(chunk_message, chunk);
  find_cuts(chunk_message, blobs, cuts_);
  clear();
}

}  // namespace reprise::trace
