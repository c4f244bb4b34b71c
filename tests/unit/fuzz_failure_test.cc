// Signatures of failures, and the estimate of what is still unseen.
#include <gtest/gtest.h>

#include "tools/fuzz/failure.h"
#include "tools/fuzz/novelty.h"

namespace reprise::fuzz {
namespace {

constexpr const char* kTraceback =
    "fatal error: all goroutines are asleep - deadlock!\n\n"
    "goroutine 1 [sync.WaitGroup.Wait, 2 minutes]:\n"
    "reprise::WaitGroup::wait()\n\t../runtime/sync/wait_group.cc:86 +0x69\n"
    "app()\n\t/src/app/main.cc:28 +0x1d4\n\n"
    "goroutine 3 [sync.Mutex.Lock]:\n"
    "std::lock_guard<reprise::Mutex>::lock_guard(reprise::Mutex&)\n\t/usr/include/c++/12/bits/std_mutex.h:229 +0x0\n"
    "step(int)\n\t/src/app/step.cc:17 +0x2d\n"
    "created by app() in goroutine 1\n\t/src/app/main.cc:60 +0x0\n";

TEST(Sites, are_where_the_programs_own_code_was_and_why_it_waited) {
  EXPECT_EQ(sites_of(kTraceback),
            (std::vector<std::string>{"sync.Mutex.Lock at step.cc:17", "sync.WaitGroup.Wait at main.cc:28"}));
}

TEST(Sites, of_a_text_that_is_no_traceback_are_none) { EXPECT_TRUE(sites_of("FAILED\n\tx.cc:3\n").empty()); }

TEST(Sites, of_a_race_are_both_accesses) {
  EXPECT_EQ(sites_of_race("hello\n==================\nWARNING: DATA RACE\nWrite at 0x7c8000001230 by goroutine 3:\n"
                          "put(int)\n\t/src/app/box.cc:7 +0x0\nmain()\n\t/src/app/main.cc:1 +0x0\n\n"
                          "Previous read at 0x7c8000001230 by main goroutine:\nget()\n\t/src/app/box.cc:9 +0x0\n\n"
                          "Goroutine 3 created by goroutine 1 at:\nmain()\n\t/src/app/main.cc:2\n==================\n"),
            (std::vector<std::string>{"Write at box.cc:7", "Previous read at box.cc:9"}));
  EXPECT_TRUE(sites_of_race(kTraceback).empty());
}

TEST(Normalised, numbers_and_addresses_do_not_count) {
  EXPECT_EQ(normalised("index 17 of 0x7ffc12 in a1"), normalised("index 4 of 0xdead in a2"));
  EXPECT_NE(normalised("index 17"), normalised("indices 17"));
  EXPECT_EQ(normalised("0x"), "#");
}

TEST(FailWhen, is_parsed_and_what_is_not_understood_is_named) {
  FailWhen when;
  std::string why;
  ASSERT_TRUE(parse_fail_when({"signal", "output=LO.T"}, &when, &why));
  EXPECT_FALSE(when.exit);
  EXPECT_TRUE(when.signal);
  EXPECT_TRUE(std::regex_search("it is LOST", *when.output));
  EXPECT_FALSE(when.leak || when.any_leak);
  ASSERT_TRUE(parse_fail_when({"leak"}, &when, &why));
  EXPECT_TRUE(when.leak && !when.any_leak);
  ASSERT_TRUE(parse_fail_when({"leak=any"}, &when, &why));
  EXPECT_TRUE(when.leak && when.any_leak);
  EXPECT_FALSE(parse_fail_when({"leak=some"}, &when, &why));
  EXPECT_FALSE(parse_fail_when({"output=("}, &when, &why));
  EXPECT_NE(why.find("output=("), std::string::npos);
}

TEST(Novelty, the_chance_of_something_new_is_the_share_of_what_was_seen_once) {
  Novelty novelty;
  EXPECT_EQ(novelty.chance_of_new(), 1);
  EXPECT_TRUE(novelty.add(1));
  EXPECT_TRUE(novelty.add(2));
  EXPECT_FALSE(novelty.add(1));
  novelty.add(3);
  EXPECT_EQ(novelty.distinct(), 3u);
  EXPECT_DOUBLE_EQ(novelty.chance_of_new(), 2.0 / 4);
}

TEST(Novelty, what_is_known_from_elsewhere_is_not_new) {
  Novelty novelty;
  novelty.know(7);
  EXPECT_FALSE(novelty.add(7));
  EXPECT_EQ(novelty.runs(), 1u);
  EXPECT_DOUBLE_EQ(novelty.chance_of_new(), 0);
}

}  // namespace
}  // namespace reprise::fuzz
