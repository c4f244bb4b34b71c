// RecordingPolicy: asks its inner policy and logs every answer on the tape.
//
// A decorator. Choices are logged as deviations from the default (runtime/seam/default_choice.h),
// draws as they are, each with the check of replay/decision_check.h. The stage counts, fingerprints
// and stores the record, in run mode too. Thread safety: Policy's. Owns its inner policy; the table
// outlives it.
#pragma once

#include <memory>

#include "runtime/seam/policy.h"
#include "runtime/stage/abi.h"

namespace reprise::replay {

class RecordingPolicy final : public seam::Policy {
 public:
  RecordingPolicy(const stage::Table& table, std::unique_ptr<seam::Policy> inner);

  bool begin_run(const seam::RunInfo& info) override;
  size_t choose(const seam::Decision& decision) override;
  uint64_t draw(const seam::Decision& decision) override;
  void executed(const seam::Event& event) override;
  bool wants_events() const override { return inner_->wants_events(); }
  void end_run(const seam::Outcome& outcome) override;

 private:
  const stage::Table& table_;
  std::unique_ptr<seam::Policy> inner_;
};

}  // namespace reprise::replay
