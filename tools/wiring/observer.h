// Observer: writes what happens in a run to the side area (runtime/seam/side.h).
//
// Sits in front of whatever policy answers, in record, run and replay, and changes no answer. It has no
// part in the program's determinism: it runs where policies run, allocates where they do, and makes no
// system call. A child process, which has left the tape, is not observed.
//
// Thread safety: Policy's. The area and the table live as long as the program.
#pragma once

#include "runtime/seam/own_steps.h"
#include "runtime/seam/policy.h"
#include "runtime/seam/side.h"
#include "runtime/stage/abi.h"

namespace reprise::seam {

class Observer {
 public:
  // Null: the parent did not ask for observation.
  Observer(const stage::Table& table, tape::SideArea* area) : table_(table), area_(area) {}

  bool on() const { return area_ != nullptr && area_->capacity != 0; }

  void begin();
  void chosen(const Decision& decision, size_t answer);
  void drawn(const Decision& decision, uint64_t value);
  void executed(const Event& event);
  void ended(const Outcome& outcome);

 private:
  tape::Observed* next(tape::Observed::What what, uint64_t step);

  const stage::Table& table_;
  tape::SideArea* area_;
  OwnSteps steps_;
};

}  // namespace reprise::seam
