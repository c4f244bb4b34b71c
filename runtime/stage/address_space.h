// Which addresses of the program's mapping area are free: placement that depends on the program's
// calls alone, so that record and replay give the same addresses.
//
// Thread safety: under the baton.
#pragma once

#include <cstdint>

namespace reprise::stage {

// The lowest free place for `size` bytes, claimed; 0 if there is none. Two megabytes and more are
// aligned for huge pages. `low`: below 2 GiB (MAP_32BIT).
uint64_t claim_anywhere(uint64_t size, bool low);
// The program maps exactly here (MAP_FIXED), or unmaps.
void claim(uint64_t begin, uint64_t end);
void release(uint64_t begin, uint64_t end);

}  // namespace reprise::stage
