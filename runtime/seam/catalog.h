// The two functions that the runtime needs from above, declared here so that includes go downward
// only. scheduler-policies/catalog.cc defines the first, tools/wiring/wiring.cc the second.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/seam/policy.h"

namespace reprise::stage { struct Table; }

namespace reprise::seam {

struct CatalogEntry {
  std::string_view name;
  std::string_view summary;  // one line: what it does and when to use it
};

// The built-in policies, in the order in which help lists them.
std::vector<CatalogEntry> catalog();

// A policy by catalog name, or by the path of a shared object that exports
//   extern "C" reprise::seam::Policy* reprise_make_policy(uint64_t seed);
// (a name with a slash in it). Null and *error set if there is none.
std::unique_ptr<Policy> make_policy(std::string_view name, uint64_t seed, std::string* error);

// The policy of a controlled run: recording or following the tape as table.mode() says, around the
// policy that table.control names. Called once, during boot, on g0.
std::unique_ptr<Policy> wire_policy(const stage::Table& table, std::string* error);

}  // namespace reprise::seam
