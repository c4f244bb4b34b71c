// The ready set of a controlled run: who is ready, by goroutine id and by age.
//
// Two orders. By id, in blocks of up to kBlock goroutines, for a policy that names an index: taking the
// i-th of n costs a walk over n / kBlock counts and a move within one block. By age, as a list through
// the goroutines, for the default choice. The candidates are listed only if a policy looks. All memory
// is mapped, not allocated: goready() runs on goroutines, and the program's heap must not see it.
//
// Thread safety: the holder of the P.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/sched/g_m_p.h"
#include "runtime/seam/decision.h"

namespace reprise::rt {

class ReadySet final : public seam::CandidateSource {
 public:
  // REQUIRES: `step` is greater than that of any insertion before.
  void insert(G* gp, uint64_t step);
  G* take_at(size_t index);  // in order of id
  G* take_oldest();          // REQUIRES: not empty
  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }
  const size_t* size_address() const { return &size_; }
  seam::Candidates candidates() const { return {*this, size_, digest_}; }

  void list(seam::Candidate* to) const override;
  size_t oldest() const override;

 private:
  static constexpr size_t kBlock = 256;
  struct Entry {
    uint64_t goid;
    G* gp;
  };
  struct Block {
    Block* next_free;
    Entry entries[kBlock];
  };
  struct Slot {  // of the table
    Block* block;
    size_t size;
    uint64_t first;  // goid of entries[0]
  };
  struct Place {
    size_t slot, at;
  };

  Place place_of(uint64_t goid) const;
  G* take(Place place);
  void open_slot(size_t at);
  void split(size_t slot);
  void merge(size_t slot);
  void close_slot(size_t at);
  Block* new_block();

  Slot* table_ = nullptr;
  size_t slots_ = 0;
  size_t table_capacity_ = 0;
  Block* free_blocks_ = nullptr;
  G* oldest_ = nullptr;
  G* youngest_ = nullptr;
  size_t size_ = 0;
  uint64_t digest_ = 0;  // sum of digest_of()
};

}  // namespace reprise::rt
