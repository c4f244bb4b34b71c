// Contexts: a tree of states that know their parents, and of those that can be cancelled also
// their children.
//
// Invariants:
//   A state's err is set once, under its mutex, before its done channel closes.
//   children of a state that is done is empty.
//   Children are cancelled in order of creation, after the parent's mutex is released, so that the
//   mutexes of parent and child are never held together and no order between them is needed. A
//   child that is born meanwhile finds err set and cancels itself.
//
// Who holds whom: a context holds its parent; a parent knows its children weakly, so one that was
// forgotten without being cancelled costs a dead entry until the parent ends. A callback
// (after_func) is the other way round, as nobody else need hold it. A deadline's timer holds its
// context until it fires or is stopped: whatever hangs below must still be cancelled in time.
#include <reprise/context.h>

#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include <reprise/sync.h>
#include "runtime/sched/proc.h"
#include "runtime/time/timer.h"

namespace reprise {

constinit const ContextError kCanceled("context canceled");
constinit const ContextError kDeadlineExceeded("context deadline exceeded", true);

namespace detail {

enum class ContextKind { background, todo, cancel, value, detached, callback };

using StateRef = std::shared_ptr<ContextState>;

struct Child {
  std::weak_ptr<ContextState> state;
  std::shared_ptr<ContextState> held;  // callbacks only
};
using Children = std::map<uint64_t, Child>;

struct ContextState {
  ContextState(ContextKind k, StateRef p) : kind(k), parent(std::move(p)) {}

  const ContextKind kind;
  const StateRef parent;

  // value
  const void* key = nullptr;
  std::shared_ptr<const void> value;

  // cancel, callback
  Chan<Unit> done{nullptr};
  std::optional<TimePoint> deadline;
  std::optional<Timer> timer;        // mutex
  Mutex mutex;
  const ContextError* err = nullptr;    // mutex
  const ContextError* cause = nullptr;  // mutex
  uint64_t next_child = 0;              // mutex
  Children children;                    // mutex; in order of creation
  uint64_t index_in_parent = 0;      // constant once linked
  std::weak_ptr<ContextState> linked_to;  // constant once linked
  std::function<void()> fn;             // callback; mutex
};

namespace {

bool cancelable(const ContextState& s) {
  return s.kind == ContextKind::cancel || s.kind == ContextKind::callback;
}

void require_parent(const Context& parent) {
  if (parent.state() == nullptr) rt::gopanic("cannot create context from nil parent");
}

// The nearest state, from s up, that can be cancelled; null if none.
StateRef canceler_of(StateRef s) {
  while (s != nullptr && !cancelable(*s)) {
    s = s->kind == ContextKind::detached ? nullptr : s->parent;
  }
  return s;
}

// Leaves the parent's list. The entry dies after the parent's mutex is released.
void forget(const StateRef& s) {
  const StateRef up = s->linked_to.lock();
  if (up == nullptr) return;
  Children::node_type entry;
  const std::lock_guard guard(up->mutex);
  entry = up->children.extract(s->index_in_parent);
}

void start_callback(std::function<void()> fn) {
  auto* boxed = new std::function<void()>(std::move(fn));
  rt::newproc(
      [](void* f) {
        const std::unique_ptr<std::function<void()>> owned(static_cast<std::function<void()>*>(f));
        (*owned)();
      },
      boxed, [](void* f) { delete static_cast<std::function<void()>*>(f); });
}

// What has to happen to a state whose err was just set, outside its mutex.
struct Aftermath {
  Children children;
  std::optional<Timer> timer;
  std::function<void()> fn;
};

// False if the state was done already.
bool mark_done(ContextState& s, const ContextError* err, const ContextError* cause,
               Aftermath* aftermath) {
  const std::lock_guard guard(s.mutex);
  if (s.err != nullptr) return false;
  s.err = err;
  s.cause = cause != nullptr ? cause : err;
  aftermath->children.swap(s.children);
  aftermath->timer.swap(s.timer);
  aftermath->fn.swap(s.fn);
  if (s.done) s.done.close();
  return true;
}

// Cancels s and everything below it, parents before children, siblings in order of creation. A
// list instead of a recursion: trees may be deep and stacks are small.
bool cancel_tree(const StateRef& root, const ContextError* err, const ContextError* cause) {
  std::vector<StateRef> open{root};
  bool first = true;
  while (!open.empty()) {
    const StateRef s = std::move(open.back());
    open.pop_back();
    Aftermath aftermath;
    if (!mark_done(*s, err, cause, &aftermath)) {
      if (first) return false;
      continue;
    }
    first = false;
    if (aftermath.timer) aftermath.timer->stop();
    if (aftermath.fn) start_callback(std::move(aftermath.fn));
    for (auto it = aftermath.children.rbegin(); it != aftermath.children.rend(); ++it) {
      if (StateRef child = it->second.state.lock()) open.push_back(std::move(child));
    }
  }
  forget(root);
  return true;
}

// Makes s a child of `above`, or of the nearest state above that which can be cancelled.
void propagate_cancel(const StateRef& s, const StateRef& above) {
  const StateRef up = canceler_of(above);
  if (up == nullptr) return;
  const ContextError* err;
  const ContextError* cause;
  {
    const std::lock_guard guard(up->mutex);
    err = up->err;
    cause = up->cause;
    if (err == nullptr) {
      s->index_in_parent = up->next_child++;
      s->linked_to = up;
      const bool hold = s->kind == ContextKind::callback;
      up->children.emplace(s->index_in_parent, Child{s, hold ? s : nullptr});
    }
  }
  if (err != nullptr) cancel_tree(s, err, cause);
}

StateRef new_cancelable(const Context& parent) {
  require_parent(parent);
  auto s = std::make_shared<ContextState>(ContextKind::cancel, parent.state());
  s->done = Chan<Unit>();
  return s;
}

std::string step_text(const ContextState& s) {
  switch (s.kind) {
    case ContextKind::background: return "context.Background";
    case ContextKind::todo: return "context.TODO";
    case ContextKind::value: return ".WithValue";
    case ContextKind::detached: return ".WithoutCancel";
    case ContextKind::cancel: break;
    case ContextKind::callback: return ".AfterFunc";
  }
  if (!s.deadline) return ".WithCancel";
  char text[64];
  const double left = std::chrono::duration<double>(*s.deadline - now()).count();
  std::snprintf(text, sizeof text, ".WithDeadline(%gs left)", left);
  return text;
}

void arm(const StateRef& s, Duration left, const ContextError* cause) {
  const std::lock_guard guard(s->mutex);
  if (s->err != nullptr) return;
  s->timer = after_func(left, [s, cause] { cancel_tree(s, &kDeadlineExceeded, cause); });
}

}  // namespace

Context with_value_erased(const Context& parent, const void* key,
                          std::shared_ptr<const void> value) {
  require_parent(parent);
  auto s = std::make_shared<ContextState>(ContextKind::value, parent.state());
  s->key = key;
  s->value = std::move(value);
  return Context(std::move(s));
}

std::function<bool()> context_after_func(const Context& ctx, std::function<void()> fn) {
  auto s = std::make_shared<ContextState>(ContextKind::callback, nullptr);
  s->fn = std::move(fn);
  propagate_cancel(s, ctx.state());
  return [s] {
    {
      const std::lock_guard guard(s->mutex);
      if (s->err != nullptr) return false;
      s->err = s->cause = &kCanceled;
      s->fn = nullptr;
    }
    forget(s);
    return true;
  };
}

size_t context_children_for_test(const Context& ctx) {
  const StateRef s = canceler_of(ctx.state());
  if (s == nullptr) return 0;
  const std::lock_guard guard(s->mutex);
  return s->children.size();
}

}  // namespace detail

Chan<Unit> Context::done() const {
  const auto s = detail::canceler_of(state_);
  return s == nullptr ? Chan<Unit>(nullptr) : s->done;
}

const ContextError* Context::err() const {
  const auto s = detail::canceler_of(state_);
  if (s == nullptr) return nullptr;
  const std::lock_guard guard(s->mutex);
  return s->err;
}

const ContextError* Context::cause() const {
  const auto s = detail::canceler_of(state_);
  if (s == nullptr) return nullptr;
  const std::lock_guard guard(s->mutex);
  return s->cause;
}

std::optional<TimePoint> Context::deadline() const {
  for (auto s = detail::canceler_of(state_); s != nullptr; s = detail::canceler_of(s->parent)) {
    if (s->deadline) return s->deadline;
  }
  return std::nullopt;
}

std::string Context::to_string() const {
  std::vector<const detail::ContextState*> chain;
  for (auto* s = state_.get(); s != nullptr; s = s->parent.get()) chain.push_back(s);
  std::string text;
  for (auto s = chain.rbegin(); s != chain.rend(); ++s) text += detail::step_text(**s);
  return text;
}

const void* Context::find_value(const void* key) const {
  for (const detail::ContextState* s = state_.get(); s != nullptr; s = s->parent.get()) {
    if (s->key == key) return s->value.get();
  }
  return nullptr;
}

void CancelFunc::operator()(const ContextError* cause) const {
  detail::cancel_tree(state_, &kCanceled, cause);
}

Context background() {
  return Context(
      std::make_shared<detail::ContextState>(detail::ContextKind::background, nullptr));
}

Context todo() {
  return Context(std::make_shared<detail::ContextState>(detail::ContextKind::todo, nullptr));
}

Cancelable with_cancel(const Context& parent) {
  const auto s = detail::new_cancelable(parent);
  detail::propagate_cancel(s, parent.state());
  return {Context(s), CancelFunc(s)};
}

Cancelable with_deadline(const Context& parent, TimePoint deadline, const ContextError* cause) {
  detail::require_parent(parent);
  const std::optional<TimePoint> above = parent.deadline();
  if (above && *above <= deadline) return with_cancel(parent);
  const auto s = detail::new_cancelable(parent);
  s->deadline = deadline;
  detail::propagate_cancel(s, parent.state());
  const Duration left = deadline - now();
  if (left.count() <= 0) {
    detail::cancel_tree(s, &kDeadlineExceeded, cause);
  } else {
    detail::arm(s, left, cause);
  }
  return {Context(s), CancelFunc(s)};
}

Cancelable with_timeout(const Context& parent, Duration timeout, const ContextError* cause) {
  return with_deadline(parent, TimePoint(Duration(rt::when_after(timeout.count()))), cause);
}

Context without_cancel(const Context& parent) {
  detail::require_parent(parent);
  return Context(
      std::make_shared<detail::ContextState>(detail::ContextKind::detached, parent.state()));
}

}  // namespace reprise
