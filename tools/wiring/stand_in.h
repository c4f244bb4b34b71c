// A policy that answers in place of the run's own for a while: how a test program that is recorded makes one
// schedule of its own again (tools/testing).
//
// In replay the tape answers, and under `steered` the deviations do: the stand-in is set there too, so that the
// program does the same, and is never asked. Thread safety: the seam's.
#pragma once

#include <memory>
#include <utility>

#include "runtime/seam/policy.h"

namespace reprise::seam {

class StandInPolicy final : public Policy {
 public:
  explicit StandInPolicy(std::unique_ptr<Policy> inner) : inner_(std::move(inner)) {}

  // From now on `policy` answers; null: the inner one again. REQUIRES: a PolicyMemory.
  static void set(std::unique_ptr<Policy> policy);

  bool begin_run(const RunInfo& info) override { return inner_->begin_run(info); }
  size_t choose(const Decision& decision) override;
  uint64_t draw(const Decision& decision) override;
  void executed(const Event& event) override { inner_->executed(event); }
  bool wants_events() const override { return inner_->wants_events(); }
  void end_run(const Outcome& outcome) override { inner_->end_run(outcome); }

 private:
  std::unique_ptr<Policy> inner_;
};

}  // namespace reprise::seam
