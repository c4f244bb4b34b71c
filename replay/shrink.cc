// Delta debugging of deviations.
//
// Invariant: best_ is what the last run that failed really did. A trial is taken only if it has fewer
// deviations, or as many and less weight, so the search ends.
#include "replay/shrink.h"

#include <algorithm>
#include <set>
#include <tuple>

namespace reprise::trace {
namespace {

using seam::DecisionKind;
using tape::Deviation;

constexpr size_t kSinglesAtMost = 240;     // runs spent on looking for one preemption in place of several
constexpr size_t kSmallRunsAtMost = 150;   // on runs with few deviations, for each number of preemptions
constexpr uint64_t kFewPreemptions = 2;
constexpr size_t kFew = 3;                 // deviations

// A total order of lists, which the order of deviations alone is not.
struct Before {
  static auto key(const Deviation& d) {
    return std::tuple(d.goroutine, d.own_step, d.kind, d.nth, d.preempts, d.chosen, d.value);
  }
  bool operator()(const Deviations& a, const Deviations& b) const {
    return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end(),
                                        [](const Deviation& x, const Deviation& y) { return key(x) < key(y); });
  }
};

class Shrinker {
 public:
  Shrinker(const Trial& first, const Judge& judge, const ShrinkOptions& options)
      : judge_(judge), options_(options), best_(first) {}

  Shrunk run() {
    try_first({Deviations{}, only_runs(), without_draws()});
    halve();
    look_for_one();
    look_for_few();
    settle();
    return {best_.deviations, best_.weight, runs_, !time_is_up()};
  }

 private:
  static bool better(const Trial& a, const Trial& b) {
    return std::tuple(a.weight.preemptions, a.deviations.size(), a.weight.faults, a.weight.switches) <
           std::tuple(b.weight.preemptions, b.deviations.size(), b.weight.faults, b.weight.switches);
  }

  bool time_is_up() const { return std::chrono::steady_clock::now() >= options_.until; }

  template <class Keep>
  Deviations filtered(Keep keep) const {
    Deviations out;
    std::copy_if(best_.deviations.begin(), best_.deviations.end(), std::back_inserter(out), keep);
    return out;
  }
  Deviations only_runs() const {
    return filtered([](const Deviation& d) { return d.kind == DecisionKind::run; });
  }
  Deviations without_draws() const {
    return filtered([](const Deviation& d) { return d.kind != DecisionKind::draw; });
  }

  // Takes the first list that fails; whether there was one. `all`: the trials, as far as they were made.
  bool try_first(const std::vector<Deviations>& lists, std::vector<Trial>* all = nullptr) {
    for (size_t at = 0; at < lists.size() && !time_is_up();) {
      const size_t size = std::min(std::max<size_t>(options_.batch, 1), lists.size() - at);
      const std::vector<Trial> trials = judge_({lists.begin() + at, lists.begin() + at + size});
      at += size;
      runs_ += size;
      if (all != nullptr) all->insert(all->end(), trials.begin(), trials.end());
      for (const Trial& trial : trials) {
        if (!trial.fails || !better(trial, best_)) continue;
        best_ = trial;
        if (options_.progress) options_.progress(runs_, best_.weight);
        return true;
      }
      if (options_.progress) options_.progress(runs_, best_.weight);
    }
    return false;
  }

  // All but each of `parts` equal pieces.
  std::vector<Deviations> complements(size_t parts) const {
    const Deviations& all = best_.deviations;
    std::vector<Deviations> out;
    for (size_t part = 0; part < parts; ++part) {
      const size_t from = all.size() * part / parts, to = all.size() * (part + 1) / parts;
      Deviations rest(all.begin(), all.begin() + static_cast<ptrdiff_t>(from));
      rest.insert(rest.end(), all.begin() + static_cast<ptrdiff_t>(to), all.end());
      out.push_back(std::move(rest));
    }
    return out;
  }

  void halve() {
    size_t parts = std::min<size_t>(2, best_.deviations.size());
    while (parts > 0 && !time_is_up()) {
      if (try_first(complements(parts))) {
        parts = std::min(std::max<size_t>(parts - 1, 2), best_.deviations.size());
      } else if (parts < best_.deviations.size()) {
        parts = std::min(2 * parts, best_.deviations.size());
      } else {
        return;
      }
    }
  }

  // Several deviations may stand for one that was not among them: any of the goroutines that take part, at
  // any of its steps so far, giving way to any other, where it waits or before it goes on.
  void look_for_one() {
    if (best_.weight.preemptions == 0 || best_.deviations.size() < 2) return;
    std::vector<seam::GoId> who;
    uint64_t last_step = 0;
    for (const Deviation& d : best_.deviations) {
      if (d.kind != DecisionKind::run) continue;
      who.insert(who.end(), {d.goroutine, d.chosen});
      last_step = std::max(last_step, d.own_step);
    }
    std::sort(who.begin(), who.end());
    who.erase(std::unique(who.begin(), who.end()), who.end());
    std::vector<Deviations> lists;
    for (uint64_t step = 1; step <= last_step + 1; ++step)
      for (const bool preempts : {false, true}) add_singles(who, step, preempts, lists);
    lists.resize(std::min(lists.size(), kSinglesAtMost));
    try_first(lists);
  }

  static void add_singles(const std::vector<seam::GoId>& who, uint64_t step, bool preempts, std::vector<Deviations>& to) {
    for (const seam::GoId goroutine : who)
      for (const seam::GoId chosen : who) {
        Deviation one;
        one.goroutine = goroutine;
        one.own_step = step;
        one.preempts = preempts;
        one.chosen = chosen;
        if (chosen != goroutine) to.push_back({one});
      }
  }

  // Few deviations, tried from none on: with each number of preemptions below the best's, and with as many but fewer
  // deviations. What came up in a run is what the next ones add to it.
  void look_for_few() {
    for (uint64_t preemptions = 0; preemptions <= std::min(best_.weight.preemptions, kFewPreemptions); ++preemptions) {
      const bool fewer = preemptions < best_.weight.preemptions;
      const size_t size = best_.deviations.size();
      if (look_with(preemptions, fewer || size == 0 ? kFew : std::min(kFew, size - 1))) return;
    }
  }

  // Whether something was found.
  bool look_with(uint64_t preemptions, size_t most) {
    std::vector<Deviations> lists{not_runs()};
    size_t left = kSmallRunsAtMost;
    for (size_t depth = 0; !lists.empty(); ++depth) {
      lists.resize(std::min(lists.size(), left));
      left -= lists.size();
      std::vector<Trial> trials;
      if (try_first(lists, &trials)) return true;
      if (depth == most || trials.size() < lists.size()) return false;
      lists = extended(lists, trials, preemptions);
    }
    return false;
  }

  // Each list with one more of what its run could have done, each once.
  static std::vector<Deviations> extended(const std::vector<Deviations>& lists, const std::vector<Trial>& trials, uint64_t preemptions) {
    std::vector<Deviations> out;
    std::set<Deviations, Before> known;
    for (size_t i = 0; i < lists.size() && out.size() < kSmallRunsAtMost; ++i) {
      const auto stops = static_cast<uint64_t>(std::count_if(lists[i].begin(), lists[i].end(), [](const Deviation& d) { return d.preempts; }));
      for (const Deviation& more : trials[i].alternatives) {
        if (stops + more.preempts > preemptions) continue;
        Deviations list = lists[i];
        const auto at = std::lower_bound(list.begin(), list.end(), more, tape::before);
        if (at != list.end() && !tape::before(more, *at)) continue;
        list.insert(at, more);
        if (known.insert(list).second) out.push_back(std::move(list));
      }
    }
    return out;
  }

  Deviations not_runs() const {
    return filtered([](const Deviation& d) { return d.kind != DecisionKind::run; });
  }

  // Fewer deviations first, then the lightest run with that many.
  void settle() {
    while (best_.deviations.size() > 1 && try_first(complements(best_.deviations.size()))) continue;
  }

  const Judge& judge_;
  const ShrinkOptions& options_;
  Trial best_;
  uint64_t runs_ = 0;
};

}  // namespace

Shrunk shrink(const Trial& first, const Judge& judge, const ShrinkOptions& options) {
  return Shrinker(first, judge, options).run();
}

}  // namespace reprise::trace
