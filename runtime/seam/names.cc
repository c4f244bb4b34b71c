// Sites: offsets of instructions in the executable, so that a name holds for every load address.
#include "runtime/seam/names.h"

extern "C" {
// Defined by the linker: the bounds of the executable's image.
extern const char __executable_start[] __attribute__((visibility("hidden")));
extern const char etext[] __attribute__((visibility("hidden")));
}

namespace reprise::seam {

Site site_of(const void* pc) {
  const auto at = reinterpret_cast<uint64_t>(pc);
  const auto start = reinterpret_cast<uint64_t>(__executable_start);
  return at >= start && at < reinterpret_cast<uint64_t>(etext) ? at - start : 0;
}

uint64_t pc_of(Site site) {
  return site == 0 ? 0 : site + reinterpret_cast<uint64_t>(__executable_start);
}

}  // namespace reprise::seam
