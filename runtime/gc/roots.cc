// The bits of registered roots: two levels of tables by address, and the chunks in the order in which they were made.
//
// Invariants: a chunk is never freed and its place never changes; a root's bit is set between its registration and its removal,
// which are its owner's calls, and nobody else writes that bit. The words that hold bits are shared: locked instructions.
//
// Rejected: a table hashed by slot (a lock and a probe each time, and it grows); links in the pointers (24 bytes instead of 8).
#include "runtime/gc/roots.h"

#include <sys/mman.h>

#include <atomic>
#include <bit>
#include <new>

#include "runtime/gc/mbarrier.h"
#include "runtime/mem/mheap.h"
#include "runtime/sched/lock.h"
#include "runtime/sched/proc.h"

namespace reprise::rt {

namespace {

constexpr int kChunkShift = 20;                                 // 1 MiB of addresses: 16 KiB of bits
constexpr size_t kChunkWords = (size_t{1} << kChunkShift) / 64 / sizeof(void*);
constexpr int kTableShift = 14;                                 // chunks in a table: 16 GiB of addresses
constexpr size_t kTableChunks = size_t{1} << kTableShift;
constexpr size_t kTables = size_t{1} << (47 - kChunkShift - kTableShift);
constexpr size_t kMaxChunks = size_t{1} << 20;

struct Chunk {
  Lock lock{LockRank::gc_roots};
  uintptr_t base = 0;
  std::atomic<uint64_t> bits[kChunkWords] = {};
};
using Table = std::atomic<Chunk*>[kTableChunks];

constinit std::atomic<Table*> tables[kTables] = {};
std::atomic<Chunk*>* chunk_list = nullptr;  // chunks_lock to make it
std::atomic<size_t> chunk_count{0};         // chunks_lock to write
constinit Lock chunks_lock{LockRank::gc_blocks};

struct Place {
  Chunk* chunk;
  size_t word;
  uint64_t bit;
};

uintptr_t address_of(void** slot) { return reinterpret_cast<uintptr_t>(slot); }

Chunk* make_chunk(uintptr_t address) {
  chunks_lock.lock();
  std::atomic<Table*>& table = tables[address >> (kChunkShift + kTableShift)];
  if (table.load(std::memory_order_relaxed) == nullptr) {
    table.store(static_cast<Table*>(persistentalloc(sizeof(Table), 64)), std::memory_order_release);
  }
  if (chunk_list == nullptr) {
    chunk_list = static_cast<std::atomic<Chunk*>*>(persistentalloc(kMaxChunks * sizeof(std::atomic<Chunk*>), 64));
  }
  std::atomic<Chunk*>& place = (*table.load(std::memory_order_relaxed))[address >> kChunkShift & (kTableChunks - 1)];
  Chunk* chunk = place.load(std::memory_order_relaxed);
  if (chunk == nullptr) {
    const size_t count = chunk_count.load(std::memory_order_relaxed);
    if (count == kMaxChunks) throw_("gc: pointers in too many places outside the collected heap");
    chunk = new (persistentalloc(sizeof(Chunk), 64)) Chunk;
    chunk->base = address >> kChunkShift << kChunkShift;
    chunk_list[count].store(chunk, std::memory_order_relaxed);
    // Release, both: who finds the chunk finds it made.
    chunk_count.store(count + 1, std::memory_order_release);
    place.store(chunk, std::memory_order_release);
  }
  chunks_lock.unlock();
  return chunk;
}

// Null if no root was ever registered there.
Chunk* find_chunk(uintptr_t address) {
  const Table* table = tables[address >> (kChunkShift + kTableShift)].load(std::memory_order_acquire);
  if (table == nullptr) return nullptr;
  return (*table)[address >> kChunkShift & (kTableChunks - 1)].load(std::memory_order_acquire);
}

Place place_in(Chunk* chunk, uintptr_t address) {
  const size_t index = (address - chunk->base) / sizeof(void*);
  return {chunk, index / 64, uint64_t{1} << (index % 64)};
}

}  // namespace

void roots_add(void** slot) {
  const uintptr_t address = address_of(slot);
  Chunk* chunk = find_chunk(address);
  if (chunk == nullptr) [[unlikely]] chunk = make_chunk(address);
  const Place at = place_in(chunk, address);
  // Release: the scan that sees the bit sees the value.
  at.chunk->bits[at.word].fetch_or(at.bit, std::memory_order_release);
}

void roots_remove(void** slot) {
  const uintptr_t address = address_of(slot);
  Chunk* const chunk = find_chunk(address);
  if (chunk == nullptr) throw_("gc: a pointer is destroyed that was never made");
  const Place at = place_in(chunk, address);
  if (gc_barrier_on.load(std::memory_order_relaxed) == 0) {
    at.chunk->bits[at.word].fetch_and(~at.bit, std::memory_order_relaxed);
    return;
  }
  chunk->lock.lock();
  at.chunk->bits[at.word].fetch_and(~at.bit, std::memory_order_relaxed);
  chunk->lock.unlock();
}

bool roots_has_for_test(void** slot) {
  Chunk* const chunk = find_chunk(address_of(slot));
  if (chunk == nullptr) return false;
  const Place at = place_in(chunk, address_of(slot));
  return (at.chunk->bits[at.word].load(std::memory_order_relaxed) & at.bit) != 0;
}

void roots_after_fork_in_child() {
  for (size_t i = 0; i < roots_chunks(); ++i) new (&chunk_list[i].load(std::memory_order_relaxed)->lock) Lock(LockRank::gc_roots);
}

size_t roots_chunks() { return chunk_count.load(std::memory_order_acquire); }

// The lock is taken for a word of bits at a time: whoever removes a root waits for 64 of them at most.
__attribute__((no_sanitize("address"))) void roots_scan(size_t number, size_t part, size_t parts,
                                                        void (*visit)(uintptr_t value, void* arg), void* arg) {
  Chunk* const chunk = chunk_list[number].load(std::memory_order_relaxed);
  const size_t words = kChunkWords / parts;
  for (size_t word = part * words; word < (part + 1) * words; ++word) {
    if (chunk->bits[word].load(std::memory_order_relaxed) == 0) continue;
    chunk->lock.lock();
    uint64_t bits = chunk->bits[word].load(std::memory_order_acquire);
    for (; bits != 0; bits &= bits - 1) {
      const uintptr_t slot = chunk->base + (word * 64 + static_cast<size_t>(std::countr_zero(bits))) * sizeof(void*);
      visit(__atomic_load_n(reinterpret_cast<const uintptr_t*>(slot), __ATOMIC_RELAXED), arg);
    }
    chunk->lock.unlock();
  }
}

}  // namespace reprise::rt
