// The list of built-in policies, and loading of a user's own from a shared object.
//
// The list is the whole registry: adding a policy is a line here. A user's object stays loaded to
// the end of the process, because the policy's code lives in it.
#include "runtime/seam/catalog.h"

#include <dlfcn.h>

#include "scheduler-policies/delay_bounded.h"
#include "scheduler-policies/exhaustive.h"
#include "scheduler-policies/fair.h"
#include "scheduler-policies/greybox.h"
#include "scheduler-policies/pct.h"
#include "scheduler-policies/portfolio.h"
#include "scheduler-policies/pos.h"
#include "scheduler-policies/preemption_bounded.h"
#include "scheduler-policies/random.h"
#include "scheduler-policies/steered.h"
#include "scheduler-policies/surw.h"
#include "scheduler-policies/walk.h"

namespace reprise::seam {
namespace {

using Maker = std::unique_ptr<Policy> (*)(uint64_t seed);

template <class P>
std::unique_ptr<Policy> make(uint64_t seed) {
  return std::make_unique<P>(seed);
}

struct Row {
  CatalogEntry entry;
  Maker maker;
};

std::unique_ptr<Policy> make_steered(uint64_t) { return std::make_unique<SteeredPolicy>(); }

constexpr Row kRows[] = {
    {{"fair", "first in, first out, in seeded slices; like Go's queue; the default"},
     make<FairPolicy>},
    {{"random", "uniform choices, at half of the points; finds shallow order bugs fast"},
     make<RandomPolicy>},
    {{"walk", "uniform among all that could go on at every point: the random walk of papers"},
     make<WalkPolicy>},
    {{"pct", "random priorities, a few changes; a bound on missing bugs of small depth; pct:D"},
     make<PctPolicy>},
    {{"pos", "a random priority for every operation; finds bugs between far-apart operations"},
     make<PosPolicy>},
    {{"surw", "all orders of the operations on one object alike; learns; finds deep bugs"},
     make<SurwPolicy>},
    {{"delay", "round robin, disturbed at a few steps; few schedules however many goroutines"},
     make<DelayBoundedPolicy>},
    {{"preemption", "few preemptions at drawn steps; finds bugs that need one or two"},
     make<PreemptionBoundedPolicy>},
    {{"greybox", "asks for pairs of write and read that were not seen yet; learns"},
     make<GreyboxPolicy>},
    {{"exhaustive", "every schedule that can differ, and ends; for small tests, explored in process"},
     make<ExhaustivePolicy>},
    {{"portfolio", "several of these in turn; the default of explorations"},
     make<PortfolioPolicy>},
    {{"steered", "nobody is preempted, first in first out; what shrink and explain steer away from"},
     make_steered},
};

std::string unknown_policy(std::string_view name) {
  std::string text = "unknown policy '" + std::string(name) + "'; there are";
  for (const Row& row : kRows) text.append(" ").append(row.entry.name);
  return text + ", and paths of shared objects";
}

std::unique_ptr<Policy> load_policy(const std::string& path, uint64_t seed, std::string* error) {
  void* object = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (object == nullptr) {
    *error = "policy " + path + ": " + dlerror();
    return nullptr;
  }
  using Entry = Policy* (*)(uint64_t);
  const auto entry = reinterpret_cast<Entry>(dlsym(object, "reprise_make_policy"));
  if (entry == nullptr) {
    *error = "policy " + path + ": it does not export reprise_make_policy(uint64_t)";
    return nullptr;
  }
  std::unique_ptr<Policy> policy(entry(seed));
  if (policy == nullptr) *error = "policy " + path + ": reprise_make_policy returned null";
  return policy;
}

}  // namespace

std::vector<CatalogEntry> catalog() {
  std::vector<CatalogEntry> entries;
  for (const Row& row : kRows) entries.push_back(row.entry);
  return entries;
}

std::unique_ptr<Policy> make_policy(std::string_view name, uint64_t seed, std::string* error) {
  if (name.find('/') != std::string_view::npos) return load_policy(std::string(name), seed, error);
  for (const Row& row : kRows)
    if (row.entry.name == name) return row.maker(seed);
  if (name.size() == 5 && name.starts_with("pct:") && name[4] >= '1' && name[4] <= '5') {
    return std::make_unique<PctPolicy>(seed, static_cast<size_t>(name[4] - '0'));
  }
  *error = unknown_policy(name);
  return nullptr;
}

}  // namespace reprise::seam
