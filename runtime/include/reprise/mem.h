// Memory statistics of the collected heap (the reference implementation's MemStats, as far as it makes sense here).
//
// The heap of gc::make, not malloc's and not stacks. Thread safety: mem_stats() any goroutine or thread; in a program started
// directly it stops the world for some microseconds, so that the numbers fit together.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace reprise {

struct MemStats {
  // Objects, in bytes of their size classes; what shares a block of 16 bytes counts with the block.
  uint64_t alloc = 0;         // of objects alive, or dead and not swept yet
  uint64_t total_alloc = 0;   // of all objects ever made
  uint64_t mallocs = 0;       // objects ever made, tiny ones included
  uint64_t frees = 0;         // of them, freed (a shared block's objects when the block is)

  // Pages. heap_idle + heap_inuse == heap_sys.
  uint64_t heap_sys = 0;      // up to the highest address that was ever used
  uint64_t heap_inuse = 0;    // in spans
  uint64_t heap_idle = 0;     // free
  uint64_t heap_released = 0; // of heap_idle, given back to the system
  uint64_t heap_live = 0;     // what the collector's pacer goes by
  uint64_t next_gc = 0;       // heap_live at which the next cycle starts; UINT64_MAX: never

  uint64_t spans_inuse = 0;
  uint64_t metadata_sys = 0;  // taken for descriptors, bits and the collector's own

  struct BySize {
    uint32_t size = 0;        // bytes of the class; 0: large objects
    uint64_t mallocs = 0;     // blocks ever handed out
    uint64_t frees = 0;
  };
  std::array<BySize, 68> by_size{};

  // Stops of the world by the collector, two or more a cycle, from the request on; none in controlled modes.
  uint64_t pause_count = 0;
  uint64_t pause_total_ns = 0;
  uint64_t pause_max_ns = 0;
  std::array<uint64_t, 120> pauses{};  // by length: below 256 ns, then four buckets to each doubling
  // How long `share` of the pauses (0.999) were at most, to a fifth of it; 0 if there was none.
  uint64_t pause_percentile_ns(double share) const;
};

MemStats mem_stats();

// Gives all free pages of the heap back to the system at once; returns how many bytes that were.
uint64_t free_os_memory();

}  // namespace reprise
