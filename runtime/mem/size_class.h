// Sizes of small blocks: steps of 16 bytes to 128, then four to each doubling, to 32 KiB.
//
// A block wastes at most a fifth of itself. Every size is a multiple of 16, so every block is
// aligned for max_align_t. Pure constants; any thread.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace reprise::mem {

inline constexpr size_t kPageBytes = 4096;
inline constexpr size_t kSizeClasses = 40;
inline constexpr size_t kMaxSmallBytes = 32768;
inline constexpr size_t kMaxSlots = 256;  // blocks in a span

// REQUIRES: 1 <= bytes <= kMaxSmallBytes.
constexpr size_t size_class_of(size_t bytes) {
  if (bytes <= 128) return (bytes - 1) / 16;
  const int width = std::bit_width(bytes - 1);
  return 8 + static_cast<size_t>(width - 8) * 4 + (((bytes - 1) >> (width - 3)) - 4);
}

struct SizeClass {
  uint32_t bytes = 0;
  uint16_t pages = 0;   // of a span
  uint16_t slots = 0;   // blocks in a span
  uint64_t reciprocal = 0;  // ceil(2^40 / bytes): offset * reciprocal >> 40 is the slot
};

namespace detail {

constexpr SizeClass make_size_class(size_t index) {
  SizeClass c;
  c.bytes = static_cast<uint32_t>(
      index < 8 ? (index + 1) * 16 : ((index - 8) % 4 + 5) << ((index - 8) / 4 + 5));
  const size_t wanted = c.bytes <= 4096 ? 8 : 4;
  size_t pages = 1;
  while (pages * kPageBytes / c.bytes < wanted) ++pages;
  c.pages = static_cast<uint16_t>(pages);
  c.slots = static_cast<uint16_t>(pages * kPageBytes / c.bytes);
  c.reciprocal = ((uint64_t{1} << 40) + c.bytes - 1) / c.bytes;
  return c;
}

constexpr std::array<SizeClass, kSizeClasses> make_size_classes() {
  std::array<SizeClass, kSizeClasses> classes{};
  for (size_t i = 0; i < kSizeClasses; ++i) classes[i] = make_size_class(i);
  return classes;
}

}  // namespace detail

inline constexpr std::array<SizeClass, kSizeClasses> kClasses = detail::make_size_classes();

static_assert(kClasses[kSizeClasses - 1].bytes == kMaxSmallBytes);
static_assert(size_class_of(kMaxSmallBytes) == kSizeClasses - 1);
static_assert(kClasses[0].slots == kMaxSlots);

}  // namespace reprise::mem
