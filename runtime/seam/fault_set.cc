// Names of sets of faults.
#include "runtime/seam/fault_set.h"

namespace reprise::seam {

namespace {

bool named(std::string_view name, uint32_t* bits) {
  constexpr struct {
    std::string_view name;
    uint32_t bits;
  } kNames[] = {{"none", kNoFaults}, {"all", kAllFaults}, {"net", kNetFaults},
                {"partition", kPartitionFaults}, {"file", kFileFaults}};
  for (const auto& row : kNames) {
    if (row.name != name) continue;
    *bits = row.bits;
    return true;
  }
  return false;
}

}  // namespace

bool parse_faults(std::string_view text, uint32_t* set) {
  *set = 0;
  for (;;) {
    const size_t comma = text.find(',');
    uint32_t bits = 0;
    if (!named(text.substr(0, comma), &bits)) return false;
    *set |= bits;
    if (comma == text.npos) return true;
    text.remove_prefix(comma + 1);
  }
}

}  // namespace reprise::seam
