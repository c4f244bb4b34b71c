// The ready set.
//
// Invariants: goids ascend strictly within a block and from block to block; no block is empty; two
// neighbours hold more than half a block between them once one of them has lost a goroutine, so that n
// goroutines have about 4 * n / kBlock blocks at most; every goroutine of a block is on the list of
// ages, where steps ascend.
#include "runtime/sched/ready_set.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include "runtime/sched/proc.h"

namespace reprise::rt {

namespace {

constexpr size_t kFirstSlots = 256;
constexpr size_t kBlocksAtATime = 16;

template <class T>
T* map_array(size_t count) {
  void* fresh = mmap(nullptr, count * sizeof(T), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                     -1, 0);
  if (fresh == MAP_FAILED) throw_("out of memory (ready set)");
  return static_cast<T*>(fresh);
}

template <class T>
void move_entries(T* to, const T* from, size_t count) {
  std::memmove(static_cast<void*>(to), static_cast<const void*>(from), count * sizeof(T));
}

uint64_t digest(const G* gp) { return seam::digest_of(gp->name, gp->goid, gp->op); }

}  // namespace

ReadySet::Block* ReadySet::new_block() {
  if (free_blocks_ == nullptr) {
    Block* fresh = map_array<Block>(kBlocksAtATime);
    for (size_t i = kBlocksAtATime; i-- > 0;) {
      fresh[i].next_free = free_blocks_;
      free_blocks_ = &fresh[i];
    }
  }
  Block* block = free_blocks_;
  free_blocks_ = block->next_free;
  return block;
}

// An empty block at this place of the table; whoever asks fills it.
void ReadySet::open_slot(size_t at) {
  if (slots_ == table_capacity_) {
    const size_t capacity = std::max(kFirstSlots, 2 * table_capacity_);
    Slot* fresh = map_array<Slot>(capacity);
    if (table_ != nullptr) {
      move_entries(fresh, table_, slots_);
      munmap(table_, table_capacity_ * sizeof(Slot));
    }
    table_ = fresh;
    table_capacity_ = capacity;
  }
  move_entries(table_ + at + 1, table_ + at, slots_ - at);
  table_[at] = {new_block(), 0, 0};
  ++slots_;
}

void ReadySet::close_slot(size_t at) {
  Block* block = table_[at].block;
  block->next_free = free_blocks_;
  free_blocks_ = block;
  --slots_;
  move_entries(table_ + at, table_ + at + 1, slots_ - at);
}

void ReadySet::split(size_t slot) {
  open_slot(slot + 1);
  Slot& low = table_[slot];
  Slot& high = table_[slot + 1];
  low.size = kBlock / 2;
  high.size = kBlock - low.size;
  move_entries(high.block->entries, low.block->entries + low.size, high.size);
  high.first = high.block->entries[0].goid;
}

// Takes the next block in, if both together are small.
void ReadySet::merge(size_t slot) {
  if (slot + 1 == slots_) return;
  Slot& low = table_[slot];
  const Slot& high = table_[slot + 1];
  if (low.size + high.size > kBlock / 2) return;
  move_entries(low.block->entries + low.size, high.block->entries, high.size);
  low.size += high.size;
  close_slot(slot + 1);
}

// Where this goid is, or would be: behind all smaller ones, in the block that begins with one of them.
ReadySet::Place ReadySet::place_of(uint64_t goid) const {
  const Slot* const after = std::upper_bound(
      table_, table_ + slots_, goid, [](uint64_t id, const Slot& slot) { return id < slot.first; });
  const size_t slot = after == table_ ? 0 : static_cast<size_t>(after - table_) - 1;
  const Entry* const entries = table_[slot].block->entries;
  const Entry* const found =
      std::lower_bound(entries, entries + table_[slot].size, goid,
                       [](const Entry& entry, uint64_t id) { return entry.goid < id; });
  return {slot, static_cast<size_t>(found - entries)};
}

void ReadySet::insert(G* gp, uint64_t step) {
  if (slots_ == 0) open_slot(0);
  Place place = place_of(gp->goid);
  if (table_[place.slot].size == kBlock) {
    split(place.slot);
    place = place_of(gp->goid);
  }
  Slot& slot = table_[place.slot];
  Entry* const entries = slot.block->entries;
  move_entries(entries + place.at + 1, entries + place.at, slot.size - place.at);
  entries[place.at] = {gp->goid, gp};
  slot.first = entries[0].goid;
  ++slot.size;
  ++size_;
  digest_ += digest(gp);
  gp->ready_step = step;
  gp->ready_before = youngest_;
  gp->ready_after = nullptr;
  (youngest_ != nullptr ? youngest_->ready_after : oldest_) = gp;
  youngest_ = gp;
}

G* ReadySet::take(Place place) {
  Slot& slot = table_[place.slot];
  Entry* const entries = slot.block->entries;
  G* const gp = entries[place.at].gp;
  --slot.size;
  --size_;
  move_entries(entries + place.at, entries + place.at + 1, slot.size - place.at);
  slot.first = entries[0].goid;
  if (slot.size == 0) {
    close_slot(place.slot);
  } else {
    merge(place.slot);
    if (place.slot > 0) merge(place.slot - 1);
  }
  digest_ -= digest(gp);
  (gp->ready_before != nullptr ? gp->ready_before->ready_after : oldest_) = gp->ready_after;
  (gp->ready_after != nullptr ? gp->ready_after->ready_before : youngest_) = gp->ready_before;
  gp->ready_before = gp->ready_after = nullptr;
  return gp;
}

G* ReadySet::take_at(size_t index) {
  size_t slot = 0;
  while (index >= table_[slot].size) index -= table_[slot++].size;
  return take({slot, index});
}

G* ReadySet::take_oldest() { return take(place_of(oldest_->goid)); }

size_t ReadySet::oldest() const {
  const Place place = place_of(oldest_->goid);
  size_t index = place.at;
  for (size_t slot = 0; slot < place.slot; ++slot) index += table_[slot].size;
  return index;
}

void ReadySet::list(seam::Candidate* to) const {
  for (size_t slot = 0; slot < slots_; ++slot) {
    const Entry* const entries = table_[slot].block->entries;
    for (size_t i = 0; i < table_[slot].size; ++i) {
      const G* gp = entries[i].gp;
      *to++ = {gp->name, gp->goid, gp->ready_step, gp->op, gp->op_site,
               {gp->accesses, gp->access_count}};
    }
  }
}

}  // namespace reprise::rt
