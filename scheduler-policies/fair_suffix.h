// fair_suffix: any policy for the first steps of a run, first in first out from there on.
//
// A decorator. A policy that is not fair, such as pct, may let a goroutine spin for ever that waits for
// another one, and report a livelock that no fair scheduler would show. With a fair suffix every goroutine
// that is ready goes on after finitely many steps, so a run that still does not end is a livelock in
// earnest. After Musuvathi, Qadeer, "Fair Stateless Model Checking", PLDI 2008, which bounds unfairness from
// the start; here it is bounded from one step on.
//
// Thread safety: Policy's. Owns its inner policy, which is not asked during the suffix.
#pragma once

#include <memory>
#include <utility>

#include "runtime/seam/policy.h"

namespace reprise::seam {

class FairSuffixPolicy final : public Policy {
 public:
  // The suffix begins at step `after`.
  FairSuffixPolicy(std::unique_ptr<Policy> inner, uint64_t after)
      : inner_(std::move(inner)), after_(after) {}

  bool begin_run(const RunInfo& info) override { return inner_->begin_run(info); }
  size_t choose(const Decision& decision) override;
  uint64_t draw(const Decision& decision) override;
  void executed(const Event& event) override { inner_->executed(event); }
  bool wants_events() const override { return inner_->wants_events(); }
  void end_run(const Outcome& outcome) override { inner_->end_run(outcome); }

 private:
  std::unique_ptr<Policy> inner_;
  const uint64_t after_;
};

}  // namespace reprise::seam
