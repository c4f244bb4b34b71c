// Channels, select and timeouts under the seam: every small program against the reference machine
// (chan_machine.h), each under many schedules of the `random` policy on the virtual clock.
//
// Claims: a run ends with an outcome that the machine allows; and taken together the schedules reach
// nearly all that it allows, so that the first claim is not about a few schedules.
//
// All programs of up to four operations in two or three goroutines, and those of five and six that
// show the order of buffers and queues; of all others with five a small part,
// a quarter with REPRISE_CHAN_SOAK=1 (tools/soak model).
#include <gtest/gtest.h>
#include <reprise/chan.h>
#include <reprise/go.h>
#include <reprise/select.h>
#include <reprise/time.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "runtime/sched/seam.h"
#include "runtime/seam/catalog.h"
#include "tests/model/chan_machine.h"
#include "tests/support/schedules.h"

namespace reprise::model {
namespace {

using namespace std::chrono_literals;

constexpr auto kLimit = 1ms;
constexpr auto kLongAfter = 1s;  // when all that can happen has happened

// One run of a program on the runtime.
class RealRun {
 public:
  explicit RealRun(const ChanProgram& program)
      : program_(program), a_(program.capacity[0]), b_(program.capacity[1]),
        results_(program.goroutines.size()) {}

  std::string outcome() {
    for (size_t g = 0; g < program_.goroutines.size(); ++g) {
      go([this, g] { run(g); });
    }
    sleep_for(kLongAfter);  // on the virtual clock: nothing else can happen by then
    std::string text;
    for (const std::string& results : results_) text += results + " ";
    over_ = true;
    release();
    return text;
  }

 private:
  void run(size_t g) {
    const auto& ops = program_.goroutines[g];
    for (size_t i = 0; i < ops.size() && !over_; ++i) {
      results_[g] += '?';
      const std::string result = perform(ops[i], value_of(g, i));
      if (over_) return;
      results_[g].pop_back();
      results_[g] += result;
    }
  }

  static std::string received(const std::optional<int>& value) {
    return {value ? letter_of(*value) : 'z'};
  }

  std::string perform(ChanOp op, int value) {
    std::string result;
    switch (op) {
      case ChanOp::send_a: a_.send(value); return "s";
      case ChanOp::recv_a: return received(a_.recv());
      case ChanOp::recv_b: return received(b_.recv());
      case ChanOp::close_a:
        closed_ = true;
        a_.close();
        return "c";
      case ChanOp::try_send_a: return a_.try_send(value) ? "s" : "n";
      case ChanOp::try_recv_a: {
        bool ended = false;
        const std::optional<int> got = a_.try_recv(&ended);
        return got || ended ? received(got) : "n";
      }
      case ChanOp::recv_a_or_send_b:
        select(on_recv(a_, [&](std::optional<int> v) { result = "0" + received(v); }),
               on_send(b_, value, [&] { result = "1s"; }));
        return result;
      case ChanOp::send_a_or_recv_b:
        select(on_send(a_, value, [&] { result = "0s"; }),
               on_recv(b_, [&](std::optional<int> v) { result = "1" + received(v); }));
        return result;
      case ChanOp::recv_a_or_b_or_otherwise:
        select(on_recv(a_, [&](std::optional<int> v) { result = "0" + received(v); }),
               on_recv(b_, [&](std::optional<int> v) { result = "1" + received(v); }),
               otherwise([&] { result = "d"; }));
        return result;
      case ChanOp::recv_a_or_timeout:
        select(on_recv(a_, [&](std::optional<int> v) { result = "0" + received(v); }),
               on_timeout(kLimit, [&] { result = "t"; }));
        return result;
      case ChanOp::sleep: sleep_for(kLimit); return "w";
    }
    return result;
  }

  // Whoever is blocked for ever gets a partner, and ends.
  void release() {
    while (num_goroutine() > 1) {
      a_.try_recv();
      b_.try_recv();
      if (!closed_) a_.try_send(0);
      b_.try_send(0);
      yield();
    }
  }

  const ChanProgram& program_;
  Chan<int> a_, b_;
  std::vector<std::string> results_;
  bool over_ = false;
  bool closed_ = false;
};

std::string run_under(const ChanProgram& program, uint64_t seed) {
  std::string error;
  const auto policy = seam::make_policy("random", seed, &error);
  if (policy == nullptr || !policy->begin_run({seed, 0})) {
    ADD_FAILURE() << error;
    return "";
  }
  rt::seam_set_policy_for_test(policy.get());
  const std::string outcome = RealRun(program).outcome();
  rt::seam_set_policy_for_test(nullptr);
  return outcome;
}

// ---- all programs ------------------------------------------------------------------------------------

using Sequence = std::vector<ChanOp>;

// Which operations programs are made of.
Sequence everything() {
  Sequence all;
  for (int op = 0; op < kChanOps; ++op) all.push_back(static_cast<ChanOp>(op));
  return all;
}
const Sequence kOneChannel = {ChanOp::send_a, ChanOp::recv_a, ChanOp::close_a, ChanOp::try_send_a,
                              ChanOp::try_recv_a};
// A sleep ends when all others are parked: so it is known who came first.
const Sequence kOrdered = {ChanOp::send_a, ChanOp::recv_a, ChanOp::sleep};

std::vector<Sequence> sequences_of(size_t length, const Sequence& alphabet) {
  std::vector<Sequence> all = {{}};
  for (size_t i = 0; i < length; ++i) {
    std::vector<Sequence> longer;
    for (const Sequence& s : all) {
      for (ChanOp op : alphabet) {
        longer.push_back(s);
        longer.back().push_back(op);
      }
    }
    all = std::move(longer);
  }
  return all;
}

struct Totals {
  uint64_t programs = 0, panicking = 0, runs = 0, allowed = 0, reached = 0;
};

// Runs until all outcomes have been seen or `patience` schedules went by.
void check_program(const ChanProgram& program, uint64_t patience, Totals* totals) {
  const Reference reference = reference_of(program);
  if (reference.panics) {
    ++totals->panicking;
    return;
  }
  std::set<std::string> reached;
  for (uint64_t seed = 1; seed <= patience && reached.size() < reference.outcomes.size(); ++seed) {
    const std::string outcome = run_under(program, seed);
    ++totals->runs;
    ASSERT_TRUE(reference.outcomes.contains(outcome))
        << text_of(program) << "\nseed " << seed << " ended with: " << outcome;
    reached.insert(outcome);
  }
  ++totals->programs;
  totals->allowed += reference.outcomes.size();
  totals->reached += reached.size();
}

// Programs whose goroutines have these numbers of operations; one in `part`.
void check_shape(const std::vector<size_t>& lengths, const Sequence& alphabet = everything(),
                 uint64_t part = 1) {
  const test::VirtualTime time;
  constexpr uint64_t kPatience = 1000;
#ifdef REPRISE_SANITIZED
  part *= 20;  // a sanitizer wants to see code paths, and takes its time
#endif
  Totals totals;
  std::vector<std::vector<Sequence>> choices;
  size_t programs = 1;
  for (size_t length : lengths) {
    choices.push_back(sequences_of(length, alphabet));
    programs *= choices.back().size();
  }
  constexpr int kCapacities[][2] = {{0, 0}, {1, 0}, {2, 1}};
  for (size_t n = 0; n < programs && !testing::Test::HasFatalFailure(); ++n) {
    for (size_t c = 0; c < std::size(kCapacities); ++c) {
      // A part without a pattern: multiplicative hashing of the program's number.
      if (((n * 3 + c) * 0x9e3779b97f4a7c15 >> 32) % part != 0) continue;
      ChanProgram program{{kCapacities[c][0], kCapacities[c][1]}, {}};
      size_t rest = n;
      for (const auto& sequences : choices) {
        program.goroutines.push_back(sequences[rest % sequences.size()]);
        rest /= sequences.size();
      }
      check_program(program, kPatience, &totals);
    }
  }
  std::printf("%llu programs (%llu more panic), %llu runs, %llu of %llu allowed outcomes reached\n",
              static_cast<unsigned long long>(totals.programs),
              static_cast<unsigned long long>(totals.panicking),
              static_cast<unsigned long long>(totals.runs),
              static_cast<unsigned long long>(totals.reached),
              static_cast<unsigned long long>(totals.allowed));
  EXPECT_GT(totals.programs, 0u);
  EXPECT_GT(totals.reached * 100, totals.allowed * 99);
}

TEST(ChanExplore, one_and_one_operation) { check_shape({1, 1}); }
TEST(ChanExplore, one_and_two_operations) { check_shape({1, 2}); }
TEST(ChanExplore, two_and_two_operations) { check_shape({2, 2}); }
TEST(ChanExplore, one_and_three_operations) { check_shape({1, 3}); }
TEST(ChanExplore, three_times_one_operation) { check_shape({1, 1, 1}); }
TEST(ChanExplore, three_goroutines_with_four_operations) { check_shape({1, 1, 2}); }

// The order of a buffer shows when a sender waits behind two elements; that is five operations.
TEST(ChanExplore, five_operations_on_one_channel) {
  check_shape({2, 3}, kOneChannel);
  check_shape({1, 4}, kOneChannel);
  check_shape({1, 1, 3}, kOneChannel);
  check_shape({1, 2, 2}, kOneChannel);
}

TEST(ChanExplore, who_came_first_goes_first) {
  check_shape({1, 2, 3}, kOrdered);
  check_shape({2, 2, 2}, kOrdered);
}

// The test sees mistakes: against a machine that makes one, some schedule of some program fails.
bool told_apart(const ChanProgram& program, Mistake mistake) {
  const test::VirtualTime time;
  const Reference wrong = reference_of(program, mistake);
  for (uint64_t seed = 1; seed <= 1000; ++seed) {
    if (!wrong.outcomes.contains(run_under(program, seed))) {
      std::printf("told apart by seed %llu\n", static_cast<unsigned long long>(seed));
      return true;
    }
  }
  return false;
}

TEST(ChanMutant, last_come_first_served_is_found) {
  using enum ChanOp;
  const ChanProgram program{{0, 0}, {{recv_a}, {sleep, recv_a}, {sleep, sleep, send_a}}};
  EXPECT_FALSE(told_apart(program, Mistake::none));
  EXPECT_TRUE(told_apart(program, Mistake::last_come_first_served));
}

TEST(ChanMutant, a_sender_that_overtakes_the_buffer_is_found) {
  using enum ChanOp;
  const ChanProgram program{{2, 1}, {{send_a}, {sleep, recv_a}, {send_a, send_a, recv_a}}};
  EXPECT_FALSE(told_apart(program, Mistake::none));
  EXPECT_TRUE(told_apart(program, Mistake::sender_overtakes_buffer));
}

TEST(ChanMutant, a_close_that_drops_the_buffer_is_found) {
  using enum ChanOp;
  const ChanProgram program{{1, 0}, {{send_a, close_a}, {sleep, recv_a}}};
  EXPECT_FALSE(told_apart(program, Mistake::none));
  EXPECT_TRUE(told_apart(program, Mistake::close_drops_buffer));
}

TEST(ChanExplore, a_part_of_all_with_five_operations) {
  const uint64_t part = std::getenv("REPRISE_CHAN_SOAK") != nullptr ? 4 : 400;
  check_shape({2, 3}, everything(), part);
  check_shape({1, 4}, everything(), part);
  check_shape({1, 1, 3}, everything(), 2 * part);
  check_shape({1, 2, 2}, everything(), 2 * part);
}

}  // namespace
}  // namespace reprise::model
