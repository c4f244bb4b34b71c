// How many different things runs did, and how likely the next one is to do something new.
//
// Good and Turing: the chance that the next run shows a behaviour that none before has shown is about the
// number of behaviours seen exactly once, divided by the number of runs (Good, "The population frequencies
// of species", Biometrika 1953). It holds for runs that are drawn alike; policies that look for what is
// new do better, so for them it is on the low side, and no promise for either.
//
// Thread safety: none of its own.
#pragma once

#include <cstdint>
#include <unordered_map>

namespace reprise::fuzz {

class Novelty {
 public:
  // True: no run before had this behaviour.
  bool add(uint64_t behaviour) {
    ++runs_;
    const uint64_t times = ++seen_[behaviour];
    if (times == 1) ++once_;
    if (times == 2) --once_;
    return times == 1;
  }

  // A behaviour that is known from elsewhere; no run.
  void know(uint64_t behaviour) { seen_.try_emplace(behaviour, 2); }

  uint64_t runs() const { return runs_; }
  uint64_t distinct() const { return seen_.size(); }
  // 1 before there was a run.
  double chance_of_new() const {
    return runs_ == 0 ? 1 : static_cast<double>(once_) / static_cast<double>(runs_);
  }

 private:
  std::unordered_map<uint64_t, uint64_t> seen_;
  uint64_t runs_ = 0, once_ = 0;
};

}  // namespace reprise::fuzz
