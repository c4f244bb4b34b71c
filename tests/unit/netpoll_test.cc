// netpoll: the order of reports is the policy's, what it holds back is not lost, and descriptors
// that are reused do not hear of their predecessors.
#include "runtime/poll/netpoll.h"

#include <gtest/gtest.h>
#include <reprise/reprise.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <vector>

#include "runtime/sched/proc.h"
#include "runtime/sched/seam.h"
#include "runtime/seam/default_choice.h"
#include "tests/support/schedules.h"

namespace reprise::rt {
namespace {

// First in, first out, never preempts; answers polls as `answer` says and notes who was woken.
class PollPolicy : public seam::Policy {
 public:
  enum class Answer { first, last_reader, stop_at_once };
  explicit PollPolicy(Answer answer) : answer_(answer) {}

  bool begin_run(const seam::RunInfo&) override { return true; }
  size_t choose(const seam::Decision& decision) override {
    if (decision.kind != seam::DecisionKind::poll) return seam::default_choice(decision);
    ++polls;
    const auto& candidates = decision.candidates;
    const bool can_stop = candidates.back().op == seam::OpKind::stop;
    for (size_t i = 1; i < candidates.size() - can_stop; ++i) {
      in_order &= candidates[i - 1].goid < candidates[i].goid;
    }
    if (answer_ == Answer::first) return 0;
    if (answer_ == Answer::last_reader) return candidates.size() - (can_stop ? 2 : 1);
    return can_stop ? candidates.size() - 1 : 0;
  }
  uint64_t draw(const seam::Decision&) override { return kUnbounded; }
  void executed(const seam::Event& event) override {
    if (event.kind == seam::Event::Kind::wake) woken.push_back(event.other);
  }
  bool wants_events() const override { return true; }
  void end_run(const seam::Outcome&) override {}

  std::vector<seam::GoId> woken;
  int polls = 0;
  bool in_order = true;

 private:
  Answer answer_;
};

constexpr int kPipes = 5;

// Five readers park on a pipe each, all pipes become readable at once; returns the order in which
// the readers were woken. Everybody reads what was sent to them.
std::string order_of_wakes(PollPolicy& policy) {
  seam_set_policy_for_test(&policy);
  std::vector<os::Pipe> pipes;
  std::vector<seam::GoId> names(kPipes);
  std::atomic<int> right = 0;
  for (int i = 0; i < kPipes; ++i) pipes.push_back(*os::pipe());
  for (int i = 0; i < kPipes; ++i) {
    go([&, i] {
      names[i] = getg()->name;
      char byte = 0;
      right += pipes[i].reader.read_full(&byte, 1).ok() && byte == 'a' + i;
    });
  }
  sleep_for(std::chrono::milliseconds(1));  // all of them park meanwhile
  policy.woken.clear();
  for (int i = 0; i < kPipes; ++i) {
    const char byte = static_cast<char>('a' + i);
    EXPECT_TRUE(pipes[i].writer.write_all(&byte, 1).ok());
  }
  while (num_goroutine() > 1) sleep_for(std::chrono::milliseconds(1));  // the poller's turn
  seam_set_policy_for_test(nullptr);
  EXPECT_EQ(right.load(), kPipes);
  std::string order;
  for (const seam::GoId& name : policy.woken) {
    for (int i = 0; i < kPipes; ++i) {
      if (name == names[i]) order += static_cast<char>('a' + i);
    }
  }
  return order;
}

TEST(Netpoll, policy_that_takes_the_first_wakes_in_order_of_id) {
  PollPolicy policy(PollPolicy::Answer::first);
  EXPECT_EQ(order_of_wakes(policy), "abcde");
  EXPECT_TRUE(policy.in_order);
  EXPECT_EQ(policy.polls, kPipes);
}

TEST(Netpoll, policy_that_takes_the_last_wakes_in_reverse) {
  PollPolicy policy(PollPolicy::Answer::last_reader);
  EXPECT_EQ(order_of_wakes(policy), "edcba");
  EXPECT_TRUE(policy.in_order);
}

TEST(Netpoll, what_a_policy_holds_back_comes_in_later_rounds) {
  PollPolicy policy(PollPolicy::Answer::stop_at_once);
  EXPECT_EQ(order_of_wakes(policy), "abcde");
  EXPECT_GE(policy.polls, kPipes);  // one and a stop each time, but for the last
}

TEST(Netpoll, echo_works_under_many_schedules) {
  test::under_schedules(30, [] {
    net::Listener listener = *net::listen("tcp", "127.0.0.1:0");
    std::atomic<int> answered = 0;
    go([&] {
      for (int i = 0; i < 4; ++i) {
        go([conn = *listener.accept()]() mutable {
          char buffer[8];
          while (conn.read_full(buffer, 2).ok()) ASSERT_TRUE(conn.write_all(buffer, 2).ok());
        });
      }
    });
    WaitGroup clients(4);
    for (int i = 0; i < 4; ++i) {
      go([&] {
        net::Conn conn = *net::dial("tcp", listener.address().text);
        for (int round = 0; round < 3; ++round) {
          char buffer[2];
          ASSERT_TRUE(conn.write_all("ab").ok());
          ASSERT_TRUE(conn.read_full(buffer, 2).ok());
          ++answered;
        }
        clients.done();
      });
    }
    clients.wait();
    EXPECT_EQ(answered.load(), 12);
  });
}

TEST(Netpoll, goroutine_locked_to_a_thread_waits_like_any_other) {
  test::under_schedules(10, [] {
    os::Pipe there = *os::pipe(), back = *os::pipe();
    WaitGroup done(1);
    go([&] {
      lock_os_thread();
      char byte = 0;
      ASSERT_TRUE(there.reader.read_full(&byte, 1).ok());  // the poller
      ASSERT_TRUE(os::stat("/").ok());                      // a worker
      ++byte;
      ASSERT_TRUE(back.writer.write_all(&byte, 1).ok());
      unlock_os_thread();
      done.done();
    });
    yield();
    ASSERT_TRUE(there.writer.write_all("a").ok());
    char byte = 0;
    ASSERT_TRUE(back.reader.read_full(&byte, 1).ok());
    EXPECT_EQ(byte, 'b');
    done.wait();
  });
}

TEST(Netpoll, close_and_read_race_under_many_schedules) {
  test::under_schedules(50, [] {
    os::Pipe ends = *os::pipe();
    std::atomic<int> outcomes = 0;
    WaitGroup all(3);
    go([&] {
      char byte;
      auto got = ends.reader.read(&byte, 1);
      outcomes += got.ok() || got.error().closed();
      all.done();
    });
    go([&] {
      outcomes += ends.reader.close().ok();
      all.done();
    });
    go([&] {
      Status sent = ends.writer.write_all("x");
      outcomes += sent.ok() || sent.error().is(EPIPE);
      all.done();
    });
    all.wait();
    EXPECT_EQ(outcomes.load(), 3);
  });
}

TEST(Netpoll, reused_descriptor_does_not_see_readiness_of_the_one_before) {
  for (int i = 0; i < 100; ++i) {
    os::Pipe first = *os::pipe();
    ASSERT_TRUE(first.writer.write_all("x").ok());  // an event is due
    ASSERT_TRUE(first.reader.close().ok());
    ASSERT_TRUE(first.writer.close().ok());
    os::Pipe second = *os::pipe();                  // the same numbers, the same PollDescs
    ASSERT_TRUE(second.reader.set_deadline(now() + std::chrono::microseconds(100)).ok());
    char byte;
    ASSERT_TRUE(second.reader.read(&byte, 1).error().timeout());
  }
}

}  // namespace
}  // namespace reprise::rt
