// Records to columns.
//
// Invariant: order_[i] names the shape of the i-th record, and that record is the next unread entry
// of every column of its shape. A shape is (kind, thread, number of segments): within one, the
// fields are alike, so each column compresses; across shapes nothing is compared. Each clock has a
// shape of its own, since differences compress only between readings of one clock.
//
// Checks below tape::kKeptCheck stay, and those of kCheckpoint, which are numbers; the rest become 0,
// see runtime/seam/tape.h.
#include "replay/chunk_builder.h"

#include <algorithm>
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

// Two bits a record where there are four shapes at most, else one byte or two.
void put_order(schema::Chunk::Builder to, std::span<const uint16_t> order, size_t shapes) {
  if (shapes <= 4) {
    auto bytes = to.initOrder(static_cast<unsigned>((order.size() + 3) / 4));
    for (size_t i = 0; i < order.size(); ++i) bytes[i / 4] |= static_cast<uint8_t>(order[i] << i % 4 * 2);
    return;
  }
  const size_t width = shapes > 256 ? 2 : 1;
  auto bytes = to.initOrder(static_cast<unsigned>(order.size() * width));
  for (size_t i = 0; i < order.size(); ++i) {
    bytes[i * width] = static_cast<uint8_t>(order[i]);
    if (width == 2) bytes[i * 2 + 1] = static_cast<uint8_t>(order[i] >> 8);
  }
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

}  // namespace

ChunkBuilder::ChunkBuilder() = default;
ChunkBuilder::~ChunkBuilder() = default;

ChunkBuilder::Shape& ChunkBuilder::shape_of(const tape::Record& head) {
  const uint64_t key = key_of(head);
  Recent& recent = recent_[(head.kind ^ head.kind >> 4 ^ head.thread << 5 ^ key >> 32) & 255];
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

inline void ChunkBuilder::add_number(const tape::Record& head, uint32_t check, Shape& shape) {
  order_.push_back(shape.index);
  if (check != 0 || !shape.checks.empty()) {
    shape.checks.resize(shape.values.size());
    shape.checks.push_back(check);
  }
  shape.values.push_back(head.value);
}

void ChunkBuilder::add(const RecordView& record) {
  const tape::Record& head = record.head();
  Shape& shape = shape_of(head);
  add_number(head, kept_check(head), shape);
  if (head.segments == 0) return;
  record.each_segment([&](int i, Bytes bytes) {
    shape.lengths[i].push_back(static_cast<int64_t>(bytes.size()));
    shape.bytes[i].insert(shape.bytes[i].end(), bytes.begin(), bytes.end());
    input_bytes_ += bytes.size();
  });
}

void ChunkBuilder::add_decisions(const tape::Record& packed) {
  const uint32_t count = std::min(packed.check, tape::kPackedDecisions);
  for (uint32_t i = 0; i < count; ++i) {
    const tape::Record head = tape::unpacked(packed, i);
    add_number(head, 0, shape_of(head));
  }
}

bool ChunkBuilder::full() const {
  return order_.size() >= kMaxRecords || used_.size() >= kMaxShapes || input_bytes_ >= kMaxInputBytes;
}

void ChunkBuilder::clear() {
  for (Shape* shape : used_) {
    shape->values.clear();
    shape->checks.clear();
    for (auto& lengths : shape->lengths) lengths.clear();
    for (auto& bytes : shape->bytes) bytes.clear();
  }
  used_.clear();
  order_.clear();
  input_bytes_ = 0;
  ++chunk_;
  if (pool_.size() <= kMaxKeptShapes) return;
  slots_.fill(nullptr);
  recent_.fill({});
  pool_.clear();
}

void ChunkBuilder::finish(const Context& context, std::vector<std::byte>& inputs,
                          std::vector<std::byte>& chunk) {
  ::capnp::MallocMessageBuilder input_message, chunk_message;
  auto data = input_message.initRoot<schema::Inputs>().initBytes(input_bytes_);
  auto to = chunk_message.initRoot<schema::Chunk>();
  to.setFirstRecord(context.first_record);
  to.setRecords(static_cast<uint32_t>(order_.size()));
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
  put_order(to, order_, used_.size());
  blobs.push_back(to.asReader().getOrder());
  auto objects = to.initObjects(static_cast<unsigned>(context.objects.size()));
  for (unsigned i = 0; i < objects.size(); ++i) put_object(objects[i], context.objects[i]);
  flatten(input_message, inputs);
  flatten(chunk_message, chunk);
  find_cuts(chunk_message, blobs, cuts_);
  clear();
}

}  // namespace reprise::trace
