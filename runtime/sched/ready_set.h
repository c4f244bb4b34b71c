// The ready set of a controlled run: candidates in order of goroutine id, kept incrementally.
//
// Two parallel arrays, so that the policy can be shown the candidates as they are. Insertion and
// removal move what lies behind; new goroutines have the highest id and go to the end. The arrays
// are mapped, not allocated: goready() runs on goroutines, and the program's heap must not see it.
//
// Thread safety: the holder of the P.
#pragma once

#include <cstddef>
#include <span>

#include "runtime/sched/g_m_p.h"
#include "runtime/seam/decision.h"

namespace reprise::rt {

class ReadySet {
 public:
  void insert(G* gp, uint64_t step);
  G* remove_at(size_t index);
  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }
  const size_t* size_address() const { return &size_; }
  std::span<const seam::Candidate> candidates() const { return {candidates_, size_}; }

 private:
  void grow();

  seam::Candidate* candidates_ = nullptr;
  G** goroutines_ = nullptr;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

}  // namespace reprise::rt
