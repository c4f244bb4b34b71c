// Threads and steps (engine.h). Invariant: pending_[t] is what t will execute when it is chosen next.
#include "tests/model/engine.h"

#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace reprise::model {

Engine& Engine::instance() {
  static Engine engine;
  return engine;
}

void Engine::reset(const Options& options, Search* search, bool tracing) {
  search_ = search;
  tracing_ = tracing;
  max_steps_ = options.max_steps;
  spurious_ = options.spurious;
  memory_.reset();
  memory_.set_stale_limit(options.stale_limit);
  dependencies_.reset();
  locks_.clear();
  buckets_.clear();
  names_.clear();
  choices_.clear();
  trace_.clear();
  failure_.clear();
  count_ = 0;
  step_ = 0;
  self_ = kMain;
  end_ = End::running;
}

Engine::End Engine::execute(const Program& program, const Options& options, Search* search,
                            bool tracing) {
  reset(options, search, tracing);
  search->begin();
  Scene scene;
  try {
    program(scene);
    start_threads(&scene);
    run_threads();
    if (end_ == End::running || end_ == End::finished) conclude(&scene);
  } catch (Stop) {
    self_ = kMain;
  }
  return end_;
}

void Engine::thread_main() {
  Engine& engine = instance();
  Thread& me = engine.threads_[engine.self_];
  me.body();
  me.done = true;
  engine.pending_[engine.self_] = {};
  engine.leave();
  std::abort();  // nobody enters a thread that is done
}

// Each thread up to its first operation, which it announces.
void Engine::start_threads(Scene* scene) {
  if (scene->threads_.size() > kMaxThreads) fail("more threads than the explorer has");
  count_ = static_cast<int>(scene->threads_.size());
  for (int t = 0; t < count_; ++t) memory_.start_thread(t);
  for (int t = 0; t < count_; ++t) {
    Thread& thread = threads_[t];
    thread.body = std::move(scene->threads_[t]);
    thread.done = false;
    thread.lets_pass = 0;
    thread.waits_on = -1;
    thread.fiber.start(thread_main);
    priming_ = self_ = t;
    thread.fiber.enter(main_);
    if (end_ == End::failed) break;
  }
  priming_ = -1;
  self_ = kMain;
}

void Engine::run_threads() {
  if (end_ != End::running) return;
  const int first = choose();
  if (first >= 0) threads_[first].fiber.enter(main_);
  self_ = kMain;
}

void Engine::conclude(Scene* scene) {
  unsigned blocked = 0;
  for (int t = 0; t < count_; ++t) {
    if (!threads_[t].done) blocked |= 1u << t;
  }
  memory_.join_all(count_);
  end_ = End::finished;
  if (blocked != 0) {
    if (!scene->at_rest_) fail("deadlock: threads wait and none can go on");
    scene->at_rest_(blocked);
  }
  if (blocked == 0 && scene->finally_) scene->finally_();
}

bool Engine::may_go(int t) const {
  const Thread& thread = threads_[t];
  if (thread.done) return false;
  const Op& op = pending_[t];
  if (op.kind == OpKind::lock) return locks_[op.place].owner < 0;
  return thread.waits_on < 0;
}

Threads Engine::able() const {
  Threads able = 0;
  for (int t = 0; t < count_; ++t) {
    if (may_go(t)) able |= static_cast<Threads>(1u << t);
  }
  return able;
}

Threads Engine::enabled() {
  const Threads ready = able();
  Threads eager = 0;
  for (int t = 0; t < count_; ++t) {
    if (!(ready >> t & 1)) continue;
    if ((threads_[t].lets_pass & ready) == 0) eager |= static_cast<Threads>(1u << t);
    const uint32_t fresh = search_->fresh_from(t);
    if (fresh == 0 || !pending_[t].may_read()) continue;
    collect_options(pending_[t], t, fresh);
    if (options_.empty()) search_->put_to_sleep(t);
  }
  return eager != 0 ? eager : ready;
}

// Who goes next; negative if nobody does, and then end_ says why.
int Engine::choose() {
  if (static_cast<int>(step_) >= max_steps_) {
    end_ = End::cut;
    return -1;
  }
  const Threads candidates = enabled();
  int next = -1;
  if (candidates == 0) {
    end_ = End::finished;
  } else {
    const bool stays = self_ != kMain && !threads_[self_].done;
    next = search_->thread(candidates, stays ? self_ : -1, memory_.next_id());
    if (next == Search::kPrune) end_ = End::pruned;
  }
  if (next < 0) {
    report_pending_races();
    return -1;
  }
  choices_.push_back({true, static_cast<uint16_t>(next)});
  ++step_;
  for (int t = 0; t < count_; ++t) threads_[t].lets_pass &= static_cast<Threads>(~(1u << next));
  self_ = next;
  return next;
}

// Of operations that this execution does not come to.
void Engine::report_pending_races() {
  if (!search_->reduces()) return;
  for (int t = 0; t < count_; ++t) {
    if (!threads_[t].done) dependencies_.races(t, pending_[t], search_);
  }
}

void Engine::leave() {
  Thread& me = threads_[self_];
  const int before = self_;
  Fiber* to = &main_;
  if (priming_ < 0) {
    const int next = choose();
    if (next == before) return;
    if (next >= 0) to = &threads_[next].fiber;
  }
  to->enter(me.fiber);
}

void Engine::end_with(End end) {
  end_ = end;
  if (self_ == kMain) throw Stop{};
  main_.enter(threads_[self_].fiber);
  std::abort();  // nobody comes back to a thread of an execution that has ended
}

void Engine::fail(const std::string& why) {
  failure_ = why;
  if (tracing_) trace_ += "  " + why + "\n";
  end_with(End::failed);
  std::abort();
}

void Engine::out_of_scope() {
  pending_[self_] = {};
  report_pending_races();
  end_with(End::out_of_scope);
  std::abort();
}

void Engine::note(const std::string& text) {
  if (tracing_) trace_ += "        " + text + "\n";
}

Outcome Engine::perform(const Op& op) {
  if (self_ == kMain) return perform_on_main(op);
  const int t = self_;
  pending_[t] = op;
  leave();
  Outcome outcome = execute_chosen(op);
  if (threads_[t].waits_on >= 0) {
    pending_[t] = {};
    pending_[t].kind = OpKind::resume;
    leave();
    execute_chosen(pending_[t]);
  }
  return outcome;
}

Outcome Engine::execute_chosen(const Op& op) {
  const int t = self_;
  if (search_->reduces()) dependencies_.races(t, op, search_);
  dependencies_.begin(t, op, step_);
  Done done{op, false};
  const Outcome outcome = act(op, &done.wrote);
  dependencies_.end(t, op, step_);
  search_->executed(done, t, pending_.data());
  memory_.tick(t);
  return outcome;
}

size_t Engine::choose_value(size_t count) {
  if (count <= 1) return 0;
  const size_t picked = search_->value(count);
  choices_.push_back({false, static_cast<uint16_t>(picked)});
  return picked;
}

int Engine::new_lock(bool event) {
  if (locks_.size() == Dependencies::kMaxLocks) fail("more locks than the explorer has");
  locks_.push_back({event ? kMain : -1, event, {}});
  return static_cast<int>(locks_.size()) - 1;
}

// ---- plain variables -----------------------------------------------------------------------------

void Engine::plain_read(PlainState* state, const char* name) {
  const Clock& clock = memory_.current(self_).clock;
  if (clock.at[state->writer] < state->written) fail(std::string("data race: read of ") + name);
  state->reads[self_] = clock.at[self_];
}

void Engine::plain_write(PlainState* state, const char* name) {
  const Clock& clock = memory_.current(self_).clock;
  bool ordered = clock.at[state->writer] >= state->written;
  for (int t = 0; t < kClocks; ++t) ordered = ordered && clock.at[t] >= state->reads[t];
  if (!ordered) fail(std::string("data race: write of ") + name);
  state->writer = self_;
  state->written = clock.at[self_];
}

// ---- the interface of family.h and explorer.h ----------------------------------------------------

int new_location(uint64_t value) { return Engine::instance().memory().add_location(value); }
void name_location(int place, const std::string& name) {
  Engine::instance().memory().location(place).name = name;
}
Outcome perform(const Op& op) { return Engine::instance().perform(op); }
int new_lock() { return Engine::instance().new_lock(false); }
int new_event() { return Engine::instance().new_lock(true); }
void plain_read(PlainState* state, const char* name) { Engine::instance().plain_read(state, name); }
void plain_write(PlainState* state, const char* name) {
  Engine::instance().plain_write(state, name);
}
void fail(const std::string& why) { Engine::instance().fail(why); }
void out_of_scope() { Engine::instance().out_of_scope(); }
void note(const std::string& text) { Engine::instance().note(text); }
void name_value(uint64_t value, const std::string& name) {
  if (Engine::instance().tracing()) Engine::instance().name_value(value, name);
}
int self() {
  const int t = Engine::instance().self();
  return t == kMain ? -1 : t;
}

bool futex_wait(const Atomic<uint32_t>& word, uint32_t value) {
  Op op;
  op.kind = OpKind::futex_wait;
  op.place = word.place();
  op.order = Order::relaxed;
  op.expected = value;
  return perform(op).success;
}

void futex_wake(const Atomic<uint32_t>& word, int count) {
  Op op;
  op.kind = OpKind::futex_wake;
  op.place = word.place();
  op.order = Order::relaxed;
  op.operand = static_cast<uint64_t>(count);
  perform(op);
}

// ---- exploring -----------------------------------------------------------------------------------

namespace {

std::unique_ptr<Search> make_search(const Options& options) {
  switch (options.search) {
    case Options::Search::exhaustive: return make_exhaustive(true);
    case Options::Search::unreduced: return make_exhaustive(false);
    case Options::Search::random: return make_random(options.seed, options.executions);
    case Options::Search::pct: return make_pct(options.seed, options.executions, options.depth);
  }
  return nullptr;
}

Result repeat(const Options& options, const Program& program, const std::string& schedule) {
  Result result;
  std::vector<Choice> choices;
  if (!parse_schedule(schedule, &choices)) {
    result.failed = true;
    result.failure = "not a schedule: " + schedule;
    return result;
  }
  Engine& engine = Engine::instance();
  const auto search = make_replay(std::move(choices));
  const Engine::End end = engine.execute(program, options, search.get(), true);
  result.executions = 1;
  result.failed = end == Engine::End::failed;
  result.failure = engine.failure();
  result.schedule = schedule;
  result.trace = engine.trace();
  result.longest = engine.steps();
  return result;
}

}  // namespace

Result explore(const Options& options, const Program& program) {
  if (!options.schedule.empty()) return repeat(options, program, options.schedule);
  Engine& engine = Engine::instance();
  const auto search = make_search(options);
  Result result;
  bool more = true;
  while (more && result.executions < options.executions) {
    const Engine::End end = engine.execute(program, options, search.get(), false);
    result.longest = std::max(result.longest, engine.steps());
    if (end == Engine::End::pruned) {
      ++result.redundant;
    } else {
      ++result.executions;
    }
    if (end == Engine::End::cut) ++result.cut;
    if (end == Engine::End::out_of_scope) ++result.out_of_scope;
    if (end == Engine::End::failed) {
      const std::string schedule = schedule_text(engine.choices());
      const Result again = repeat(options, program, schedule);
      result.failed = true;
      result.failure = engine.failure();
      result.schedule = schedule;
      result.trace = again.trace;
      if (!again.failed) result.failure += " (and did not fail when repeated)";
      return result;
    }
    more = search->next();
  }
  const bool exhaustive = options.search == Options::Search::exhaustive ||
                          options.search == Options::Search::unreduced;
  result.complete = exhaustive && !more && result.cut == 0;
  return result;
}

}  // namespace reprise::model
