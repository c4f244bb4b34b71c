// A counted shared library: position-independent code that reaches the counter, and calls libc back.
#include <cstdlib>
#include <stdexcept>
#include <vector>

#include "tests/counted/shared.h"

namespace counted_cases {

uint64_t library_primes_below(uint64_t n) {
  std::vector<bool> composite(n);
  uint64_t primes = 0;
  for (uint64_t i = 2; i < n; ++i) {
    if (composite[i]) continue;
    ++primes;
    for (uint64_t multiple = i * i; multiple < n; multiple += i) composite[multiple] = true;
  }
  return primes;
}

void library_sort(uint64_t* values, size_t count) {
  std::qsort(values, count, sizeof *values, [](const void* a, const void* b) {
    const uint64_t left = *static_cast<const uint64_t*>(a), right = *static_cast<const uint64_t*>(b);
    return (left > right) - (left < right);
  });
}

void library_throw_if(bool wanted) {
  if (wanted) throw std::out_of_range("the library's");
}

}  // namespace counted_cases
