// Hash functions of maps, keyed by secrets of the process so that nobody can prepare keys that collide.
//
// Chosen by alginit (reference, 8.3): AES instructions where the processor has them, XXH3 elsewhere
// (REPRISE_DEBUG=cpu.aes=off forces it). Equal for all Ps and the same in a replay; values mean nothing to
// another process. Thread safety: written once by m0 during boot, read-only afterwards.
#pragma once

#include <cstddef>
#include <cstdint>

namespace reprise::rt {

// Boot's step between cpuinit and mcommoninit: picks the functions and draws the keys. No map before it.
void alginit();

// The seed of a new map: by decision in controlled modes. Fatal before the runtime is up.
uint64_t map_seed();

// Of bytes.
uint64_t memhash(const void* data, size_t bytes, uint64_t seed);

extern uint64_t hashkey[4];  // odd

// Folded multiplication, as wyhash has it (Wang Yi, 2019; also the reference's fallback).
inline uint64_t fold(uint64_t a, uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

// Of one number: the same with or without AES, since no call is faster than inline multiplication.
inline uint64_t memhash64(uint64_t value, uint64_t seed) {
  return fold(hashkey[2] ^ sizeof value, fold(value ^ hashkey[1], value ^ seed ^ hashkey[0]));
}

}  // namespace reprise::rt
