// Who wants which signal, and the delivery (Go's os/signal over the reference's sigsend and signal_recv).
//
// Invariants, under table.lock:
//   - wanted[n] of the queue is the number of handlers with bit n being above 0, and so is whether the
//     runtime's handler is the kernel's action for n.
//   - A handler is in the list while its mask is not empty, and holds a reference to its channel.
//   - Natively, while anything is wanted, the goroutine of signal_loop() exists.
// Delivery happens under the lock too, so that stop() can promise that nothing comes after it. Channels
// are locked under it and goroutines readied, hence its rank.
//
// Natively signal_loop() delivers: its M sleeps in signal_recv_wait(), as the reference's, so a program
// that wants signals is never called dead. With a policy the scheduler delivers (controlled.cc), and each
// delivery is a decision of kind `signal`: which of the pending signals, or "later" while goroutines are
// ready; then to which of the channels that want it next. A policy may put all off kMostDeferrals times
// in a row, so that one that always does starves nobody. The clock is not read for any of it.
//
// Rejected: a thread that takes signals by sigwaitinfo. They would have to be blocked in every thread of
// the program, also in those that libraries make, and the programs that it starts would inherit that.
#include <algorithm>
#include <array>
#include <bit>
#include <span>
#include <string>
#include <utility>

#include <reprise/go.h>
#include <reprise/select.h>
#include <reprise/signal.h>

#include "runtime/chan/chan.h"
#include "runtime/poll/netpoll.h"
#include "runtime/sched/lock.h"
#include "runtime/sched/proc.h"
#include "runtime/sched/sched.h"
#include "runtime/signal/sigqueue.h"
#include "runtime/signal/sigtab.h"

namespace reprise::rt {

namespace {

constexpr int kSignals = 65;
constexpr size_t kMaxChoices = 64;     // channels offered at a time
constexpr uint32_t kMostDeferrals = 64;

struct Handler {
  hchan* c;
  uint64_t mask = 0;
  Handler* next = nullptr;
};

struct Table {
  Lock lock{LockRank::signal_handlers};
  Handler* first = nullptr;          // lock: in order of their first notify()
  uint32_t refs[kSignals] = {};      // lock
  uint64_t undelivered = 0;          // lock to write: with a policy, taken from the queue and put off
  uint32_t deferrals = 0;            // lock
  bool loop = false;                 // lock: signal_loop() runs
};
constinit Table table;

template <class F>
void for_each_signal(uint64_t bits, F f) {
  for (; bits != 0; bits &= bits - 1) f(std::countr_zero(bits) + 1);
}

void send(const Handler& h, int signal) {
  signal::Signal element(signal);
  chan_trysend_system(h.c, &element);
}

// ---- decisions ----

// With a policy. REQUIRES: at least one. Returns an index, `count` for "later".
size_t choose(const std::array<seam::Candidate, kMaxChoices + 1>& candidates, size_t count, bool may_wait) {
  if (count + may_wait == 1) return 0;
  return seam_choose(seam::DecisionKind::signal, std::span(candidates).first(count + may_wait));
}

// The next of `bits` to deliver, 0 for "later".
int choose_signal(uint64_t bits, bool may_wait) {
  std::array<seam::Candidate, kMaxChoices + 1> candidates;
  std::array<int, kMaxChoices> signals;
  size_t count = 0;
  for_each_signal(bits, [&](int signal) {
    candidates[count].goid = static_cast<uint64_t>(signal);
    candidates[count].op = seam::OpKind::signal;
    signals[count++] = signal;
  });
  candidates[count].op = seam::OpKind::stop;
  const size_t index = choose(candidates, count, may_wait);
  return index == count ? 0 : signals[index];
}

// To whom first, second, … Beyond kMaxChoices in order.
void deliver_by_decision(int signal) {
  std::array<seam::Candidate, kMaxChoices + 1> candidates;
  std::array<seam::Access, kMaxChoices> accesses;
  std::array<Handler*, kMaxChoices> handlers;
  size_t count = 0;
  for (Handler* h = table.first; h != nullptr; h = h->next) {
    if ((h->mask & signal_bit(signal)) == 0) continue;
    if (count == kMaxChoices) {
      send(*h, signal);
      continue;
    }
    accesses[count] = {h->c->object, true};
    candidates[count].goid = count;
    candidates[count].op = seam::OpKind::chan_send;
    candidates[count].accesses = {&accesses[count], 1};
    handlers[count++] = h;
  }
  while (count > 0) {
    const size_t index = choose(candidates, count, false);
    send(*handlers[index], signal);
    --count;
    std::copy(handlers.begin() + index + 1, handlers.begin() + count + 1, handlers.begin() + index);
    std::copy(candidates.begin() + index + 1, candidates.begin() + count + 1, candidates.begin() + index);
  }
}

// ---- delivery ----

// The reference's process(). REQUIRES: table.lock.
void process(int signal) {
  if (seam_active) return deliver_by_decision(signal);
  for (Handler* h = table.first; h != nullptr; h = h->next) {
    if ((h->mask & signal_bit(signal)) != 0) send(*h, signal);
  }
}

// Everything that came so far. REQUIRES: table.lock.
void deliver_all() {
  uint64_t bits = table.undelivered | sigqueue_take();
  table.undelivered = 0;
  while (bits != 0) {
    const int signal = seam_active ? choose_signal(bits, false) : std::countr_zero(bits) + 1;
    bits &= ~signal_bit(signal);
    process(signal);
  }
}

// The reference's loop() and signal_recv().
void signal_loop(void*) {
  for (;;) {
    unblock_inherited(sigqueue_wanted());
    signal_recv_wait();
    table.lock.lock();
    deliver_all();
    const bool over = sigqueue_wanted() == 0;
    if (over) table.loop = false;
    table.lock.unlock();
    if (over) return;
  }
}

// ---- the table ----

Handler** find(hchan* c) {
  Handler** link = &table.first;
  while (*link != nullptr && (*link)->c != c) link = &(*link)->next;
  return link;
}

// REQUIRES: table.lock. True: somebody must start signal_loop().
bool want(Handler* h, uint64_t bits) {
  bits &= ~h->mask;
  h->mask |= bits;
  uint64_t fresh = 0;
  for_each_signal(bits, [&](int signal) {
    if (table.refs[signal]++ == 0) fresh |= signal_bit(signal);
  });
  sigqueue_want(fresh);  // before a handler of ours may run
  for_each_signal(fresh, sigenable);
  if (h->mask == 0 || seam_active || table.loop) return false;
  table.loop = true;
  return true;
}

// Nobody wants these any more. REQUIRES: table.lock, and that the handlers are still in the list, so that
// they get what came before.
void unwant(uint64_t bits, void (*action)(int)) {
  for_each_signal(bits, action);
  sigqueue_unwant(bits & sigqueue_wanted());
  deliver_all();
  if (table.loop && sigqueue_wanted() == 0) signal_recv_kick();
}

// Takes handlers without signals off the list, for release() without the lock. REQUIRES: table.lock.
Handler* take_empty() {
  Handler* dropped = nullptr;
  for (Handler** link = &table.first; *link != nullptr;) {
    Handler* h = *link;
    if (h->mask != 0) {
      link = &h->next;
      continue;
    }
    *link = h->next;
    h->next = dropped;
    dropped = h;
  }
  return dropped;
}

void release(Handler* h) {
  while (h != nullptr) {
    Handler* const next = h->next;
    chan_release(h->c);
    delete h;
    h = next;
  }
}

uint64_t bits_of(std::span<const signal::Signal> signals) {
  if (signals.empty()) return kNotifiable;
  uint64_t bits = 0;
  for (const signal::Signal s : signals) {
    if (s.number >= 1 && s.number < kSignals) bits |= signal_bit(s.number);
  }
  return bits & kNotifiable;
}

// Channels lose these signals; then the kernel's action for them becomes action()'s.
void cancel(uint64_t bits, void (*action)(int)) {
  seam_point(seam::OpKind::io_other, {});
  table.lock.lock();
  unwant(bits, action);
  for_each_signal(bits, [](int signal) { table.refs[signal] = 0; });
  for (Handler* h = table.first; h != nullptr; h = h->next) h->mask &= ~bits;
  Handler* dropped = take_empty();
  table.lock.unlock();
  release(dropped);
}

}  // namespace

bool signals_pending() { return table.undelivered != 0 || sigqueue_any(); }

bool signals_deliver(bool may_wait) {
  table.lock.lock();
  table.undelivered |= sigqueue_take();
  bool any = false;
  while (table.undelivered != 0) {
    const int signal = choose_signal(table.undelivered, may_wait && table.deferrals < kMostDeferrals);
    if (signal == 0) break;
    table.undelivered &= ~signal_bit(signal);
    process(signal);
    any = true;
  }
  table.deferrals = table.undelivered != 0 ? table.deferrals + 1 : 0;
  table.lock.unlock();
  return any;
}

bool signal_loop_runs_for_test() {
  table.lock.lock();
  const bool runs = table.loop;
  table.lock.unlock();
  return runs;
}

void signals_after_fork() { table.loop = false; }

}  // namespace reprise::rt

namespace reprise::signal {

using namespace reprise::rt;

std::string Signal::name() const {
  const char* known = signame(number);
  return known != nullptr ? known : "signal " + std::to_string(number);
}

void detail::notify(const Chan<Signal>& channel, std::span<const Signal> signals) {
  if (!channel) gopanic("os/signal: Notify using nil channel");
  require_booted("signal::notify");
  seam_point(seam::OpKind::io_other, {});
  if (seam_active) netpollinit();  // or the first signal could not break the wait for it
  auto* fresh = new Handler{channel.core()};
  table.lock.lock();
  Handler** link = find(channel.core());
  if (*link == nullptr) {
    chan_retain(fresh->c);
    *link = std::exchange(fresh, nullptr);
  }
  const bool start = want(*link, bits_of(signals));
  Handler* dropped = take_empty();  // nothing that can be had was asked for
  table.lock.unlock();
  release(dropped);
  delete fresh;
  if (start) newproc(signal_loop, nullptr, nullptr, {.system = true});
}

void stop(const Chan<Signal>& channel) {
  seam_point(seam::OpKind::io_other, {});
  table.lock.lock();
  Handler** link = find(channel.core());
  Handler* h = *link;
  if (h != nullptr) {
    uint64_t last = 0;
    for_each_signal(h->mask, [&](int signal) {
      if (--table.refs[signal] == 0) last |= signal_bit(signal);
    });
    unwant(last, sigdisable);
    h->mask = 0;
  }
  Handler* dropped = take_empty();
  table.lock.unlock();
  release(dropped);
}

void detail::ignore(std::span<const Signal> signals) { cancel(bits_of(signals), sigignore); }
void detail::reset(std::span<const Signal> signals) { cancel(bits_of(signals), sigdisable); }

bool ignored(Signal signal) { return sigignored(signal.number); }

NotifyContext detail::notify_context(const Context& parent, std::span<const Signal> signals) {
  auto [ctx, cancel_context] = with_cancel(parent);
  const Chan<Signal> came(1);
  detail::notify(came, signals);
  if (ctx.err() == nullptr) {
    go([ctx = ctx, cancel_context = cancel_context, came] {
      select(on_recv(came, [&] { cancel_context(); }), on_recv(ctx.done(), [] {}));
    });
  }
  return {ctx, [cancel_context = cancel_context, came] {
            cancel_context();
            signal::stop(came);
          }};
}

}  // namespace reprise::signal
