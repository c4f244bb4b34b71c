// The machine of chan_machine.h: states are values, successors are computed, seen ones are kept.
#include "tests/model/chan_machine.h"

#include <algorithm>
#include <array>
#include <optional>

namespace reprise::model {

namespace {

constexpr int kNever = 1 << 20;

// One case of an operation: send or receive on a channel.
struct Case {
  int channel;
  bool send;
};

struct Meaning {
  std::vector<Case> cases;
  bool select = false;
  char instead = 0;  // result where no case is ready; 0: it parks
  bool limited = false;
};

const Meaning& meaning_of(ChanOp op) {
  static const std::array<Meaning, kChanOps> kMeanings = {{
      {{{0, true}}},
      {{{0, false}}},
      {{}},
      {{{0, true}}, false, 'n'},
      {{{0, false}}, false, 'n'},
      {{{1, false}}},
      {{{0, false}, {1, true}}, true},
      {{{0, true}, {1, false}}, true},
      {{{0, false}, {1, false}}, true, 'd'},
      {{{0, false}}, true, 0, true},
      {{}, false, 0, true},
  }};
  return kMeanings[static_cast<size_t>(op)];
}

struct State {
  struct Goroutine {
    size_t pc = 0;
    int parked_at = -1;  // order of arrival; -1: not parked
    int deadline = kNever;
    std::string results;
  };
  std::vector<Goroutine> g;
  std::vector<int> buffer[2];
  bool closed[2] = {};
  int arrivals = 0;
  int now = 0;

  std::string key() const {
    std::string key;
    for (const Goroutine& x : g) {
      // Arrival matters by rank only.
      int rank = -1;
      if (x.parked_at >= 0) {
        rank = static_cast<int>(std::count_if(g.begin(), g.end(), [&](const Goroutine& y) {
          return y.parked_at >= 0 && y.parked_at < x.parked_at;
        }));
      }
      key += x.results + "/" + std::to_string(rank) + "/" + std::to_string(x.deadline) + ";";
    }
    for (int c = 0; c < 2; ++c) {
      for (int value : buffer[c]) key += letter_of(value);
      key += closed[c] ? "!" : ".";
    }
    return key + std::to_string(now);
  }
};

class Machine {
 public:
  Machine(const ChanProgram& program, Mistake mistake) : program_(program), mistake_(mistake) {}

  Reference explore() {
    State start;
    start.g.resize(program_.goroutines.size());
    visit(start);
    return std::move(reference_);
  }

 private:
  const ChanOp& op_of(const State& s, size_t g) const {
    return program_.goroutines[g][s.g[g].pc];
  }
  bool ended(const State& s, size_t g) const {
    return s.g[g].pc == program_.goroutines[g].size();
  }

  void visit(const State& s) {
    if (reference_.panics || !seen_.insert(s.key()).second) return;
    bool moved = false;
    for (size_t g = 0; g < s.g.size(); ++g) {
      if (ended(s, g)) continue;
      if (s.g[g].parked_at < 0) {
        moved = true;
        step(s, g);
      } else if (s.g[g].deadline <= s.now) {
        moved = true;
        State next = s;
        finish(next, g, op_of(s, g) == ChanOp::sleep ? "w" : "t");
        visit(next);
      }
    }
    if (!moved) rest(s);
  }

  // Nothing can happen now: the clock moves, or it is over.
  void rest(const State& s) {
    int first = kNever;
    for (const auto& x : s.g) {
      if (x.parked_at >= 0) first = std::min(first, x.deadline);
    }
    if (first != kNever) {
      State next = s;
      next.now = first;
      return visit(next);
    }
    std::string outcome;
    for (size_t g = 0; g < s.g.size(); ++g) {
      outcome += s.g[g].results + (ended(s, g) ? " " : "? ");
    }
    reference_.outcomes.insert(outcome);
  }

  static void finish(State& s, size_t g, const std::string& result) {
    s.g[g].results += result;
    s.g[g].parked_at = -1;
    s.g[g].deadline = kNever;
    ++s.g[g].pc;
  }

  // The first in line that is parked on the other side of a case; its case's index in *which.
  std::optional<size_t> partner(const State& s, const Case& wanted, size_t* which) const {
    std::optional<size_t> first;
    for (size_t g = 0; g < s.g.size(); ++g) {
      if (ended(s, g) || s.g[g].parked_at < 0) continue;
      const auto& cases = meaning_of(op_of(s, g)).cases;
      for (size_t i = 0; i < cases.size(); ++i) {
        if (cases[i].channel != wanted.channel || cases[i].send == wanted.send) continue;
        const bool earlier = first && s.g[*first].parked_at < s.g[g].parked_at;
        if (first && earlier == (mistake_ != Mistake::last_come_first_served)) continue;
        first = g;
        *which = i;
      }
    }
    return first;
  }

  void finish_case(State& s, size_t g, size_t which, char result) const {
    const bool select = meaning_of(op_of(s, g)).select;
    finish(s, g, (select ? std::to_string(which) : "") + result);
  }

  int sent_by(const State& s, size_t g) const { return value_of(g, s.g[g].pc); }

  // Tries a case; nothing if it is not ready.
  std::optional<State> try_case(const State& s, size_t g, size_t which) {
    const Case& k = meaning_of(op_of(s, g)).cases[which];
    State next = s;
    auto& buffer = next.buffer[k.channel];
    size_t theirs = 0;
    const auto other = partner(s, k, &theirs);
    if (k.send) {
      if (s.closed[k.channel]) {
        reference_.panics = true;
        return std::nullopt;
      }
      const int value = sent_by(s, g);
      if (other) {
        finish_case(next, *other, theirs, letter_of(value));
      } else if (static_cast<int>(buffer.size()) < program_.capacity[k.channel]) {
        buffer.push_back(value);
      } else {
        return std::nullopt;
      }
      finish_case(next, g, which, 's');
      return next;
    }
    if (!buffer.empty()) {
      const int value = buffer.front();
      buffer.erase(buffer.begin());
      if (other) {  // a sender waits: its value goes to the end
        const bool overtakes = mistake_ == Mistake::sender_overtakes_buffer;
        buffer.insert(overtakes ? buffer.begin() : buffer.end(), sent_by(s, *other));
        finish_case(next, *other, theirs, 's');
      }
      finish_case(next, g, which, letter_of(value));
      return next;
    }
    if (other) {
      const int value = sent_by(s, *other);
      finish_case(next, *other, theirs, 's');
      finish_case(next, g, which, letter_of(value));
      return next;
    }
    if (!s.closed[k.channel]) return std::nullopt;
    finish_case(next, g, which, 'z');
    return next;
  }

  void close(const State& s, size_t g) {
    State next = s;
    size_t which = 0;
    if (s.closed[0] || partner(s, {0, false}, &which)) {
      reference_.panics = true;
      return;
    }
    next.closed[0] = true;
    if (mistake_ == Mistake::close_drops_buffer) next.buffer[0].clear();
    while (const auto receiver = partner(next, {0, true}, &which)) {
      finish_case(next, *receiver, which, 'z');
    }
    finish(next, g, "c");
    visit(next);
  }

  void step(const State& s, size_t g) {
    const ChanOp op = op_of(s, g);
    if (op == ChanOp::close_a) return close(s, g);
    const Meaning& meaning = meaning_of(op);
    bool ready = false;
    for (size_t i = 0; i < meaning.cases.size(); ++i) {
      if (const auto next = try_case(s, g, i)) {
        ready = true;
        visit(*next);
      }
    }
    if (ready || reference_.panics) return;
    State next = s;
    if (meaning.instead != 0) {
      finish(next, g, std::string(1, meaning.instead));
    } else {
      next.g[g].parked_at = next.arrivals++;
      if (meaning.limited) next.g[g].deadline = s.now + 1;
    }
    visit(next);
  }

  const ChanProgram& program_;
  const Mistake mistake_;
  std::set<std::string> seen_;
  Reference reference_;
};

}  // namespace

std::string text_of(const ChanProgram& program) {
  constexpr const char* kNames[] = {
      "a<-", "<-a", "close(a)", "try a<-", "try <-a", "<-b", "select{<-a, b<-}",
      "select{a<-, <-b}", "select{<-a, <-b, otherwise}", "select{<-a, timeout}", "sleep"};
  std::string text = "capacities " + std::to_string(program.capacity[0]) + " " +
                     std::to_string(program.capacity[1]);
  for (const auto& ops : program.goroutines) {
    text += " | ";
    for (ChanOp op : ops) text += std::string(kNames[static_cast<size_t>(op)]) + "; ";
  }
  return text;
}

Reference reference_of(const ChanProgram& program, Mistake mistake) {
  return Machine(program, mistake).explore();
}

}  // namespace reprise::model
