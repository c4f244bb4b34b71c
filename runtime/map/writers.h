// Notices that a map is written beside another use, as the reference does: fatal, not a panic.
//
// Thread safety: none is given; what is noticed is luck. Shared by both maps.
#pragma once

#include <atomic>
#include <cstdint>

#include "runtime/sched/proc.h"

namespace reprise::rt {

class MapWriters {
 public:
  // Relaxed: it orders nothing, it notices.
  void check_none(const char* what) const {
    if ((flags_.load(std::memory_order_relaxed) & kWriting) != 0) [[unlikely]] throw_(what);
  }

  // A write, for its scope. Toggled, so that two writers end with a wrong value even if both saw none.
  class Writing {
   public:
    explicit Writing(MapWriters& writers) : flags_(writers.flags_) {
      writers.check_none("concurrent map writes");
      flags_.store(flags_.load(std::memory_order_relaxed) ^ kWriting, std::memory_order_relaxed);
    }
    Writing(const Writing&) = delete;
    Writing& operator=(const Writing&) = delete;
    ~Writing() {
      const uint32_t flags = flags_.load(std::memory_order_relaxed);
      if ((flags & kWriting) == 0) throw_("concurrent map writes");
      flags_.store(flags ^ kWriting, std::memory_order_relaxed);
    }

   private:
    std::atomic<uint32_t>& flags_;
  };

 private:
  static constexpr uint32_t kWriting = 1;
  std::atomic<uint32_t> flags_{0};
};

}  // namespace reprise::rt
