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

void put_column(schema::Column::Builder to, const EncodedColumn& from) {
  to.setEncoding(static_cast<schema::Column::Encoding>(from.encoding));
  to.setBase(from.base);
  to.setBytes({reinterpret_cast<const kj::byte*>(from.bytes.data()), from.bytes.size()});
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
  for (unsigned i = 0; i < used_.size(); ++i) {
    const Shape& from = *used_[i];
    shapes[i].setKind(from.like.kind);
    shapes[i].setThread(from.like.thread);
    shapes[i].setSegments(from.like.segments);
    shapes[i].setCount(static_cast<uint32_t>(from.values.size()));
    encode_column(from.values, column);
    put_column(shapes[i].initValues(), column);
    encode_column(from.checks, column);  // none is a constant 0
    put_column(shapes[i].initChecks(), column);
    auto lengths = shapes[i].initLengths(from.like.segments);
    for (unsigned s = 0; s < from.like.segments; ++s) {
      encode_lengths(from.lengths[s], from.values, column);
      put_column(lengths[s], column);
      if (!from.bytes[s].empty()) {
        std::memcpy(data.begin() + at, from.bytes[s].data(), from.bytes[s].size());
      }
      at += from.bytes[s].size();
    }
  }
  size_t width = used_.size() > 256 ? 2 : 1;
  auto order = to.initOrder(static_cast<unsigned>(order_.size() * width));
  for (size_t i = 0; i < order_.size(); ++i) {
    order[i * width] = static_cast<uint8_t>(order_[i]);
    if (width == 2) order[i * 2 + 1] = static_cast<uint8_t>(order_[i] >> 8);
  }
  auto objects = to.initObjects(static_cast<unsigned>(context.objects.size()));
  for (unsigned i = 0; i < objects.size(); ++i) put_object(objects[i], context.objects[i]);
  flatten(input_message, inputs);
  flatten(chunk_message, chunk);
  clear();
}

}  // namespace reprise::trace
