// The program's mappings, as the kernel lists them.
//
// Thread safety: one user at a time (a static buffer); callers hold the baton or end the process.
#pragma once

#include <cstddef>
#include <cstdint>

namespace reprise::stage {

struct Mapping {
  uint64_t begin, end, offset;
  bool readable, writable, executable, shared;
  const char* path;  // "" for anonymous memory; valid until the next read_maps()
};

// Reads /proc/self/maps; false if it cannot. Then next_mapping() gives one after the other.
bool read_maps();
bool next_mapping(Mapping* out);

// The file mapped at `address` and the offset in it of that byte.
bool module_of(uint64_t address, char* path, size_t capacity, uint64_t* offset);
bool executable(uint64_t address);

// Hash of all writable memory of the program, with its addresses.
uint64_t hash_memory();

}  // namespace reprise::stage
