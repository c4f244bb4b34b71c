// The ready set: two sorted arrays in mapped memory, doubled when full.
//
// Invariant: candidates_[i] describes goroutines_[i], and goids ascend strictly.
#include "runtime/sched/ready_set.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include "runtime/sched/proc.h"

namespace reprise::rt {

namespace {

constexpr size_t kFirstCapacity = 1024;

template <class T>
T* regrow(T* old, size_t size, size_t old_capacity, size_t capacity) {
  void* fresh = mmap(nullptr, capacity * sizeof(T), PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (fresh == MAP_FAILED) throw_("out of memory (ready set)");
  if (old != nullptr) {
    std::memcpy(fresh, static_cast<const void*>(old), size * sizeof(T));
    munmap(static_cast<void*>(old), old_capacity * sizeof(T));
  }
  return static_cast<T*>(fresh);
}

template <class T>
void open_gap(T* array, size_t at, size_t size) {
  std::memmove(static_cast<void*>(array + at + 1), static_cast<const void*>(array + at),
               (size - at) * sizeof(T));
}

template <class T>
void close_gap(T* array, size_t at, size_t size) {
  if (at + 1 == size) return;
  std::memmove(static_cast<void*>(array + at), static_cast<const void*>(array + at + 1),
               (size - at - 1) * sizeof(T));
}

}  // namespace

void ReadySet::grow() {
  const size_t capacity = capacity_ == 0 ? kFirstCapacity : capacity_ * 2;
  candidates_ = regrow(candidates_, size_, capacity_, capacity);
  goroutines_ = regrow(goroutines_, size_, capacity_, capacity);
  capacity_ = capacity;
}

void ReadySet::insert(G* gp, uint64_t step) {
  if (size_ == capacity_) grow();
  size_t at = size_;
  if (size_ != 0 && candidates_[size_ - 1].goid > gp->goid) {
    const auto* found = std::lower_bound(
        candidates_, candidates_ + size_, gp->goid,
        [](const seam::Candidate& candidate, uint64_t goid) { return candidate.goid < goid; });
    at = static_cast<size_t>(found - candidates_);
    open_gap(candidates_, at, size_);
    open_gap(goroutines_, at, size_);
  }
  gp->ready_step = step;
  candidates_[at] = {gp->name, gp->goid, step, gp->op, gp->op_site,
                     {gp->accesses, gp->access_count}};
  goroutines_[at] = gp;
  ++size_;
}

G* ReadySet::remove_at(size_t index) {
  G* gp = goroutines_[index];
  close_gap(candidates_, index, size_);
  close_gap(goroutines_, index, size_);
  --size_;
  return gp;
}

}  // namespace reprise::rt
