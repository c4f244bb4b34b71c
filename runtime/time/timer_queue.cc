// The heap behind TimerQueue. Invariant: no node is before its parent, (i - 1) / 4, and
// nodes_[i].timer->place == i.
#include "runtime/time/timer_queue.h"

#include <algorithm>

#include "runtime/time/timer.h"

namespace reprise::rt {

namespace {
constexpr size_t kArity = 4;
size_t parent_of(size_t i) { return (i - 1) / kArity; }
size_t first_child_of(size_t i) { return i * kArity + 1; }
}  // namespace

// Relaxed: under the queue's lock.
TimerQueue::Node TimerQueue::node_of(Timer* t) { return {t->when.load(std::memory_order_relaxed), t->seq, t}; }

inline void TimerQueue::put(size_t i, const Node& node) {
  nodes_[i] = node;
  node.timer->place = i;
}

// Moves the hole at i up to where node belongs, and fills it.
void TimerQueue::sift_up(size_t i, const Node& node) {
  while (i > 0 && node.before(nodes_[parent_of(i)])) {
    put(i, nodes_[parent_of(i)]);
    i = parent_of(i);
  }
  put(i, node);
}

void TimerQueue::sift_down(size_t i, const Node& node) {
  for (;;) {
    const size_t first = first_child_of(i);
    if (first >= nodes_.size()) break;
    const size_t end = std::min(first + kArity, nodes_.size());
    size_t best = first;
    for (size_t child = first + 1; child < end; ++child) {
      if (nodes_[child].before(nodes_[best])) best = child;
    }
    if (!nodes_[best].before(node)) break;
    put(i, nodes_[best]);
    i = best;
  }
  put(i, node);
}

// Up or down, whichever it is.
inline void TimerQueue::settle(size_t i, const Node& node) {
  if (i > 0 && node.before(nodes_[parent_of(i)])) return sift_up(i, node);
  if (first_child_of(i) < nodes_.size()) return sift_down(i, node);
  put(i, node);
}

void TimerQueue::insert(Timer* t) {
  const Node node = node_of(t);
  nodes_.push_back(node);
  sift_up(nodes_.size() - 1, node);
}

void TimerQueue::remove(Timer* t) {
  const size_t i = t->place;
  const Node last = nodes_.back();
  nodes_.pop_back();
  t->place = Timer::kNoPlace;
  if (i == nodes_.size()) return;
  settle(i, last);
}

void TimerQueue::move(Timer* t) {
  settle(t->place, node_of(t));
}

// Best first: a node's children come into question only once the node itself is taken.
void TimerQueue::due(int64_t now, size_t limit, std::vector<Timer*>* out) const {
  std::vector<size_t> open;
  if (!nodes_.empty() && nodes_[0].when <= now) open.push_back(0);
  while (!open.empty() && out->size() < limit) {
    auto best = std::min_element(open.begin(), open.end(), [&](size_t a, size_t b) {
      return nodes_[a].before(nodes_[b]);
    });
    const size_t i = *best;
    *best = open.back();
    open.pop_back();
    out->push_back(nodes_[i].timer);
    const size_t first = first_child_of(i);
    for (size_t child = first; child < std::min(first + kArity, nodes_.size()); ++child) {
      if (nodes_[child].when <= now) open.push_back(child);
    }
  }
}

}  // namespace reprise::rt
