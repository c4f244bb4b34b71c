// Depth first search with partial order reduction (search.h).
//
// The stack holds the choices of the current execution. A thread node keeps whom it offered
// (enabled), whom it must still try (backtrack), whom it has tried (done), and who slept when it was
// reached: a sleeping thread's next operation, done here first, leads to what was visited before.
//
// Invariants:
//   Replaying the stack gives the same enabled sets and counts; a program that is not deterministic
//   is caught there.
//   fresh_[t] != 0: of the messages that t's next operation may read those below that id have been
//   tried from an earlier node, where everything since could have come after it.
#include <cstdio>
#include <cstdlib>

#include "tests/model/search.h"

namespace reprise::model {

namespace {

Threads bit(int thread) { return static_cast<Threads>(1u << thread); }

struct Node {
  bool thread = false;
  // thread
  Threads enabled = 0, backtrack = 0, done = 0, slept = 0;
  int chosen = 0;
  // value
  size_t index = 0, count = 0;
};

class Exhaustive final : public Search {
 public:
  explicit Exhaustive(bool reduce) : reduce_(reduce) {}

  void begin() override {
    depth_ = 0;
    asleep_ = 0;
    for (uint32_t& id : fresh_) id = 0;
    node_of_step_.assign(1, 0);
  }

  int thread(Threads enabled, int current, uint32_t next_message) override {
    if (depth_ == stack_.size()) {
      if (!open_node(enabled, current)) return kPrune;
    }
    Node& node = stack_[depth_];
    if (!node.thread || node.enabled != enabled) not_deterministic();
    for (int t = 0; t < kMaxThreads; ++t) {
      if (reduce_ && (node.done & bit(t))) {
        asleep_ |= bit(t);
        fresh_[t] = next_message;
      }
    }
    node_of_step_.push_back(static_cast<uint32_t>(depth_++));
    return node.chosen;
  }

  size_t value(size_t count) override {
    if (depth_ == stack_.size()) {
      Node node;
      node.count = count;
      stack_.push_back(node);
    }
    const Node& node = stack_[depth_++];
    if (node.thread || node.count != count) not_deterministic();
    return node.index;
  }

  bool next() override {
    while (!stack_.empty()) {
      Node& node = stack_.back();
      if (!node.thread) {
        if (++node.index < node.count) return true;
      } else {
        node.done |= bit(node.chosen);
        const unsigned left = node.backtrack & ~node.done & ~node.slept;
        if (left != 0) {
          node.chosen = __builtin_ctz(left);
          return true;
        }
      }
      stack_.pop_back();
    }
    return false;
  }

  uint32_t fresh_from(int thread) const override { return fresh_[thread]; }
  void put_to_sleep(int thread) override { asleep_ |= bit(thread); }

  void executed(const Done& done, int thread, const Op* pending) override {
    fresh_[thread] = 0;
    for (int t = 0; t < kMaxThreads; ++t) {
      if (t == thread || (!(asleep_ & bit(t)) && fresh_[t] == 0)) continue;
      const Op& op = pending[t];
      if (must_repeat(done.op, op)) {
        asleep_ &= static_cast<Threads>(~bit(t));
        fresh_[t] = 0;
      } else if (done.wrote && op.may_read() && op.place == done.op.place) {
        asleep_ &= static_cast<Threads>(~bit(t));
      }
    }
  }

  void reverse(uint32_t step, Threads leaders) override {
    Node& node = stack_[node_of_step_[step]];
    // One of them is tried, or was before.
    if ((leaders & (node.backtrack | node.slept)) != 0) return;
    const unsigned able = leaders & node.enabled;
    node.backtrack |= able != 0 ? static_cast<Threads>(able & -able) : node.enabled;
  }

  bool reduces() const override { return reduce_; }

 private:
  // The order of the two matters even where nothing is read.
  static bool must_repeat(const Op& done, const Op& op) {
    if (done.kind == OpKind::pause || op.kind == OpKind::pause) return true;
    const bool same = done.place == op.place;
    const bool done_lock = done.kind == OpKind::lock || done.kind == OpKind::unlock;
    if (op.kind == OpKind::lock) return done_lock && same;
    if (op.is_futex() && done.is_futex()) return same;
    if (op.is_sc_fence()) return done.is_sc_fence() || done.is_sc_access();
    if (op.is_sc_access()) return done.is_sc_fence() || (done.is_sc_access() && same);
    return false;
  }

  bool open_node(Threads enabled, int current) {
    const auto awake = static_cast<Threads>(enabled & ~asleep_);
    if (awake == 0) return false;
    Node node;
    node.thread = true;
    node.enabled = enabled;
    node.slept = asleep_;
    const bool stay = current >= 0 && (awake & bit(current));
    node.chosen = stay ? current : __builtin_ctz(awake);
    node.backtrack = reduce_ ? bit(node.chosen) : enabled;
    stack_.push_back(node);
    return true;
  }

  [[noreturn]] static void not_deterministic() {
    std::fprintf(stderr, "model: the program is not deterministic\n");
    std::abort();
  }

  const bool reduce_;
  std::vector<Node> stack_;
  std::vector<uint32_t> node_of_step_;  // steps count from 1
  size_t depth_ = 0;
  Threads asleep_ = 0;
  uint32_t fresh_[kMaxThreads] = {};
};

}  // namespace

std::unique_ptr<Search> make_exhaustive(bool reduce) { return std::make_unique<Exhaustive>(reduce); }

}  // namespace reprise::model
