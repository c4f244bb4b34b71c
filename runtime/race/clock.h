// Vector clocks: how much of each goroutine's doing is known to come before something.
//
// Goroutines are numbered by slots, which are used again after their death; a slot's clock goes on where it
// was, so that who follows in a slot comes after who was there. Components beyond a clock's size are 0.
// Storage is a pool of the detector's, thrown away as a whole with each schedule.
//
// Thread safety: the baton.
#pragma once

#include <cstdint>

namespace reprise::race {

// When something happened: in which slot, at which count of its clock. 0: never.
struct Epoch {
  static constexpr unsigned kClockBits = 44;
  static uint64_t of(uint32_t slot, uint64_t clock) { return uint64_t{slot} << kClockBits | clock; }
  static uint32_t slot(uint64_t when) { return static_cast<uint32_t>(when >> kClockBits); }
  static uint64_t clock(uint64_t when) { return when & ((uint64_t{1} << kClockBits) - 1); }
};
inline constexpr uint32_t kMaxSlots = 1u << (64 - Epoch::kClockBits);

class Clock {
 public:
  uint64_t operator[](uint32_t slot) const { return slot < size_ ? at_[slot] : 0; }
  bool knows(uint64_t when) const { return Epoch::clock(when) <= (*this)[Epoch::slot(when)]; }
  bool empty() const { return size_ == 0; }
  void set(uint32_t slot, uint64_t value);
  void join(const Clock& other);
  void assign(const Clock& other);
  void clear();

 private:
  void grow(uint32_t size);

  uint64_t* at_ = nullptr;
  uint32_t size_ = 0;
  uint32_t capacity_ = 0;
};

void clocks_init();
void clocks_forget();  // every Clock's storage is gone: nobody may use an old one

}  // namespace reprise::race
