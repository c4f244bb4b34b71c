// Goroutine stacks: a bump allocator over a fixed arena, by chunks of a size class.
//
// Invariants: slots never overlap and never go away; a slot is a 64 KiB guard followed by the
// usable bytes. Free stacks are kept by the goroutines that own them, not here.
//
// Guards: MADV_GUARD_INSTALL (Linux 6.13) costs no mapping of its own, so a million stacks stay one
// area. Without it mprotect splits the area in two at every guard, and the system allows some 65,000
// areas: half of those go to guards, later stacks get a canary, checked at every switch.
#include "runtime/mem/stack.h"

#include <sys/mman.h>

#include <bit>
#include <cerrno>

#include "runtime/sched/fibers.h"
#include "runtime/sched/lock.h"
#include "runtime/sched/native.h"
#include "runtime/sched/proc.h"
#include "runtime/seam/tape.h"

namespace reprise::rt {

namespace {

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

constexpr size_t kChunkSlots = 64;       // of the smallest class
constexpr size_t kMaxProtected = 16000;  // two areas each, of the default limit of 65,530
constexpr uint64_t kCanary = 0x5250'5a5f'5354'4b21;
constexpr size_t kCanaryWords = 8;

struct Chunk {
  uint64_t next = 0;
  uint64_t end = 0;
};

constinit Lock pool_lock{LockRank::stack_pool};
Chunk chunks[kStackClasses];                    // pool_lock
uint64_t arena_next = kStacks;                  // pool_lock
size_t protected_count = 0;                     // pool_lock
StackGuard guard_kind = StackGuard::protect;    // boot

size_t slot_bytes(int size_class) { return stack_class_bytes(size_class) + kStackGuardBytes; }

uint64_t map_chunk(size_t bytes) {
  if (bytes > kStacksEnd - arena_next) throw_("out of memory (goroutine stacks)");
  constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
  void* const got = mmap(reinterpret_cast<void*>(arena_next), bytes, PROT_READ | PROT_WRITE, kFlags, -1, 0);
  if (got == MAP_FAILED) throw_("out of memory (goroutine stacks)");
  // A huge page would make several stacks resident for the touch of one. Kernels without them refuse: as good.
  madvise(got, bytes, MADV_NOHUGEPAGE);
  arena_next += bytes;
  return reinterpret_cast<uint64_t>(got);
}

uint64_t take_slot(int size_class) {
  Chunk& chunk = chunks[size_class];
  if (chunk.next == chunk.end) {
    const size_t slots = size_class > 6 ? 1 : kChunkSlots >> size_class;
    chunk.next = map_chunk(slots * slot_bytes(size_class));
    chunk.end = chunk.next + slots * slot_bytes(size_class);
  }
  const uint64_t slot = chunk.next;
  chunk.next += slot_bytes(size_class);
  return slot;
}

bool install_guard(uint64_t at) {
  return madvise(reinterpret_cast<void*>(at), kStackGuardBytes, MADV_GUARD_INSTALL) == 0;
}

void plant_canary(uint64_t lo) {
  auto* word = reinterpret_cast<uint64_t*>(lo);
  for (size_t i = 0; i < kCanaryWords; ++i) word[i] = kCanary + i;
}

// True if a fault will tell of an overflow.
bool guard_slot(uint64_t at) {
  if (guard_kind == StackGuard::install && install_guard(at)) return true;
  if (guard_kind == StackGuard::canary || protected_count >= kMaxProtected) return false;
  ++protected_count;
  return mprotect(reinterpret_cast<void*>(at), kStackGuardBytes, PROT_NONE) == 0;
}

}  // namespace

int stack_class(size_t bytes) {
  if (bytes <= kStackDefaultBytes) return 0;
  const int size_class = std::bit_width((bytes - 1) / kStackDefaultBytes);
  return size_class < kStackClasses ? size_class : -1;
}

size_t stack_class_bytes(int size_class) { return kStackDefaultBytes << size_class; }

Stack stackalloc(int size_class) {
  const int saved = errno;
  pool_lock.lock();
  const uint64_t slot = take_slot(size_class);
  const bool guarded = guard_slot(slot);
  pool_lock.unlock();
  errno = saved;
  Stack stack;
  stack.lo = slot + kStackGuardBytes;
  stack.hi = slot + slot_bytes(size_class);
  stack.guard = guarded ? slot : stack.lo;
  if (!guarded) plant_canary(stack.lo);
  stack_holds_pointers(stack.lo, stack.hi);
  return stack;
}

uint64_t stack_arena_end() { return arena_next; }

void stack_release(uint64_t lo, uint64_t keep_from) {
  const uint64_t end = keep_from & ~uint64_t{4095};
  if (end <= lo) return;
  const int saved = errno;
  // Failing costs memory, nothing else; the guard below stays in place either way.
  madvise(reinterpret_cast<void*>(lo), end - lo, MADV_DONTNEED);
  errno = saved;
}

bool stack_canary_intact(uint64_t lo) {
  const auto* word = reinterpret_cast<const uint64_t*>(lo);
  for (size_t i = 0; i < kCanaryWords; ++i) {
    if (word[i] != kCanary + i) return false;
  }
  return true;
}

void stackinit() {
  const size_t bytes = kStackGuardBytes;
  void* probe = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (probe == MAP_FAILED) throw_("out of memory (stackinit)");
  guard_kind = install_guard(reinterpret_cast<uint64_t>(probe)) ? StackGuard::install
                                                                : StackGuard::protect;
  munmap(probe, bytes);
}

StackGuard stack_guard_kind() { return guard_kind; }
void stack_set_guard_for_test(StackGuard kind) { guard_kind = kind; }

void stack_pool_before_fork() { pool_lock.lock(); }

void stack_pool_after_fork() { pool_lock.unlock(); }

}  // namespace reprise::rt
