// The roots outside of stacks and collected heap: which words of the address space are pointers that registered themselves.
//
// A bit a word, in chunks that are made when a first root registers in them. So registering is two loads and one locked
// instruction, takes no lock, and costs nothing by the number of roots; the price is that the collector looks through the
// bits of every chunk that ever had a root.
//
// While roots are scanned (`gc_barrier_on`) a root goes away under its chunk's lock, which the scan holds too: what held it may
// be unmapped at once.
//
// Thread safety: any thread.
#pragma once

#include <cstddef>
#include <cstdint>

namespace reprise::rt {

void roots_add(void** slot);
void roots_remove(void** slot);
bool roots_has_for_test(void** slot);

// In the child of a fork: whoever scanned a chunk is not there.
void roots_after_fork_in_child();

// Chunks so far; only grows.
size_t roots_chunks();
// Calls visit(value, arg) for each root's value of a part of a chunk, of `parts` equal ones (a power of two up to 64). Must not
// register or remove roots.
void roots_scan(size_t chunk, size_t part, size_t parts, void (*visit)(uintptr_t value, void* arg), void* arg);

}  // namespace reprise::rt
