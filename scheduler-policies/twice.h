// twice: runs every schedule twice and compares the runs decision by decision.
//
// A decorator. The first run of each pair asks the inner policy and notes what it was asked; the
// second gives the same answers without asking, and checks that it is asked the same: kind, chooser,
// step, site (if the policy inside wants events), and each candidate's name, operation, site and
// accesses. A program whose two runs differ reads something that does not pass through the seam, and
// neither replay nor shrinking will hold for it. The report names the first difference.
//
// Thread safety: Policy's. Owns its inner policy. After Shuttle's uncontrolled-nondeterminism check.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/seam/policy.h"

namespace reprise::seam {

class TwicePolicy final : public Policy {
 public:
  // Told of the first difference of a pair of runs. If it returns, the second run goes on with
  // arbitrary valid answers until the program ends it.
  using OnDifference = std::function<void(std::string_view report)>;

  TwicePolicy(std::unique_ptr<Policy> inner, OnDifference on_difference);

  bool begin_run(const RunInfo& info) override;
  size_t choose(const Decision& decision) override;
  uint64_t draw(const Decision& decision) override;
  void executed(const Event& event) override;
  bool wants_events() const override { return inner_->wants_events(); }
  void end_run(const Outcome& outcome) override;

  bool checking() const { return checking_; }

 private:
  struct Option {
    GoId goroutine;
    OpKind op;
    Site site;
    std::vector<Access> accesses;
  };
  struct Noted {
    DecisionKind kind;
    GoId chooser;
    uint64_t step;
    Site site;
    std::vector<Option> options;
    uint64_t answer;
  };

  void note(const Decision& decision, uint64_t answer);
  // The noted decision that `decision` repeats, or null once the runs differ.
  const Noted* repeat(const Decision& decision);
  void differ(const std::string& what);
  static std::string difference(const Noted& noted, const Decision& decision);
  static std::string difference(const Option& noted, const Candidate& candidate);

  std::unique_ptr<Policy> inner_;
  OnDifference on_difference_;
  std::vector<Noted> noted_;
  Outcome::Kind first_outcome_ = Outcome::Kind::ok;
  int first_status_ = 0;
  size_t position_ = 0;
  bool checking_ = false;
  bool differs_ = false;
};

}  // namespace reprise::seam
