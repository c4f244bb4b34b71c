// What happens, as entries of the side area.
#include "tools/wiring/observer.h"

#include <algorithm>
#include <cstring>

#include "runtime/sched/g_m_p.h"
#include "runtime/seam/default_choice.h"
#include "runtime/seam/policy_memory.h"

namespace reprise::seam {

using tape::Observed;

namespace {

void note_accesses(Observed* entry, std::span<const Access> accesses) {
  entry->accesses = static_cast<uint8_t>(std::min(accesses.size(), Observed::kMaxAccesses));
  for (size_t i = 0; i < entry->accesses; ++i) {
    entry->objects[i] = accesses[i].object;
    entry->writes = static_cast<uint8_t>(entry->writes | accesses[i].write << i);
  }
}

Observed::What what_of(Event::Kind kind) {
  switch (kind) {
    case Event::Kind::step: return Observed::What::step;
    case Event::Kind::spawn: return Observed::What::spawn;
    case Event::Kind::block: return Observed::What::block;
    case Event::Kind::wake: return Observed::What::wake;
    case Event::Kind::exit: return Observed::What::exit;
  }
  return Observed::What::step;
}

}  // namespace

Observed* Observer::next(Observed::What what, uint64_t step) {
  if (table_.mode() == tape::Mode::off) return nullptr;
  Observed* const entry = area_->entry(area_->observed);
  *entry = {};
  entry->what = what;
  entry->step = step;
  ++area_->observed;
  return entry;
}

void Observer::begin() {
  const PolicyMemory memory;
  steps_ = {};
}

void Observer::chosen(const Decision& decision, size_t answer) {
  const PolicyMemory memory;
  const OwnSteps::Key key = steps_.key_of(decision);
  Observed* const entry = next(Observed::What::choice, decision.step);
  if (entry == nullptr) return;
  const size_t index = resolved(decision, answer);
  entry->op = static_cast<uint8_t>(decision.kind);
  entry->candidates = static_cast<uint32_t>(decision.candidates.size());
  entry->goroutine = key.goroutine;
  entry->own_step = key.own_step;
  entry->nth = key.nth;
  entry->value = index;
  entry->by_default = encode_choice(decision, index) == 0;
  entry->other = decision.candidates[index].goroutine;
  entry->site = decision.candidates[index].site;
  if (decision.kind != DecisionKind::run) return;
  for (const Candidate& candidate : decision.candidates) {
    if (candidate.goroutine != key.goroutine) continue;
    entry->stays_ready = true;
    entry->announced = key.nth == 0 && candidate.op == steps_.announced(key.goroutine);
  }
}

void Observer::drawn(const Decision& decision, uint64_t value) {
  if (decision.kind == DecisionKind::preempt) return;  // what comes of it is a choice
  const PolicyMemory memory;
  const OwnSteps::Key key = steps_.key_of(decision);
  Observed* const entry = next(Observed::What::draw, decision.step);
  if (entry == nullptr) return;
  entry->op = static_cast<uint8_t>(decision.kind);
  entry->goroutine = key.goroutine;
  entry->own_step = key.own_step;
  entry->nth = key.nth;
  entry->value = value;
}

void Observer::executed(const Event& event) {
  const PolicyMemory memory;
  const uint64_t own_step = steps_.executed(event);
  Observed* const entry = next(what_of(event.kind), event.step);
  if (entry == nullptr) return;
  entry->op = static_cast<uint8_t>(event.op);
  entry->goroutine = event.goroutine;
  entry->other = event.other;
  entry->own_step = own_step;
  entry->site = event.site;
  note_accesses(entry, event.accesses);
  if (event.kind != Event::Kind::step) return;
  if (const rt::G* gp = rt::curg()) entry->goid = gp->goid;
}

void Observer::ended(const Outcome& outcome) {
  if (table_.mode() == tape::Mode::off || area_->ended) return;
  const size_t size = std::min(outcome.message.size(), sizeof area_->message - 1);
  std::memcpy(area_->message, outcome.message.data(), size);
  area_->exit_status = outcome.exit_status;
  area_->outcome = static_cast<uint32_t>(outcome.kind);
  area_->ended = 1;
}

}  // namespace reprise::seam
