// What each operation does to memory, locks and the futex table, and its line in the trace.
#include <algorithm>

#include "tests/model/engine.h"

namespace reprise::model {

namespace {

const char* name_of(Order order) {
  switch (order) {
    case Order::relaxed: return "relaxed";
    case Order::consume:
    case Order::acquire: return "acquire";
    case Order::release: return "release";
    case Order::acq_rel: return "acq_rel";
    case Order::seq_cst: return "seq_cst";
  }
  return "";
}

const char* name_of(Rmw rmw) {
  constexpr const char* kNames[] = {"exchange",  "fetch_add", "fetch_sub",
                                    "fetch_and", "fetch_or",  "fetch_xor",
                                    "compare_exchange_strong", "compare_exchange_weak"};
  return kNames[static_cast<int>(rmw)];
}

bool is_cas(const Op& op) { return op.rmw == Rmw::cas_strong || op.rmw == Rmw::cas_weak; }

uint64_t modified(const Op& op, uint64_t value) {
  switch (op.rmw) {
    case Rmw::add: return (value + op.operand) & op.mask;
    case Rmw::sub: return (value - op.operand) & op.mask;
    case Rmw::bit_and: return value & op.operand;
    case Rmw::bit_or: return value | op.operand;
    case Rmw::bit_xor: return value ^ op.operand;
    case Rmw::exchange:
    case Rmw::cas_strong:
    case Rmw::cas_weak: break;
  }
  return op.operand;
}

}  // namespace

Outcome Engine::act(const Op& op, bool* wrote) {
  const int t = self_;
  Outcome outcome;
  touched_ = nullptr;
  switch (op.kind) {
    case OpKind::load: {
      const Option option = pick_option(op);
      memory_.read(t, op.place, option.message, op.order);
      outcome.value = option.message->value;
      break;
    }
    case OpKind::store: {
      const auto after = memory_.predecessors(t, op.place, op.order);
      Message* m = memory_.write(t, op.place, after[choose_value(after.size())], op.operand, op.order);
      m->path = dependencies_.path(t);
      touched_ = m;
      *wrote = true;
      break;
    }
    case OpKind::rmw: outcome = act_rmw(op, wrote); break;
    case OpKind::fence: memory_.fence(t, op.order); break;
    case OpKind::lock:
    case OpKind::unlock: act_lock(op); break;
    case OpKind::futex_wait: outcome = act_futex_wait(op); break;
    case OpKind::futex_wake: act_futex_wake(op); break;
    case OpKind::pause: threads_[t].lets_pass = able() & static_cast<Threads>(~(1u << t)); break;
    case OpKind::resume:
    case OpKind::none: break;
  }
  if (tracing_) record(op, outcome, touched_);
  return outcome;
}

// What `thread` may read with op, and whether an exchange would succeed on it.
void Engine::collect_options(const Op& op, int thread, uint32_t fresh) {
  options_.clear();
  if (op.kind != OpKind::rmw) {
    for (Message* m : memory_.readable(thread, op.place, op.order, fresh)) {
      options_.push_back({m, true});
    }
    return;
  }
  const uint64_t floor = memory_.floor_of(thread, op.place, op.order);
  const Order weakest = is_cas(op) ? op.failure : op.order;
  for (Message* m : memory_.readable(thread, op.place, weakest, fresh)) {
    const bool equal = !is_cas(op) || m->value == op.expected;
    if (!equal) {
      options_.push_back({m, false});
      continue;
    }
    if (!m->taken && m->at >= floor) options_.push_back({m, true});
    if (op.rmw == Rmw::cas_weak && spurious_ > 0) options_.push_back({m, false});
  }
}

Engine::Option Engine::pick_option(const Op& op) {
  collect_options(op, self_, search_->fresh_from(self_));
  if (options_.empty()) fail("nothing to read");  // enabled() has put such a thread to sleep
  const Option option = options_[choose_value(options_.size())];
  dependencies_.reads_from(self_, option.message->path);
  touched_ = option.message;
  return option;
}

Outcome Engine::act_rmw(const Op& op, bool* wrote) {
  const Option option = pick_option(op);
  Message* const m = option.message;
  const Outcome outcome{m->value, option.success};
  if (!option.success) {
    if (m->value == op.expected) --spurious_;
    memory_.read(self_, op.place, m, op.failure);
    return outcome;
  }
  Message* written = memory_.modify(self_, op.place, m, modified(op, m->value), op.order);
  written->path = dependencies_.path(self_);
  *wrote = true;
  return outcome;
}

void Engine::act_lock(const Op& op) {
  LockState& lock = locks_[op.place];
  if (op.kind == OpKind::lock) {
    lock.owner = self_;
    memory_.take_over(self_, lock.view);
    return;
  }
  if (!lock.event && lock.owner != self_) fail("unlock of a lock that the thread does not hold");
  if (lock.event && lock.owner < 0) fail("an event is set twice");
  lock.owner = -1;
  lock.view = memory_.current(self_);
}

View& Engine::bucket(int place) {
  for (auto& [owner, view] : buckets_) {
    if (owner == place) return view;
  }
  return buckets_.emplace_back(place, View{}).second;
}

Outcome Engine::act_futex_wait(const Op& op) {
  memory_.take_over_seen(self_, bucket(op.place));
  const Option option = pick_option(op);
  memory_.read(self_, op.place, option.message, op.order);
  const Outcome outcome{option.message->value, option.message->value == op.expected};
  if (!outcome.success) return outcome;
  if (spurious_ > 0 && choose_value(2) == 1) {
    --spurious_;  // a signal
    return outcome;
  }
  threads_[self_].waits_on = op.place;
  return outcome;
}

void Engine::act_futex_wake(const Op& op) {
  View& view = bucket(op.place);
  view.join_seen(memory_.current(self_), memory_.locations());
  for (uint64_t left = op.operand; left != 0; --left) {
    std::vector<int> waiters;
    for (int t = 0; t < count_; ++t) {
      if (!threads_[t].done && threads_[t].waits_on == op.place) waiters.push_back(t);
    }
    if (waiters.empty()) return;
    const int woken = waiters[choose_value(waiters.size())];
    threads_[woken].waits_on = -1;
    dependencies_.wakes(self_, woken);
  }
}

// Set-up and final checks: one thread, which sees the newest of everything.
Outcome Engine::perform_on_main(const Op& op) {
  if (op.kind == OpKind::lock || op.kind == OpKind::unlock) {
    act_lock(op);
    return {};
  }
  if (!op.is_access()) return {};
  Message* newest = memory_.location(op.place).history.back();
  Outcome outcome{newest->value, true};
  if (op.kind == OpKind::store) {
    memory_.write(kMain, op.place, newest, op.operand, op.order);
  } else if (op.kind == OpKind::rmw && (!is_cas(op) || newest->value == op.expected)) {
    memory_.modify(kMain, op.place, newest, modified(op, newest->value), op.order);
  } else {
    outcome.success = op.kind == OpKind::load;
    memory_.read(kMain, op.place, newest, op.order);
  }
  return outcome;
}

std::string Engine::text_of(uint64_t value) const {
  for (const auto& [named, name] : names_) {
    if (named == value) return name;
  }
  char text[32];
  std::snprintf(text, sizeof text, value < 4096 ? "%llu" : "%#llx",
                static_cast<unsigned long long>(value));
  return text;
}

std::string Engine::call_text(const Op& op) const {
  const std::string order = name_of(op.order);
  switch (op.kind) {
    case OpKind::load: return "load(" + order + ")";
    case OpKind::store: return "store(" + text_of(op.operand) + ", " + order + ")";
    case OpKind::rmw: {
      const std::string expected = is_cas(op) ? text_of(op.expected) + ", " : "";
      return std::string(name_of(op.rmw)) + "(" + expected + text_of(op.operand) + ", " + order + ")";
    }
    case OpKind::fence: return "fence(" + order + ")";
    case OpKind::lock: return "lock";
    case OpKind::unlock: return "unlock";
    case OpKind::futex_wait: return "futex_wait(" + text_of(op.expected) + ")";
    case OpKind::futex_wake: return "futex_wake(" + text_of(op.operand) + ")";
    case OpKind::resume: return "wakes up";
    case OpKind::pause: return "pause";
    case OpKind::none: break;
  }
  return "";
}

// One line: step, thread, operation, result; "old" if something newer was there to be read.
void Engine::record(const Op& op, const Outcome& outcome, const Message* message) {
  std::string text = call_text(op);
  const bool locks = op.kind == OpKind::lock || op.kind == OpKind::unlock;
  if (locks) {
    const bool event = locks_[op.place].event;
    if (event) text = op.kind == OpKind::lock ? "wait" : "set";
    text = (event ? "event" : "lock") + std::to_string(op.place) + "." + text;
  }
  if (!locks && op.place >= 0) {
    const Location& where = memory_.location(op.place);
    text = where.name + "." + text;
    if (op.may_read()) text += " = " + text_of(outcome.value);
    if (op.kind == OpKind::rmw && !outcome.success) text += " fails";
    const bool old = message != nullptr && message != where.history.back() &&
                     !(op.kind == OpKind::rmw && outcome.success);
    if (old) text += op.kind == OpKind::store ? " before newer ones" : " old";
  }
  char head[32];
  std::snprintf(head, sizeof head, "  %4u  T%d  ", step_, self_);
  trace_ += head + text + "\n";
}

}  // namespace reprise::model
