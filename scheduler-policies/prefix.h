// prefix: a run begins with decisions that are given, and goes on as the inner policy likes.
//
// A decorator. The decisions are those of an earlier run, in its order, each as the deviation from the default
// (runtime/seam/default_choice.h) or the number drawn. They are followed as long as the questions are of
// the same kinds and have that many candidates; from the first that is not, the inner policy decides. `reprise
// fuzz` so runs what its corpus holds, and goes on from the middle of it.
//
// Thread safety: Policy's. Owns its inner policy; the decisions are the caller's and stay until end_run().
#pragma once

#include <memory>
#include <span>
#include <utility>

#include "runtime/seam/policy.h"
#include "runtime/seam/tape.h"

namespace reprise::seam {

class PrefixPolicy final : public Policy {
 public:
  // `control` is looked at when a run begins.
  PrefixPolicy(std::unique_ptr<Policy> inner, const tape::Control& control)
      : inner_(std::move(inner)), control_(&control) {}
  // The same decisions in every run.
  PrefixPolicy(std::unique_ptr<Policy> inner, std::span<const tape::Record> decisions)
      : inner_(std::move(inner)), given_(decisions) {}

  bool begin_run(const RunInfo& info) override;
  size_t choose(const Decision& decision) override;
  uint64_t draw(const Decision& decision) override;
  void executed(const Event& event) override { inner_->executed(event); }
  bool wants_events() const override { return inner_->wants_events(); }
  void end_run(const Outcome& outcome) override { inner_->end_run(outcome); }

 private:
  // The next one if it answers a question of this kind; else the prefix is over.
  const tape::Record* next(DecisionKind kind);

  std::unique_ptr<Policy> inner_;
  const tape::Control* control_ = nullptr;
  std::span<const tape::Record> given_, left_;
};

}  // namespace reprise::seam
