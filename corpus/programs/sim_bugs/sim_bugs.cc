// The list.
#include "corpus/programs/sim_bugs/sim_bugs.h"

namespace sim_bugs {

std::span<const Bug> all() {
  static constexpr Bug kBugs[] = {
      {"retried_deposit", retried_deposit, "net"},
      {"lost_settings", lost_settings, "none"},
      {"torn_log", torn_log, "file"},
  };
  return kBugs;
}

}  // namespace sim_bugs
