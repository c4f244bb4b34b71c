// Vector clocks: storage by powers of two, with a free list for each.
#include "runtime/race/clock.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "runtime/race/memory.h"
#include "runtime/sched/proc.h"

namespace reprise::race {
namespace {

constexpr uint64_t kPoolWords = uint64_t{1} << 30;
constexpr uint32_t kLeast = 4;

uint64_t* pool = nullptr;
uint64_t next_word = 0;
uint64_t* free_lists[32] = {};  // by the logarithm of the capacity; linked by first words

uint64_t* take(uint32_t capacity) {
  uint64_t*& list = free_lists[std::countr_zero(capacity)];
  if (uint64_t* const at = list) {
    list = reinterpret_cast<uint64_t*>(at[0]);
    return at;
  }
  if (next_word + capacity > kPoolWords) rt::throw_("race: out of memory for vector clocks");
  uint64_t* const at = pool + next_word;
  next_word += capacity;
  return at;
}

void give(uint64_t* at, uint32_t capacity) {
  uint64_t*& list = free_lists[std::countr_zero(capacity)];
  at[0] = reinterpret_cast<uint64_t>(list);
  list = at;
}

}  // namespace

void clocks_init() { pool = reserve_array<uint64_t>(kPoolWords); }

void clocks_forget() {
  next_word = 0;
  std::fill(std::begin(free_lists), std::end(free_lists), nullptr);
}

void Clock::grow(uint32_t size) {
  if (size > capacity_) {
    const uint32_t capacity = std::max(kLeast, std::bit_ceil(size));
    uint64_t* const at = take(capacity);
    if (size_ != 0) std::memcpy(at, at_, size_ * sizeof(uint64_t));
    if (capacity_ != 0) give(at_, capacity_);
    at_ = at;
    capacity_ = capacity;
  }
  for (; size_ < size; ++size_) at_[size_] = 0;
}

void Clock::set(uint32_t slot, uint64_t value) {
  if (slot >= size_) grow(slot + 1);
  at_[slot] = value;
}

void Clock::join(const Clock& other) {
  if (other.size_ > size_) grow(other.size_);
  for (uint32_t i = 0; i < other.size_; ++i) at_[i] = std::max(at_[i], other.at_[i]);
}

void Clock::assign(const Clock& other) {
  if (this == &other) return;
  size_ = 0;
  grow(other.size_);
  if (size_ != 0) std::memcpy(at_, other.at_, size_ * sizeof(uint64_t));
}

void Clock::clear() {
  if (capacity_ != 0) give(at_, capacity_);
  *this = Clock{};
}

}  // namespace reprise::race
