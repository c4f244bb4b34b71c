// What the units of counted_cases share: a comdat in a counted and in a plain unit, a library's functions.
#pragma once

#include <cstddef>
#include <cstdint>

namespace counted_cases {

// Not inlined, so that both units have it and the linker keeps one.
template <class Int>
[[gnu::noinline]] Int weighted_sum(const Int* values, size_t count) {
  Int sum = 0;
  for (size_t i = 0; i < count; ++i) {
    sum += values[i] * static_cast<Int>(i);
    asm volatile("" : "+r"(sum));
  }
  return sum;
}

uint64_t plain_sum(const uint64_t* values, size_t count);      // plain_unit.cc
uint64_t library_primes_below(uint64_t n);                      // library.cc
void library_sort(uint64_t* values, size_t count);              // by qsort, with a comparator of the library's
void library_throw_if(bool wanted);

}  // namespace counted_cases
