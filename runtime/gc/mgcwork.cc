// Work buffers: made in blocks, never given back, kept on two lock-free stacks.
//
// Invariants: a buffer is in one place: on `full` (count > 0), on `empty` (count == 0), or with one GcWork. So what is grey
// is on `full`, in some P's GcWork, or in some P's barrier buffer, and marking is over when none of them holds anything.
#include "runtime/gc/mgcwork.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "runtime/mem/mheap.h"
#include "runtime/sched/fibers.h"
#include "runtime/sched/lock.h"
#include "runtime/sched/proc.h"

namespace reprise::rt {

namespace {

constexpr uint32_t kBlockBufs = 64;      // made at a time
constexpr uint32_t kMaxBlocks = 1 << 16;  // 8 GiB of grey objects

struct Stacks {
  alignas(64) LfStackOf<StdAtomics> full;
  alignas(64) LfStackOf<StdAtomics> empty;
};
constinit Stacks stacks;

constinit Lock blocks_lock{LockRank::gc_blocks};
constinit std::atomic<WorkBuf*> blocks[kMaxBlocks] = {};
uint32_t blocks_made = 0;  // blocks_lock

WorkBuf* buf_of(uint32_t number) {
  // Acquire is the stack's: whoever learned the number learned that the block is there.
  return blocks[(number - 1) / kBlockBufs].load(std::memory_order_relaxed) + (number - 1) % kBlockBufs;
}

// One for the caller, the others for all.
WorkBuf* make_block() {
  blocks_lock.lock();
  if (blocks_made == kMaxBlocks) throw_("gc: more grey objects than work buffers can hold");
  const uint32_t block = blocks_made++;
  auto* const bufs = static_cast<WorkBuf*>(persistentalloc(kBlockBufs * sizeof(WorkBuf), 64));
  for (uint32_t i = 0; i < kBlockBufs; ++i) bufs[i].number = block * kBlockBufs + i + 1;
  blocks[block].store(bufs, std::memory_order_release);
  blocks_lock.unlock();
  for (uint32_t i = 1; i < kBlockBufs; ++i) stacks.empty.push(&bufs[i]);
  return bufs;
}

WorkBuf* get_empty() {
  WorkBuf* const buf = stacks.empty.pop(buf_of);
  return buf != nullptr ? buf : make_block();
}

void put_back(WorkBuf* buf) {
  if (buf == nullptr) return;
  (buf->count == 0 ? stacks.empty : stacks.full).push(buf);
}

}  // namespace

void GcWork::prepare() {
  first_ = get_empty();
  second_ = get_empty();
}

void GcWork::make_room() {
  if (first_ == nullptr) prepare();
  if (first_->count < WorkBuf::kCapacity) return;
  std::swap(first_, second_);
  if (first_->count < WorkBuf::kCapacity) return;
  stacks.full.push(first_);
  first_ = get_empty();
}

bool GcWork::fetch() {
  if (first_ == nullptr) prepare();
  if (first_->count != 0) return true;
  std::swap(first_, second_);
  if (first_->count != 0) return true;
  WorkBuf* const full = stacks.full.pop(buf_of);
  if (full == nullptr) return false;
  stacks.empty.push(first_);
  first_ = full;
  return true;
}

void GcWork::dispose() {
  put_back(first_);
  put_back(second_);
  first_ = second_ = nullptr;
}

void GcWork::balance() {
  if (first_ == nullptr || !stacks.full.empty()) return;
  if (second_->count != 0) {
    stacks.full.push(second_);
    second_ = get_empty();
  } else if (first_->count > 4) {
    WorkBuf* const half = get_empty();
    half->count = first_->count / 2;
    first_->count -= half->count;
    const FiberUnseen unseen;
    std::memcpy(half->entries, first_->entries + first_->count, half->count * sizeof half->entries[0]);
    stacks.full.push(half);
  }
}

void work_is_gone() {
  new (&stacks.full) LfStackOf<StdAtomics>;
  new (&stacks.empty) LfStackOf<StdAtomics>;
}

void work_before_fork() { blocks_lock.lock(); }
void work_after_fork() { blocks_lock.unlock(); }

bool work_available() { return !stacks.full.empty(); }

}  // namespace reprise::rt
