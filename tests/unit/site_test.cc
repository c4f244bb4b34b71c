// Which place a scheduling point, a wait and a start are said to be at: the program's, whatever lies between.
//
// Each place has a section of its own, whose bounds the linker tells.
#include "runtime/sched/site.h"

#include <gtest/gtest.h>
#include <reprise/reprise.h>

#include <algorithm>
#include <condition_variable>
#include <functional>
#include <future>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "runtime/sched/proc.h"
#include "runtime/sched/seam.h"
#include "runtime/seam/policy.h"

#ifdef __clang__
#define ONE_COPY gnu::noinline
#else
#define ONE_COPY gnu::noinline, gnu::noclone
#endif

// A function in a section of its own: PLACE(name) { body }
#define PLACE(name)                                                                        \
  extern "C" {                                                                             \
  extern const char __start_place_##name[] __attribute__((visibility("hidden")));          \
  extern const char __stop_place_##name[] __attribute__((visibility("hidden")));           \
  }                                                                                        \
  struct name##_ {                                                                         \
    static void run(Things& things);                                                       \
    static bool has(seam::Site site) {                                                     \
      const auto pc = reinterpret_cast<const char*>(pc_of(site));                          \
      return pc > __start_place_##name && pc <= __stop_place_##name;                       \
    }                                                                                      \
  };                                                                                       \
  [[ONE_COPY, gnu::section("place_" #name)]] void name##_::run([[maybe_unused]] Things& things)

namespace reprise::rt {

// What the operations are done to. Ready for each not to wait, but where it says so.
struct Things {
  Chan<int> channel{1};
  Chan<int> unbuffered;
  Mutex mutex;
  RWMutex rwmutex;
  std::mutex std_mutex;
  std::condition_variable std_condition;
  WaitGroup group;
  std::thread thread;
};

PLACE(send) { things.channel.send(1); asm volatile(""); }
PLACE(receive) { things.unbuffered.recv(); asm volatile(""); }
PLACE(select) { reprise::select(on_recv(things.unbuffered, [](int) {})); asm volatile(""); }
PLACE(lock) { things.mutex.lock(); asm volatile(""); }
PLACE(read_lock) { things.rwmutex.rlock(); asm volatile(""); }
PLACE(std_lock) { things.std_mutex.lock(); asm volatile(""); }
PLACE(wait) { things.group.wait(); asm volatile(""); }
PLACE(yield) { reprise::yield(); asm volatile(""); }
PLACE(sleep) { sleep_for(Duration(1)); asm volatile(""); }
PLACE(start) { go([] {}); asm volatile(""); }
PLACE(join) { things.thread.join(); asm volatile(""); }
PLACE(std_wait) {
  std::unique_lock lock(things.std_mutex);
  things.std_condition.wait(lock);
}

namespace {

#ifndef REPRISE_SANITIZED  // there the runtime's text is not told from the program's

// Goes on with whoever runs; keeps where things happened.
class Sites : public seam::Policy {
 public:
  bool begin_run(const seam::RunInfo&) override { return true; }
  size_t choose(const seam::Decision&) override { return kDefault; }
  uint64_t draw(const seam::Decision& decision) override {
    return decision.kind == seam::DecisionKind::preempt ? kUnbounded : 1;
  }
  void executed(const seam::Event& event) override { sites_[static_cast<int>(event.kind)].push_back(event.site); }
  bool wants_events() const override { return true; }
  void end_run(const seam::Outcome&) override {}

  const std::vector<seam::Site>& of(seam::Event::Kind kind) const { return sites_[static_cast<int>(kind)]; }

 private:
  std::vector<seam::Site> sites_[5];
};

class Site : public testing::Test {
 protected:
  void SetUp() override { seam_set_policy_for_test(&policy_); }
  void TearDown() override {
    while (num_goroutine() > 1) gosched();
    seam_set_policy_for_test(nullptr);
  }

  // Whether some event of this kind is said to be at the place, after the place ran.
  template <class Place>
  bool told(seam::Event::Kind kind) {
    Place::run(things_);
    return said<Place>(kind);
  }
  template <class Place>
  bool said(seam::Event::Kind kind) const {
    return std::ranges::any_of(policy_.of(kind), &Place::has);
  }

  Things things_;
  Sites policy_;
};

constexpr auto kStep = seam::Event::Kind::step;
constexpr auto kBlock = seam::Event::Kind::block;

TEST_F(Site, operations_that_need_not_wait_are_at_the_programs_place) {
  EXPECT_TRUE(told<send_>(kStep));
  EXPECT_TRUE(told<lock_>(kStep));
  EXPECT_TRUE(told<read_lock_>(kStep));
  EXPECT_TRUE(told<std_lock_>(kStep));
  things_.std_mutex.unlock();
  things_.rwmutex.runlock();
  things_.mutex.unlock();
}

TEST_F(Site, a_start_is_at_the_programs_place) { EXPECT_TRUE(told<start_>(seam::Event::Kind::spawn)); }

TEST_F(Site, waits_for_channels_are_at_the_programs_place) {
  things_.channel.send(0);
  go([this] { things_.channel.recv(); });
  EXPECT_TRUE(told<send_>(kBlock));
  go([this] { things_.unbuffered.send(1); });
  EXPECT_TRUE(told<receive_>(kBlock));
  go([this] { things_.unbuffered.send(1); });
  EXPECT_TRUE(told<select_>(kStep));
  EXPECT_TRUE(said<select_>(kBlock));
}

TEST_F(Site, waits_for_locks_are_at_the_programs_place) {
  things_.mutex.lock();
  things_.rwmutex.lock();
  things_.std_mutex.lock();
  things_.group.add(1);
  go([this] {
    things_.mutex.unlock();
    gosched();
    things_.rwmutex.unlock();
    gosched();
    things_.std_mutex.unlock();
    gosched();
    things_.group.done();
  });
  EXPECT_TRUE(told<lock_>(kBlock));
  EXPECT_TRUE(told<read_lock_>(kBlock));
  EXPECT_TRUE(told<std_lock_>(kBlock));
  EXPECT_TRUE(told<wait_>(kBlock));
  things_.mutex.unlock();
  things_.rwmutex.runlock();
  things_.std_mutex.unlock();
}

TEST_F(Site, a_sleep_is_at_the_programs_place) { EXPECT_TRUE(told<sleep_>(kBlock)); }

// libstdc++ keeps no frame pointers.
TEST_F(Site, a_library_in_between_is_looked_through) {
  things_.thread = std::thread([] {});
  EXPECT_TRUE(told<join_>(kStep) || said<join_>(kBlock));
  go([this] { things_.std_condition.notify_one(); });
  EXPECT_TRUE(told<std_wait_>(kBlock));
}

// The place at which a goroutine is ready to yield is its candidate's.
TEST_F(Site, of_a_goroutine_that_yields_the_candidate_has_the_programs_place) {
  class Looks : public Sites {
   public:
    size_t choose(const seam::Decision& decision) override {
      for (const seam::Candidate& candidate : decision.candidates) found |= yield_::has(candidate.site);
      return Sites::choose(decision);
    }
    bool found = false;
  } looks;
  seam_set_policy_for_test(&looks);
  go([] {});
  yield_::run(things_);
  EXPECT_TRUE(looks.found);
  seam_set_policy_for_test(&policy_);
}

#endif

}  // namespace
}  // namespace reprise::rt
