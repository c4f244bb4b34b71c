// Room: memory of plain values that grows as it is filled, is not zeroed first, and is kept when it is
// emptied. For buffers that a recorder fills chunk after chunk.
//
// Owns its memory; one thread. Pointers into it are valid until it grows.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <type_traits>

namespace reprise::trace {

template <typename T>
class Room {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  // Makes room for `more` behind what is there; where that begins.
  T* room_for(size_t more) {
    if (capacity_ - size_ < more) [[unlikely]] grow(size_ + more);
    return at_.get() + size_;
  }
  void set_size(size_t size) { size_ = size; }  // REQUIRES: there is room
  void clear() { size_ = 0; }

  T* data() const { return at_.get(); }
  size_t size() const { return size_; }
  size_t capacity() const { return capacity_; }
  std::span<const T> span() const { return {at_.get(), size_}; }

 private:
  [[gnu::noinline]] void grow(size_t least) {
    const size_t capacity = std::max({least, 2 * capacity_, kFirstBytes / sizeof(T)});
    auto at = std::make_unique_for_overwrite<T[]>(capacity);
    if (size_ > 0) std::memcpy(at.get(), at_.get(), size_ * sizeof(T));
    at_ = std::move(at);
    capacity_ = capacity;
  }

  static constexpr size_t kFirstBytes = 256;
  std::unique_ptr<T[]> at_;
  size_t size_ = 0, capacity_ = 0;
};

}  // namespace reprise::trace
