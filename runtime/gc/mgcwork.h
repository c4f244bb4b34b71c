// Grey objects: found, and not looked into yet. A P keeps two buffers of them for itself and gives full ones to all.
//
// With two, a P that alternates between finding one object and looking into one does not go to the shared stacks each time:
// a buffer is exchanged only when both are full or both empty.
//
// An entry is the address of an object, or, for objects larger than kObletBytes, of a part of one that begins at a multiple
// of kObletBytes from its start.
//
// Thread safety: a GcWork belongs to who holds its P; the stacks are lock-free (lfstack.h).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "runtime/gc/lfstack.h"
#include "runtime/sched/atomics.h"

namespace reprise::rt {

inline constexpr size_t kWorkBufBytes = 2048;
inline constexpr size_t kObletBytes = 128 << 10;

struct WorkBuf {
  static constexpr size_t kCapacity = (kWorkBufBytes - 16) / sizeof(uintptr_t);

  std::atomic<uint32_t> next{0};
  uint32_t number = 0;
  uint32_t count = 0;       // whoever has the buffer
  uint32_t unused = 0;
  uintptr_t entries[kCapacity];
};
static_assert(sizeof(WorkBuf) == kWorkBufBytes);

class GcWork {
 public:
  void put(uintptr_t object) {
    if (first_ == nullptr || first_->count == WorkBuf::kCapacity) [[unlikely]] make_room();
    first_->entries[first_->count++] = object;
  }
  // 0: there is none here, nor on the shared stack.
  uintptr_t get() {
    if (first_ == nullptr || first_->count == 0) [[unlikely]] {
      if (!fetch()) return 0;
    }
    return first_->entries[--first_->count];
  }
  // Gives what it has to all.
  void dispose();
  // Somebody is idle: gives half of what it has away if it has enough and the shared stack is empty.
  void balance();
  // In the child of a fork: what it has is not to be trusted.
  void forget() { first_ = second_ = nullptr; }
  bool empty() const { return (first_ == nullptr || first_->count == 0) && (second_ == nullptr || second_->count == 0); }

  // Counted here and taken over by the collector in bulk; owner.
  int64_t bytes_marked = 0;
  int64_t scan_work = 0;

 private:
  void prepare();
  void make_room();
  bool fetch();
  WorkBuf* first_ = nullptr;
  WorkBuf* second_ = nullptr;
};

// Whether there is a full buffer for whoever asks. Of some moment.
bool work_available();
// In the child of a fork that lost a cycle: no buffer is anywhere.
void work_is_gone();
void work_before_fork();
void work_after_fork();

}  // namespace reprise::rt
