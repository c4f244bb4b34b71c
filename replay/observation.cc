// Reading the side area, and turning what happened into deviations.
//
// A goroutine that was stopped and chosen again at once took no part in a preemption: the steered policy
// would not have asked. Such choices are left out, and the numbers of those behind them at the same own
// step are one less.
#include "replay/observation.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <set>
#include <tuple>

#include "replay/records.h"
#include "runtime/seam/own_steps.h"

namespace reprise::trace {

using seam::DecisionKind;
using tape::Deviation;
using tape::Observed;
using tape::SideArea;

Error prepare_side(TapeFile& tape, const Deviations& deviations, uint64_t happenings, uint64_t most) {
  const uint64_t room = std::max<uint64_t>(deviations.size(), most);
  const uint64_t entries = padded(sizeof(SideArea) + room * sizeof(Deviation), 64);
  if (Error e = tape.add_side(entries + happenings * sizeof(Observed))) return e;
  SideArea& side = *tape.side();
  side.observed_at = entries;
  side.capacity = happenings;
  renew_side(tape, deviations);
  return {};
}

bool renew_side(const TapeFile& tape, const Deviations& deviations) {
  SideArea& side = *tape.side();
  if (sizeof(SideArea) + deviations.size() * sizeof(Deviation) > side.observed_at) return false;
  const SideArea as_it_was{.observed_at = side.observed_at, .capacity = side.capacity};
  side = as_it_was;
  side.deviations = deviations.size();
  std::copy(deviations.begin(), deviations.end(), side.deviation());
  return true;
}

Observation observation_of(const TapeFile& tape) {
  SideArea& side = *tape.side();
  Observation out;
  out.missed = side.observed > side.capacity ? side.observed - side.capacity : 0;
  out.happenings.resize(side.observed - out.missed);
  for (uint64_t n = out.missed; n < side.observed; ++n) {
    out.happenings[n - out.missed].head = *side.entry(n);
  }
  out.ended = side.ended != 0;
  out.outcome = static_cast<seam::Outcome::Kind>(side.outcome);
  out.exit_status = side.exit_status;
  out.message.assign(side.message, strnlen(side.message, sizeof side.message));
  return out;
}

namespace {

// By preemption: the goroutine could have gone on with what it announced.
bool stopped(const Happening& h) { return h.is_choice(DecisionKind::run) && h.head.stays_ready && h.head.announced; }

Deviation deviation_of(const Happening& h, uint32_t nth) {
  Deviation out;
  out.goroutine = h.head.goroutine;
  out.own_step = h.head.own_step;
  out.nth = nth;
  out.kind = h.kind();
  out.preempts = stopped(h);
  out.value = h.head.value;
  if (out.kind == DecisionKind::run || out.kind == DecisionKind::wake) {
    out.chosen = h.head.other;
    out.value = 0;
  }
  return out;
}

}  // namespace

bool is_preemption(const Happening& h) { return stopped(h) && h.head.other != h.head.goroutine; }

Deviations deviations_of(const Observation& run) {
  using Asker = std::tuple<seam::GoId, uint64_t, DecisionKind>;
  Deviations out;
  std::map<Asker, uint32_t> left_out;
  for (const Happening& h : run.happenings) {
    const bool choice = h.is(Observed::What::choice), draw = h.is(Observed::What::draw);
    if (!choice && !draw) continue;
    uint32_t& fewer = left_out[{h.head.goroutine, h.head.own_step, h.kind()}];
    if (stopped(h) && !is_preemption(h)) {
      ++fewer;
      continue;
    }
    const uint32_t nth = h.head.nth - fewer;
    const bool by_default = draw ? h.head.value == seam::OwnSteps::default_draw({h.head.goroutine, h.head.own_step, nth})
                                 : h.head.by_default && !stopped(h);
    if (!by_default) out.push_back(deviation_of(h, nth));
  }
  std::stable_sort(out.begin(), out.end(), tape::before);
  return out;
}

uint64_t interruptions_of(const Observation& run) {
  return static_cast<uint64_t>(std::count_if(run.happenings.begin(), run.happenings.end(), [](const Happening& h) {
    return h.is(Observed::What::step) && h.op() == seam::OpKind::resume;
  }));
}

namespace {

// Who could run, as the run goes on.
class Ready {
 public:
  void see(const Happening& h) {
    switch (h.head.what) {
      case Observed::What::spawn: case Observed::What::wake: who_.insert(h.head.other); break;
      case Observed::What::block: case Observed::What::exit: who_.erase(h.head.goroutine); break;
      case Observed::What::step: who_.insert(h.head.goroutine); break;
      default: break;
    }
  }
  // All but `one`, in place of it.
  void others(const Deviation& like, seam::GoId one, Deviations& to) const {
    for (const seam::GoId other : who_) {
      if (other == one) continue;
      to.push_back(like);
      to.back().chosen = other;
    }
  }

 private:
  std::set<seam::GoId> who_;
};

}  // namespace

Deviations alternatives_of(const Observation& run) {
  Deviations freely, stopping;
  Ready ready;
  for (const Happening& h : run.happenings) {
    ready.see(h);
    Deviation like;
    like.goroutine = h.head.goroutine;
    like.own_step = h.head.own_step;
    if (h.is_choice(DecisionKind::run) && !stopped(h)) {
      like.nth = h.head.nth;
      ready.others(like, h.head.other, freely);
    } else if (h.is(Observed::What::step) && h.op() != seam::OpKind::resume) {
      like.preempts = true;
      ready.others(like, h.head.goroutine, stopping);
    }
  }
  freely.insert(freely.end(), stopping.begin(), stopping.end());
  return freely;
}

Weight weight_of(const Observation& run) {
  Weight weight;
  seam::GoId running;
  std::set<seam::GoId> seen;
  for (const Happening& h : run.happenings) {
    weight.preemptions += is_preemption(h);
    weight.faults += h.is_choice(DecisionKind::fault) && !h.head.by_default;
    if (!h.is(Observed::What::step)) continue;
    ++weight.steps;
    weight.switches += weight.steps > 1 && h.head.goroutine != running;
    running = h.head.goroutine;
    seen.insert(running);
  }
  weight.goroutines = seen.size();
  weight.deviations = deviations_of(run).size();
  return weight;
}

}  // namespace reprise::trace
