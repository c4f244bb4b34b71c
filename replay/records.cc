// Builds records in tape layout. Invariant: what append_record() writes, RecordView::parse() reads.
#include "replay/records.h"

namespace reprise::trace {

void append_record(std::vector<std::byte>& out, const tape::Record& head,
                   std::span<const Bytes> segments) {
  size_t start = out.size();
  auto put = [&](const void* p, size_t n) {
    auto* b = static_cast<const std::byte*>(p);
    out.insert(out.end(), b, b + n);
  };
  put(&head, sizeof head);
  for (Bytes segment : segments) {
    auto length = static_cast<uint32_t>(segment.size());
    put(&length, sizeof length);
    put(segment.data(), segment.size());
    out.resize(start + padded(out.size() - start, 4));
  }
  out.resize(start + padded(out.size() - start, 8));
}

}  // namespace reprise::trace
