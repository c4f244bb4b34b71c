// Which fault befalls a call: one decision a call, over those that apply.
//
// Invariant: candidate 0 is "none" and the oldest, hence the default.
#include "runtime/sim/faults.h"

#include <array>

#include "runtime/sched/proc.h"
#include "runtime/seam/fault_set.h"

namespace reprise::sim {

namespace {

using enum seam::FaultSet;

uint32_t in_use = kNoFaults;

// Of which sets each fault is.
constexpr uint32_t kSets[] = {
    kAllFaults,              // none
    kNetFaults | kFileFaults,  // one_byte
    kNetFaults | kFileFaults,  // half
    kNetFaults,              // delay_1ms
    kNetFaults,              // delay_1s
    kNetFaults,              // reset
    kNetFaults,              // refuse
    kPartitionFaults,        // silence
    kNetFaults | kFileFaults,  // interrupt
    kFileFaults,             // no_space
    kFileFaults,             // io_error
};
constexpr size_t kFaults = std::size(kSets);

seam::Candidate candidate_of(Fault fault, size_t index) {
  const rt::G* gp = rt::curg();
  seam::Candidate candidate;
  if (gp != nullptr) {
    candidate.goroutine = gp->name;
    candidate.goid = gp->goid;
  }
  candidate.ready_step = index;
  candidate.op = seam::OpKind::io_other;
  candidate.site = static_cast<seam::Site>(fault);
  return candidate;
}

}  // namespace

void use_faults(uint32_t set) { in_use = set; }

Fault choose_fault(std::initializer_list<Fault> possible) {
  if (in_use == kNoFaults || !rt::seam_active) return Fault::none;
  std::array<seam::Candidate, kFaults> candidates;
  size_t count = 0;
  candidates[count++] = candidate_of(Fault::none, 0);
  for (Fault fault : possible) {
    if ((kSets[static_cast<size_t>(fault)] & in_use) == 0) continue;
    candidates[count] = candidate_of(fault, count);
    ++count;
  }
  if (count == 1) return Fault::none;
  const std::span<const seam::Candidate> offered(candidates.data(), count);
  const size_t choice = rt::seam_choose(seam::DecisionKind::fault, offered);
  return static_cast<Fault>(offered[choice].site);
}

bool cut_short(Fault fault, uint64_t* size) {
  if (*size < 2 || (fault != Fault::one_byte && fault != Fault::half)) return false;
  *size = fault == Fault::half ? *size / 2 : 1;
  return true;
}

}  // namespace reprise::sim
