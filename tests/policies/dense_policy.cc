// A policy for soaks of counted code: uniform choices, and a preemption every few hundred ticks, where `random`
// spreads them up to millions apart. A run of seconds has thousands.
#include <bit>

#include "runtime/seam/policy.h"

namespace {

using reprise::seam::Decision;
using reprise::seam::DecisionKind;

class Dense final : public reprise::seam::Policy {
 public:
  explicit Dense(uint64_t seed) : state_(seed) {}
  bool begin_run(const reprise::seam::RunInfo&) override { return true; }
  size_t choose(const Decision& decision) override { return next() % decision.candidates.size(); }
  uint64_t draw(const Decision& decision) override {
    switch (decision.kind) {
      case DecisionKind::preempt: return 1 + static_cast<uint64_t>(std::countr_zero(next() | uint64_t{1} << 63));
      case DecisionKind::interrupt: return near(next());
      default: return next();
    }
  }
  void executed(const reprise::seam::Event&) override {}
  void end_run(const reprise::seam::Outcome&) override {}

 private:
  // The runtime takes the scale of the distance from the remainder by 21 (distance_of in sched/exact.cc): up to 4,096 ticks here.
  static uint64_t near(uint64_t bits) { return bits / 21 / 21 * 21 + bits / 21 % 21 % 12; }

  // Splitmix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014.
  uint64_t next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
  }

  uint64_t state_;
};

}  // namespace

extern "C" reprise::seam::Policy* reprise_make_policy(uint64_t seed) { return new Dense(seed); }
