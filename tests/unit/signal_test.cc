// Signals on channels: natively, at several Ps, and under policies, for which delivery is a decision.
#include <reprise/signal.h>

#include <gtest/gtest.h>
#include <reprise/reprise.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <thread>
#include <vector>

#include "runtime/sched/seam.h"
#include "runtime/signal/sigqueue.h"
#include "tests/support/procs.h"
#include "tests/support/schedules.h"

namespace reprise {
namespace {

using signal::Signal;

// A policy may only come where nothing but the test runs.
void under_schedules(int seeds, const std::function<void()>& body) {
  test::under_schedules(seeds, [&] {
    body();
    while (rt::signal_loop_runs_for_test()) yield();
  });
}

bool handled_by_default(int number) {
  struct sigaction now;
  return sigaction(number, nullptr, &now) == 0 && now.sa_handler == SIG_DFL;
}

TEST(Signal, raised_signal_arrives_on_the_channel) {
  under_schedules(20, [] {
    const Chan<Signal> c(1);
    signal::notify(c, SIGUSR1);
    raise(SIGUSR1);
    EXPECT_EQ(c.recv(), Signal(SIGUSR1));
    signal::stop(c);
    EXPECT_TRUE(handled_by_default(SIGUSR1));
  });
}

TEST(Signal, signal_wakes_a_program_that_only_waits_for_it) {
  under_schedules(20, [] {
    const Chan<Signal> c(1);
    signal::notify(c, SIGUSR1);
    std::thread sender([] { kill(getpid(), SIGUSR1); });
    EXPECT_EQ(c.recv(), Signal(SIGUSR1));
    sender.join();
    signal::stop(c);
  });
}

TEST(Signal, every_channel_that_asked_gets_it_and_no_other) {
  under_schedules(20, [] {
    const Chan<Signal> a(2), b(2), other(2);
    signal::notify(a, SIGUSR1, SIGUSR2);
    signal::notify(b, SIGUSR1);
    signal::notify(other, SIGHUP);
    raise(SIGUSR1);
    EXPECT_EQ(a.recv(), Signal(SIGUSR1));
    EXPECT_EQ(b.recv(), Signal(SIGUSR1));
    raise(SIGUSR2);
    EXPECT_EQ(a.recv(), Signal(SIGUSR2));
    for (const auto& c : {a, b, other}) signal::stop(c);
    EXPECT_EQ(a.len() + b.len() + other.len(), 0);
  });
}

TEST(Signal, full_channel_misses_signals_and_delays_nobody) {
  under_schedules(20, [] {
    const Chan<Signal> full(1), roomy(10);
    signal::notify(full, SIGUSR1);
    signal::notify(roomy, SIGUSR1);
    for (int i = 0; i < 5; ++i) {
      raise(SIGUSR1);
      EXPECT_EQ(roomy.recv(), Signal(SIGUSR1));
    }
    signal::stop(full);
    signal::stop(roomy);
    EXPECT_EQ(full.len(), 1);
  });
}

TEST(Signal, what_came_before_stop_is_in_the_channel_when_it_returns_and_nothing_later) {
  under_schedules(20, [] {
    const Chan<Signal> keeps(100);
    signal::notify(keeps, SIGUSR1);
    for (int i = 0; i < 20; ++i) {
      const Chan<Signal> c(100);
      signal::notify(c, SIGUSR1);
      raise(SIGUSR1);
      signal::stop(c);
      EXPECT_EQ(c.len(), 1);
      raise(SIGUSR1);
      keeps.recv();
      keeps.recv();  // so both have been delivered
      EXPECT_EQ(c.len(), 1);
    }
    signal::stop(keeps);
  });
}

TEST(Signal, asking_twice_counts_once_and_more_signals_join) {
  under_schedules(10, [] {
    const Chan<Signal> c(4);
    signal::notify(c, SIGUSR1);
    signal::notify(c, SIGUSR1, SIGUSR2);
    raise(SIGUSR1);
    EXPECT_EQ(c.recv(), Signal(SIGUSR1));
    raise(SIGUSR2);
    EXPECT_EQ(c.recv(), Signal(SIGUSR2));
    signal::stop(c);
    EXPECT_TRUE(handled_by_default(SIGUSR1) && handled_by_default(SIGUSR2));
    EXPECT_EQ(c.len(), 0);
  });
}

TEST(Signal, ignored_signals_reach_nobody_until_reset) {
  under_schedules(10, [] {
    const Chan<Signal> c(4);
    signal::notify(c, SIGUSR1, SIGUSR2);
    signal::ignore(SIGUSR1);
    EXPECT_TRUE(signal::ignored(SIGUSR1));
    EXPECT_FALSE(signal::ignored(SIGUSR2));
    raise(SIGUSR1);
    raise(SIGUSR2);
    EXPECT_EQ(c.recv(), Signal(SIGUSR2));
    signal::reset(SIGUSR1, SIGUSR2);
    EXPECT_FALSE(signal::ignored(SIGUSR1));
    EXPECT_TRUE(handled_by_default(SIGUSR1) && handled_by_default(SIGUSR2));
    EXPECT_FALSE(rt::signals_wanted());
    EXPECT_EQ(c.len(), 0);
  });
}

TEST(Signal, action_of_before_comes_back) {
  ::signal(SIGUSR1, SIG_IGN);
  const Chan<Signal> c(1);
  signal::notify(c, SIGUSR1);
  EXPECT_FALSE(signal::ignored(SIGUSR1));
  signal::stop(c);
  EXPECT_TRUE(signal::ignored(SIGUSR1));
  ::signal(SIGUSR1, SIG_DFL);
}

TEST(Signal, what_cannot_be_had_changes_nothing) {
  const Chan<Signal> c(1);
  signal::notify(c, SIGKILL, SIGSTOP, SIGSEGV, 0, 65, -1);
  EXPECT_FALSE(rt::signals_wanted());
  signal::stop(c);
}

TEST(Signal, asking_for_none_by_name_asks_for_all) {
  const Chan<Signal> c(64);
  signal::notify(c);
  for (const int number : {SIGHUP, SIGTERM, SIGQUIT, SIGCHLD, SIGPIPE, SIGRTMIN, SIGRTMAX}) {
    raise(number);
    std::optional<Signal> got = c.recv();
    while (got == Signal(SIGURG)) got = c.recv();  // the runtime preempts by it, and cannot tell them apart
    EXPECT_EQ(got, Signal(number));
  }
  signal::stop(c);
  EXPECT_TRUE(handled_by_default(SIGTERM) && handled_by_default(SIGRTMIN));
}

TEST(Signal, context_ends_with_the_signal) {
  under_schedules(10, [] {
    auto [ctx, stop] = signal::notify_context(background(), SIGUSR1);
    EXPECT_EQ(ctx.err(), nullptr);
    raise(SIGUSR1);
    ctx.done().recv();
    EXPECT_EQ(ctx.err(), &kCanceled);
    stop();
    EXPECT_TRUE(handled_by_default(SIGUSR1));
  });
}

TEST(Signal, context_ends_with_stop_and_with_its_parent) {
  under_schedules(10, [] {
    auto [parent, cancel] = with_cancel(background());
    auto first = signal::notify_context(parent, SIGUSR1);
    auto second = signal::notify_context(parent, SIGUSR1);
    first.stop();
    first.ctx.done().recv();
    EXPECT_EQ(second.ctx.err(), nullptr);
    cancel();
    second.ctx.done().recv();
    second.stop();
    EXPECT_FALSE(rt::signals_wanted());
  });
}

TEST(Signal, names_are_gos) {
  EXPECT_EQ(Signal(SIGINT).name(), "interrupt");
  EXPECT_EQ(Signal(SIGTERM).name(), "terminated");
  EXPECT_EQ(Signal(40).name(), "signal 40");
}

// A program that installs its own handler on a thread of its own while channels come and go.
TEST(NativeSignal, none_is_lost_among_many_Ps_threads_and_channels) {
  const test::Procs procs(4);
  constexpr int kRounds = 300, kSenders = 4;
  const Chan<Signal> all(kRounds * kSenders);
  signal::notify(all, SIGUSR1);
  std::atomic<bool> over{false};
  WaitGroup workers;
  for (int i = 0; i < 3; ++i) {
    workers.add(1);
    go([&] {
      while (!over) {
        const Chan<Signal> c(1);
        signal::notify(c, SIGUSR1, SIGUSR2);
        yield();
        signal::stop(c);
      }
      workers.done();
    });
  }
  // The next is sent when the last has come: coalescing hides none.
  for (int i = 0; i < kRounds; ++i) {
    std::thread([] { kill(getpid(), SIGUSR1); }).join();
    EXPECT_EQ(all.recv(), Signal(SIGUSR1));
  }
  over = true;
  workers.wait();
  signal::stop(all);
  EXPECT_EQ(all.len(), 0);
}


// ---- decisions ----

class Counting : public seam::Policy {
 public:
  size_t answer_kind = 0;  // of `signal` decisions: 0 the first, 1 the last
  size_t asked = 0, with_later = 0;
  std::vector<uint64_t> offered;

  bool begin_run(const seam::RunInfo&) override { return true; }
  size_t choose(const seam::Decision& d) override {
    if (d.kind != seam::DecisionKind::signal) return kDefault;
    ++asked;
    const bool later = d.candidates.back().op == seam::OpKind::stop;
    with_later += later;
    if (d.candidates[0].op == seam::OpKind::signal) offered.push_back(d.candidates.size());
    return answer_kind == 0 ? 0 : d.candidates.size() - 1;
  }
  uint64_t draw(const seam::Decision&) override { return 1; }
  void executed(const seam::Event&) override {}
  void end_run(const seam::Outcome&) override {}
};

struct WithPolicy {
  explicit WithPolicy(seam::Policy* policy) {
    while (rt::signal_loop_runs_for_test()) yield();
    rt::seam_set_policy_for_test(policy);
  }
  ~WithPolicy() { rt::seam_set_policy_for_test(nullptr); }
};

TEST(SignalDecision, the_policy_chooses_which_comes_first) {
  Counting policy;
  policy.answer_kind = 1;
  const WithPolicy installed(&policy);
  const Chan<Signal> c(4);
  signal::notify(c, SIGUSR1, SIGUSR2);
  raise(SIGUSR1);
  raise(SIGUSR2);
  EXPECT_EQ(c.recv(), Signal(SIGUSR2));  // nothing else is ready: there is no "later"
  EXPECT_EQ(c.recv(), Signal(SIGUSR1));
  EXPECT_EQ(policy.asked, 1u);
  signal::stop(c);
}

TEST(SignalDecision, the_policy_chooses_to_whom_first) {
  Counting policy;
  policy.answer_kind = 1;
  const WithPolicy installed(&policy);
  const Chan<Signal> a, b;
  signal::notify(a, SIGUSR1);
  signal::notify(b, SIGUSR1);
  std::string order;
  WaitGroup both;
  both.add(2);
  go([&] { a.recv(), order += 'a', both.done(); });
  go([&] { b.recv(), order += 'b', both.done(); });
  yield();
  raise(SIGUSR1);
  both.wait();
  EXPECT_EQ(order, "ba");
  signal::stop(a);
  signal::stop(b);
}

TEST(SignalDecision, a_policy_that_always_says_later_does_not_starve_it) {
  Counting policy;
  policy.answer_kind = 1;
  const WithPolicy installed(&policy);
  const Chan<Signal> c(1);
  signal::notify(c, SIGUSR1);
  bool over = false;
  go([&] {
    while (!over) yield();
  });
  raise(SIGUSR1);
  int rounds = 0;
  while (c.len() == 0 && rounds < 10000) yield(), ++rounds;
  over = true;
  EXPECT_EQ(c.len(), 1);
  EXPECT_GT(policy.with_later, 10u);
  signal::stop(c);
  yield();
}

}  // namespace
}  // namespace reprise
