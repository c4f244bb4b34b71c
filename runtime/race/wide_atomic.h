// Atomic operations on 16 bytes, which the compilers' builtins would leave to libatomic.
//
// All by cmpxchg16b, which every amd64 processor but the first has, and which is sequentially consistent. Named and
// called as the builtins are, so that the hooks of all sizes are one text. Thread safety: that is the point. A load
// writes: REQUIRES: writable memory, aligned to 16 bytes.
#pragma once

#include <cstdint>

namespace reprise::race {

using Wide = unsigned __int128;

// As __atomic_compare_exchange_n, strong.
inline bool wide_exchange_if(volatile Wide* at, Wide* expected, Wide desired) {
  bool done;
  auto lo = static_cast<uint64_t>(*expected), hi = static_cast<uint64_t>(*expected >> 64);
  asm volatile("lock cmpxchg16b %[at]"
               : "=@ccz"(done), [at] "+m"(*at), "+a"(lo), "+d"(hi)
               : "b"(static_cast<uint64_t>(desired)), "c"(static_cast<uint64_t>(desired >> 64))
               : "memory");
  *expected = Wide{hi} << 64 | lo;
  return done;
}

inline Wide wide_load(const volatile Wide* at) {
  Wide value = 0;
  wide_exchange_if(const_cast<volatile Wide*>(at), &value, 0);
  return value;
}

template <class Change>
Wide wide_modify(volatile Wide* at, Change change) {
  Wide old = wide_load(at);
  while (!wide_exchange_if(at, &old, change(old))) {}
  return old;
}

inline Wide wide_exchange_n(volatile Wide* at, Wide value, int) { return wide_modify(at, [=](Wide) { return value; }); }
inline Wide wide_fetch_add(volatile Wide* at, Wide value, int) { return wide_modify(at, [=](Wide old) { return old + value; }); }
inline Wide wide_fetch_sub(volatile Wide* at, Wide value, int) { return wide_modify(at, [=](Wide old) { return old - value; }); }
inline Wide wide_fetch_and(volatile Wide* at, Wide value, int) { return wide_modify(at, [=](Wide old) { return old & value; }); }
inline Wide wide_fetch_or(volatile Wide* at, Wide value, int) { return wide_modify(at, [=](Wide old) { return old | value; }); }
inline Wide wide_fetch_xor(volatile Wide* at, Wide value, int) { return wide_modify(at, [=](Wide old) { return old ^ value; }); }
inline Wide wide_fetch_nand(volatile Wide* at, Wide value, int) { return wide_modify(at, [=](Wide old) { return ~(old & value); }); }

}  // namespace reprise::race
