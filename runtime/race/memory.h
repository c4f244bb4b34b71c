// Memory of the checked flavour: one reservation, made at first use, from which arrays are cut.
//
// Nothing of it lies on the program's heap or moves the program's mappings, so that addresses are the same
// with detection on and off. Pages are committed on touch and are zero before. Thread safety: the baton.
#pragma once

#include <cstddef>
#include <cstdint>

namespace reprise::race {

// Zeroed memory that is never given back. Ends the process if there is none.
void* reserve(size_t bytes);

template <class T>
T* reserve_array(size_t count) {
  return static_cast<T*>(reserve(count * sizeof(T)));
}

}  // namespace reprise::race
