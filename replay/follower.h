// FollowPolicy: takes every answer from the tape.
//
// The stage compares kind, thread and check of each record and ends the run as diverged where they
// differ; this policy ends it where the answer does not fit the question. Thread safety: Policy's.
// The table outlives it.
#pragma once

#include "runtime/seam/policy.h"
#include "runtime/stage/abi.h"

namespace reprise::replay {

class FollowPolicy final : public seam::Policy {
 public:
  explicit FollowPolicy(const stage::Table& table) : table_(table) {}

  bool begin_run(const seam::RunInfo&) override { return true; }
  size_t choose(const seam::Decision& decision) override;
  uint64_t draw(const seam::Decision& decision) override;
  void executed(const seam::Event&) override {}
  void end_run(const seam::Outcome&) override {}

 private:
  [[noreturn]] void diverge(const seam::Decision& decision, int64_t value, const char* expected);

  const stage::Table& table_;
};

}  // namespace reprise::replay
