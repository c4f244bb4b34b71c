// TimerQueue: timers in the total order (when, seq), as a heap of four children a node.
//
// Four children rather than two halve the depth and keep a node's children on one cache line or
// two; the reference does the same. A timer knows its place, so removing one is exact: no
// tombstones to sweep. Ties in `when` break by seq, the order of starting.
//
// Thread safety: none; guarded by its owner's lock. Owns no timers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace reprise::rt {

struct Timer;

class TimerQueue {
 public:
  bool empty() const { return nodes_.empty(); }
  size_t size() const { return nodes_.size(); }
  Timer* min() const { return nodes_.front().timer; }        // REQUIRES: not empty
  int64_t min_when() const { return nodes_.front().when; }   // REQUIRES: not empty

  void insert(Timer* t);  // by t->when and t->seq; sets t->place
  void remove(Timer* t);  // REQUIRES: t is in this queue
  void move(Timer* t);    // the same; t->when or t->seq have changed

  // The first `limit` timers that are due at `now`, in order. Leaves them where they are.
  void due(int64_t now, size_t limit, std::vector<Timer*>* out) const;

  template <class F>
  void for_each(F f) const {
    for (const Node& node : nodes_) f(node.timer);
  }

 private:
  struct Node {
    int64_t when;
    uint64_t seq;
    Timer* timer;
    bool before(const Node& other) const {
      return when != other.when ? when < other.when : seq < other.seq;
    }
  };
  static Node node_of(Timer* t);
  void put(size_t i, const Node& node);
  void sift_up(size_t i, const Node& node);
  void sift_down(size_t i, const Node& node);
  void settle(size_t i, const Node& node);

  std::vector<Node> nodes_;
};

}  // namespace reprise::rt
