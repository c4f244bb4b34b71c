// Size classes of the collected heap: 68 with class 0 (large objects), derived when this is compiled.
//
// The rule is the reference implementation's: sizes are multiples of 8, then 16, then an eighth of the power of two
// below, then 256 bytes; a span of a class has as many pages as keep what is left over at its end below an eighth;
// sizes that fill the same pages with the same number of objects are one class, the largest that fits. So a
// span wastes less than 12.5 % by its tail; rounding takes less than 16 % of a slot from 129 bytes up, 5 % over all sizes.
//
// Every class but 8 and 24 is a multiple of 16, and a size that is a multiple of 16 is never in those two.
// Pure constants; any thread.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace reprise::rt {

inline constexpr size_t kHeapPageBytes = 8192;
inline constexpr size_t kHeapPageShift = 13;
inline constexpr size_t kNumSizeClasses = 68;
inline constexpr size_t kMaxSmallSize = 32768;

struct HeapSizeClass {
  uint32_t bytes = 0;
  uint32_t pages = 0;    // of a span
  uint32_t divMul = 0;   // offset * divMul >> 32 is offset / bytes, for offsets in the span
};

namespace detail {

// What a size below the next power of two is rounded to.
constexpr uint32_t size_step(uint32_t size) {
  if (size < 32) return 8;
  if (size < 128) return 16;
  if (size < 2048) return std::bit_floor(size) / 8;
  return 256;
}

constexpr uint32_t pages_for(uint32_t size) {
  uint32_t pages = 1;
  while (pages * kHeapPageBytes % size > pages * kHeapPageBytes / 8) ++pages;
  return pages;
}

// The largest size of which as many fit into the class's pages, as a multiple of 128.
constexpr uint32_t grown(uint32_t size, uint32_t pages) {
  const auto span = static_cast<uint32_t>(pages * kHeapPageBytes);
  const uint32_t largest = span / (span / size) & ~uint32_t{127};
  return largest > size ? largest : size;
}

struct SizeClassTable {
  std::array<HeapSizeClass, kNumSizeClasses> classes{};
  size_t count = 1;
};

constexpr SizeClassTable make_heap_classes() {
  SizeClassTable table;
  uint32_t objects_before = 0;
  for (uint32_t size = 8; size <= kMaxSmallSize; size += size_step(size)) {
    const uint32_t pages = pages_for(size);
    const auto objects = static_cast<uint32_t>(pages * kHeapPageBytes / size);
    HeapSizeClass* last = &table.classes[table.count - 1];
    if (table.count == 1 || last->pages != pages || objects_before != objects) last = &table.classes[table.count++];
    *last = {size, pages, 0};
    objects_before = objects;
  }
  for (size_t i = 1; i < table.count; ++i) {
    HeapSizeClass& c = table.classes[i];
    c.bytes = grown(c.bytes, c.pages);
    c.divMul = UINT32_MAX / c.bytes + 1;
  }
  return table;
}

inline constexpr SizeClassTable kHeapTable = make_heap_classes();
static_assert(kHeapTable.count == kNumSizeClasses);

// Classes of sizes by steps of 8 up to 1,024, by steps of 128 beyond.
template <size_t N, size_t First, size_t Step>
constexpr std::array<uint8_t, N> make_class_index() {
  std::array<uint8_t, N> index{};
  size_t c = 1;
  for (size_t i = 0; i < N; ++i) {
    while (kHeapTable.classes[c].bytes < First + i * Step) ++c;
    index[i] = static_cast<uint8_t>(c);
  }
  return index;
}
inline constexpr auto kClassOfSmall = make_class_index<1024 / 8 + 1, 0, 8>();
inline constexpr auto kClassOfMedium = make_class_index<(kMaxSmallSize - 1024) / 128 + 1, 1024, 128>();

}  // namespace detail

inline constexpr const std::array<HeapSizeClass, kNumSizeClasses>& kHeapClasses = detail::kHeapTable.classes;

// The class of a size, which is not 0. REQUIRES: bytes <= kMaxSmallSize.
constexpr uint8_t heap_size_class(size_t bytes) {
  return bytes <= 1024 ? detail::kClassOfSmall[(bytes + 7) / 8] : detail::kClassOfMedium[(bytes - 1024 + 127) / 128];
}

}  // namespace reprise::rt
