// Operations, conflicts, and waiting.
//
// Order without conflicts is kept by vector clocks over spawns and wake-ups only: what an operation woke or
// spawned cannot be done before it. Whether a pair can be swapped is not decided here but by trying: a lock
// may be in the way.
#include "replay/interleaving.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace reprise::trace {

using seam::DecisionKind;
using seam::GoId;
using seam::OpKind;
using tape::Deviation;
using tape::Observed;

namespace {

bool by_goroutine(const Happening& h, GoId who) {
  return h.head.goroutine == who && !h.is(Observed::What::choice) && !h.is(Observed::What::draw) &&
         !h.is(Observed::What::wake);
}

// Where the operation announced at `at` is done, whether its goroutine was stopped first, and waited in it.
void place(const std::vector<Happening>& all, size_t at, Operation& operation) {
  operation.executed = at;
  for (size_t i = at + 1; i < all.size(); ++i) {
    const Happening& h = all[i];
    if (is_preemption(h) && h.head.goroutine == operation.goroutine && h.head.own_step == operation.own_step) {
      operation.preempted = true;
      operation.executed = all.size();  // unless it goes on
    } else if (operation.preempted && h.is_choice(DecisionKind::run) && h.head.other == operation.goroutine) {
      operation.executed = std::min(operation.executed, i);
    } else if (by_goroutine(h, operation.goroutine)) {
      operation.executed = std::min(operation.executed, i);
      operation.blocked = h.is(Observed::What::block);
      return;
    }
  }
}

Operation operation_at(const std::vector<Happening>& all, size_t at) {
  const Observed& head = all[at].head;
  Operation out;
  out.goroutine = head.goroutine;
  out.goid = head.goid;
  out.own_step = head.own_step;
  out.op = all[at].op();
  out.site = head.site;
  for (size_t i = 0; i < head.accesses; ++i) out.accesses.push_back({head.objects[i], (head.writes >> i & 1) != 0});
  out.announced = at;
  place(all, at, out);
  return out;
}

std::optional<seam::ObjectId> conflict(const Operation& a, const Operation& b) {
  for (const seam::Access& x : a.accesses)
    for (const seam::Access& y : b.accesses)
      if (x.object == y.object && (x.write || y.write)) return x.object;
  return std::nullopt;
}

// What each goroutine knows of the others' steps, at every happening that is a step.
class Clocks {
 public:
  explicit Clocks(const Observation& run) {
    for (size_t i = 0; i < run.happenings.size(); ++i) {
      const Observed& h = run.happenings[i].head;
      if (h.what == Observed::What::choice || h.what == Observed::What::draw) continue;
      Clock& mine = now_[h.goroutine];
      mine[h.goroutine] = std::max(mine[h.goroutine], h.own_step);
      if (h.what == Observed::What::spawn || h.what == Observed::What::wake) {
        const Clock copy = mine;
        join(now_[h.other], copy);
      }
      if (h.what == Observed::What::step) at_[i] = mine;
    }
  }

  // Whether the operation `a` was over before `b` could be announced.
  bool ordered(const Operation& a, const Operation& b) const {
    const Clock& clock = at_.at(b.announced);
    const auto known = clock.find(a.goroutine);
    return known != clock.end() && known->second >= a.own_step;
  }

 private:
  using Clock = std::map<GoId, uint64_t>;
  static void join(Clock& to, const Clock& from) {
    for (const auto& [who, step] : from) to[who] = std::max(to[who], step);
  }
  std::map<GoId, Clock> now_;
  std::map<size_t, Clock> at_;
};

bool only_counts(OpKind op) { return op == OpKind::wg_add || op == OpKind::wg_wait; }

}  // namespace

std::vector<Operation> operations_of(const Observation& run) {
  std::vector<Operation> out;
  for (size_t i = 0; i < run.happenings.size(); ++i) {
    const Happening& h = run.happenings[i];
    if (h.is(Observed::What::step) && h.op() != OpKind::resume) out.push_back(operation_at(run.happenings, i));
  }
  std::stable_sort(out.begin(), out.end(),
                   [](const Operation& a, const Operation& b) { return a.executed < b.executed; });
  return out;
}

std::vector<Pair> reversible_pairs(const Observation& run, const std::vector<Operation>& operations) {
  const Clocks clocks(run);
  std::vector<Pair> out;
  for (size_t second = operations.size(); second-- > 0;)
    for (size_t first = second; first-- > 0;) {
      const Operation &a = operations[first], &b = operations[second];
      if (a.goroutine == b.goroutine) continue;
      const std::optional<seam::ObjectId> object = conflict(a, b);
      if (object && !clocks.ordered(a, b)) out.push_back({first, second, *object});
    }
  // Counting who is done says little about what went wrong, and what the other order changes there is mostly
  // who runs next.
  std::stable_partition(out.begin(), out.end(), [&](const Pair& pair) {
    return !only_counts(operations[pair.first].op) && !only_counts(operations[pair.second].op);
  });
  return out;
}

Deviations with_swapped(const Deviations& run, const Operation& first, const Operation& second) {
  Deviation hold;
  hold.goroutine = first.goroutine;
  hold.own_step = first.own_step;
  hold.nth = Deviation::kHoldNth;
  hold.preempts = false;
  hold.holds = true;
  hold.chosen = second.goroutine;
  hold.value = second.own_step;
  Deviation back;  // and then the first one, before anything else of the second one's goroutine
  back.goroutine = second.goroutine;
  back.own_step = second.own_step + 1;
  back.preempts = true;
  back.chosen = first.goroutine;
  Deviations out = run;
  std::erase_if(out, [&](const Deviation& d) { return !tape::before(d, back) && !tape::before(back, d); });
  out.push_back(hold);
  out.push_back(back);
  std::sort(out.begin(), out.end(), tape::before);
  return out;
}

bool is_swapped(const Observation& run, const Operation& first, const Operation& second) {
  std::optional<size_t> first_at, second_at;
  for (const Operation& o : operations_of(run)) {
    if (o.goroutine == first.goroutine && o.own_step == first.own_step) first_at = o.executed;
    if (o.goroutine == second.goroutine && o.own_step == second.own_step) second_at = o.executed;
  }
  return second_at && (!first_at || *second_at < *first_at);
}

namespace {

bool takes_lock(OpKind op) { return op == OpKind::lock || op == OpKind::rlock || op == OpKind::acquire; }
bool gives_lock(OpKind op) { return op == OpKind::unlock || op == OpKind::runlock || op == OpKind::release; }

// Everybody's state, brought up to the end of a run.
class States {
 public:
  explicit States(const Observation& run) {
    for (size_t i = 0; i < run.happenings.size(); ++i) {
      const Happening& h = run.happenings[i];
      const Observed& head = h.head;
      switch (head.what) {
        case Observed::What::step: step(run.happenings, i); break;
        case Observed::What::block: block(of(head.goroutine)); break;
        case Observed::What::wake: of(head.other).waits = false; break;
        case Observed::What::exit: settle(of(head.goroutine)), of(head.goroutine).exited = true; break;
        default: break;
      }
    }
  }

  std::vector<Waiting> waiting() const {
    std::vector<Waiting> out;
    for (const auto& [who, state] : states_) {
      if (!state.waits || state.exited) continue;
      Waiting waiting;
      waiting.goroutine = who;
      waiting.goid = state.goid;
      waiting.announced = state.last.has_value();
      if (state.last) name_others(who, waiting.in = *state.last, waiting);
      out.push_back(std::move(waiting));
    }
    std::sort(out.begin(), out.end(), [](const Waiting& a, const Waiting& b) { return a.goid < b.goid; });
    return out;
  }

 private:
  struct State {
    uint64_t goid = 0;
    bool waits = false, exited = false;
    std::optional<Operation> last;  // announced, and not known to be done
    std::optional<Operation> condition;  // the wait for which `last` gives a lock back
    std::set<seam::ObjectId> touched;
    std::multiset<seam::ObjectId> holds;
  };

  State& of(GoId who) { return states_[who]; }

  // Its last operation is done: it has come further.
  static void settle(State& state) {
    if (!state.last) return;
    for (const seam::Access& access : state.last->accesses) {
      if (takes_lock(state.last->op)) state.holds.insert(access.object);
      if (!gives_lock(state.last->op)) continue;
      if (const auto held = state.holds.find(access.object); held != state.holds.end()) state.holds.erase(held);
    }
    state.last.reset();
  }

  // To give a lock back is done at once: who waits then waits for a condition.
  static void block(State& state) {
    state.waits = true;
    if (!state.last || !gives_lock(state.last->op)) return;
    settle(state);
    state.last = std::exchange(state.condition, std::nullopt);
  }

  void step(const std::vector<Happening>& all, size_t at) {
    State& state = of(all[at].head.goroutine);
    if (all[at].op() == OpKind::resume) return;
    state.condition = state.last && state.last->op == OpKind::wait ? state.last : std::nullopt;
    settle(state);
    state.last = operation_at(all, at);
    state.goid = state.last->goid;
    for (const seam::Access& access : state.last->accesses) state.touched.insert(access.object);
  }

  void name_others(GoId who, const Operation& in, Waiting& waiting) const {
    for (const seam::Access& access : in.accesses)
      for (const auto& [other, state] : states_)
        if (state.holds.contains(access.object)) waiting.for_whom.push_back(other);
    waiting.holders = !waiting.for_whom.empty() && takes_lock(in.op);
    if (waiting.holders) return;
    waiting.for_whom.clear();
    for (const seam::Access& access : in.accesses)
      for (const auto& [other, state] : states_)
        if (other != who && !state.exited && state.touched.contains(access.object)) waiting.for_whom.push_back(other);
  }

  std::map<GoId, State> states_;
};

}  // namespace

std::vector<Waiting> waiting_at_end(const Observation& run) { return States(run).waiting(); }

std::vector<GoId> cycle_of(const std::vector<Waiting>& waiting) {
  std::map<GoId, const Waiting*> all;
  for (const Waiting& w : waiting) all[w.goroutine] = &w;
  for (const bool locks_only : {true, false})
    for (const Waiting& start : waiting) {
      std::vector<GoId> path;
      for (const Waiting* at = &start; at != nullptr && (at->holders || !locks_only);) {
        const auto seen = std::find(path.begin(), path.end(), at->goroutine);
        if (seen != path.end()) return {seen, path.end()};
        path.push_back(at->goroutine);
        const auto next = std::find_if(at->for_whom.begin(), at->for_whom.end(), [&](GoId who) { return all.contains(who); });
        at = next == at->for_whom.end() ? nullptr : all[*next];
      }
    }
  return {};
}

}  // namespace reprise::trace
