// Asynchronous preemption in native mode: loops without a scheduling point give way, and nobody notices.
//
// Times are never asserted: what would not happen without preemption is waited for. With REPRISE_DEBUG=
// slice_us=50 (ctest: preempt.*) the same programs are preempted hundreds of times as often, and then that
// they were is asserted too.
#include <gtest/gtest.h>
#include <link.h>
#include <pthread.h>
#include <reprise/reprise.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "runtime/boot/boot.h"
#include "runtime/sched/native.h"
#include "runtime/signal/sigpreempt.h"
#include "runtime/signal/user_text.h"
#include "tests/support/procs.h"

namespace reprise::rt {
namespace {

using test::Procs;

bool short_slices() { return debug_vars().slice_us != 0; }

class Preempt : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    if (!async_preempt_on()) GTEST_SKIP() << "turned off";
  }
};
using Signals = Preempt;

[[gnu::noinline]] void spin_until(const std::atomic<bool>& stop) {
  while (!stop.load(std::memory_order_relaxed)) {
  }
}

// Goroutines that spin without a call until *stop; wait for the group before it goes.
WaitGroup start_hogs(int n, std::atomic<bool>* stop) {
  WaitGroup done;
  done.add(n);
  for (int i = 0; i < n; ++i) {
    go([stop, done]() mutable {
      spin_until(*stop);
      done.done();
    });
  }
  return done;
}

TEST_P(Preempt, hogs_on_every_p_do_not_starve_another_goroutine) {
  const Procs procs(GetParam());
  std::atomic<bool> stop{false};
  WaitGroup hogs = start_hogs(2 * GetParam(), &stop);
  go([&stop] { stop = true; });
  hogs.wait();
}

TEST_P(Preempt, hogs_on_every_p_do_not_hold_up_a_stop_of_the_world) {
  const Procs procs(GetParam());
  std::atomic<bool> stop{false};
  WaitGroup hogs = start_hogs(GetParam() + 1, &stop);
  for (int i = 0; i < 10; ++i) {
    gomaxprocs(1);
    gomaxprocs(GetParam() + 1);
  }
  stop = true;
  hogs.wait();
}

TEST_P(Preempt, hogs_on_every_p_do_not_hold_up_a_timer) {
  const Procs procs(GetParam());
  std::atomic<bool> stop{false};
  WaitGroup hogs = start_hogs(GetParam(), &stop);
  sleep_for(std::chrono::milliseconds(1));
  stop = true;
  hogs.wait();
}

TEST_P(Preempt, hogs_on_every_p_do_not_hold_up_a_connection) {
  const Procs procs(GetParam());
  std::atomic<bool> stop{false};
  auto listener = net::listen("tcp", "127.0.0.1:0");
  ASSERT_TRUE(listener.ok());
  WaitGroup hogs = start_hogs(GetParam(), &stop);
  go([&] {
    auto conn = net::dial("tcp", listener.value().address().text);
    EXPECT_TRUE(conn.ok());
    stop = true;
  });
  EXPECT_TRUE(listener.value().accept().ok());
  hogs.wait();
}

uint64_t thread_pointer() {
  uint64_t word;
  asm volatile("mov %%fs:0, %0" : "=r"(word));
  return word;
}

thread_local volatile uint64_t of_the_thread = 0;

// Without a scheduling point between begin and end. The variable is the thread's: whoever is preempted
// keeps the thread to itself, so nobody else counts in between.
[[gnu::noinline]] bool counts_alone(uint64_t rounds) {
  volatile uint64_t* const mine = &of_the_thread;
  const uint64_t thread = thread_pointer(), before = *mine;
  for (uint64_t i = 0; i < rounds; ++i) {
    *mine = *mine + 1;
    if (thread_pointer() != thread) return false;
  }
  return *mine == before + rounds && &of_the_thread == mine;
}

// Three a P count at once, each on a thread of its own while it is preempted.
void expect_all_alone(int procs, bool (*counts)(uint64_t), uint64_t rounds) {
  const Procs set(procs);
  WaitGroup done;
  std::atomic<int> wrong{0};
  for (int i = 0; i < 3 * procs; ++i) {
    done.add(1);
    go([&wrong, done, counts, rounds]() mutable {
      if (!counts(rounds)) ++wrong;
      done.done();
    });
  }
  done.wait();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(held_ms(), 0);
}

TEST_P(Preempt, who_is_preempted_goes_on_on_its_own_thread_which_runs_nobody_else) {
  expect_all_alone(GetParam(), counts_alone, 20'000'000);
}

// The same for scheduling points that a library's code has without knowing: locks of libc's that are free.
[[gnu::noinline]] bool counts_alone_under_a_lock(uint64_t rounds) {
  pthread_mutex_t own = PTHREAD_MUTEX_INITIALIZER;
  volatile uint64_t* const mine = &of_the_thread;
  const uint64_t thread = thread_pointer(), before = *mine;
  for (uint64_t i = 0; i < rounds; ++i) {
    pthread_mutex_lock(&own);
    *mine = *mine + 1;
    pthread_mutex_unlock(&own);
    if (thread_pointer() != thread) return false;
  }
  return *mine == before + rounds;
}

TEST_P(Preempt, who_gives_way_at_a_free_lock_goes_on_on_its_own_thread_which_runs_nobody_else) {
  expect_all_alone(GetParam(), counts_alone_under_a_lock, 1'000'000);
}

TEST_P(Preempt, many_more_hogs_than_ps_all_end) {
  const Procs procs(GetParam());
  std::atomic<int> left{64};
  WaitGroup done;
  for (int i = 0; i < 64; ++i) {
    done.add(1);
    go([&left, done]() mutable {
      --left;
      while (left.load(std::memory_order_relaxed) != 0) {  // all of them have to have run
      }
      done.done();
    });
  }
  done.wait();
}

TEST_P(Preempt, a_goroutine_that_is_locked_to_its_thread_is_preempted_too) {
  const Procs procs(GetParam());
  std::atomic<bool> stop{false};
  WaitGroup done;
  for (int i = 0; i < GetParam(); ++i) {
    done.add(1);
    go([&stop, done]() mutable {
      lock_os_thread();
      spin_until(stop);
      unlock_os_thread();
      done.done();
    });
  }
  go([&stop] { stop = true; });
  done.wait();
}

// Ends when sysmon has asked three times that this goroutine give way. Of the time next to none is spent in the
// runtime's text, where no request is served.
[[gnu::noinline]] void spin_until_asked() {
  const uint64_t asked = preempt_counts().sent;
  while (preempt_counts().sent < asked + 3) {
    volatile int turns = 0;
    while (turns < 100'000) turns = turns + 1;
  }
}

TEST_P(Preempt, no_preempt_is_respected) {
  const Procs procs(1);
  std::atomic<bool> other_ran{false};
  WaitGroup done;
  done.add(1);
  go([&, done]() mutable {
    ++getg()->no_preempt;
    go([&other_ran] { other_ran = true; });
    spin_until_asked();
    EXPECT_FALSE(other_ran);
    --getg()->no_preempt;
    while (!other_ran.load(std::memory_order_relaxed)) {
    }
    done.done();
  });
  done.wait();
}

// The dynamic linker holds a lock meanwhile, for which the other goroutine would wait with the only P.
TEST_P(Preempt, who_is_called_back_by_the_dynamic_linker_is_not_preempted) {
  const Procs procs(1);
  static std::atomic<bool> other_ran{false};
  other_ran = false;
  const auto nothing = [](dl_phdr_info*, size_t, void*) { return 0; };
  go([nothing] {
    other_ran = true;
    dl_iterate_phdr(nothing, nullptr);
  });
  const auto spin = [](dl_phdr_info*, size_t, void*) {
    spin_until_asked();
    return other_ran ? 2 : 1;
  };
  EXPECT_EQ(dl_iterate_phdr(spin, nullptr), 1);
  while (!other_ran.load(std::memory_order_relaxed)) {  // here it is preempted again
  }
  while (num_goroutine() > 1) gosched();
}

// A thread of the program's has no stack that could be left: for it a goroutine does the operation, which
// needs a P.
TEST_P(Preempt, hogs_on_every_p_do_not_hold_up_a_thread_of_the_programs) {
  const Procs procs(GetParam());
  std::atomic<bool> stop{false};
  const Chan<int> there, back;
  WaitGroup hogs = start_hogs(2 * GetParam(), &stop);
  std::thread thread([&stop, there, back] {
    for (int i = 0; i < 10; ++i) {
      there.send(i);
      EXPECT_EQ(back.recv(), i + 1);
    }
    stop = true;
  });
  for (int i = 0; i < 10; ++i) back.send(*there.recv() + 1);
  hogs.wait();
  thread.join();
}

// It runs user text, but is no M: the signal finds nobody to preempt.
TEST_P(Preempt, a_thread_of_the_programs_is_left_alone) {
  const Procs procs(GetParam());
  std::atomic<bool> signalled{false};
  std::atomic<int> right{0};
  std::thread thread([&] {
    while (!signalled.load(std::memory_order_relaxed)) right += counts_alone(1000) ? 1 : -1'000'000;
  });
  while (right == 0) gosched();
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(pthread_kill(thread.native_handle(), SIGURG), 0);
    gosched();
  }
  signalled = true;
  thread.join();
  EXPECT_GT(right, 0);
}

INSTANTIATE_TEST_SUITE_P(Ps, Preempt, testing::Values(1, 2, 4));

// ---- the program's own SIGURG ----

std::atomic<int> urgent_seen{0};
std::atomic<int> urgent_errno{0};
void see_urgent(int) {
  ++urgent_seen;
  errno = 77;
}

TEST_F(Signals, the_programs_own_handler_is_called_and_preemption_goes_on) {
  const Procs procs(2);
  urgent_seen = 0;
  const auto before = ::signal(SIGURG, see_urgent);
  kill(getpid(), SIGURG);
  while (urgent_seen == 0) gosched();
  std::atomic<bool> stop{false};
  WaitGroup hogs = start_hogs(4, &stop);
  go([&stop] { stop = true; });
  hogs.wait();
  struct sigaction now {};
  sigaction(SIGURG, nullptr, &now);
  EXPECT_EQ(now.sa_handler, see_urgent);
  EXPECT_EQ(::signal(SIGURG, before), see_urgent);
  const int seen = urgent_seen;
  kill(getpid(), SIGURG);
  gosched();
  EXPECT_EQ(urgent_seen, seen);
}

TEST_F(Signals, notify_hears_of_urgent_data_while_goroutines_are_preempted) {
  const Procs procs(2);
  Chan<signal::Signal> urgent(1);
  signal::notify(urgent, SIGURG);
  std::atomic<bool> stop{false};
  WaitGroup hogs = start_hogs(4, &stop);
  kill(getpid(), SIGURG);
  EXPECT_EQ(urgent.recv()->number, SIGURG);
  signal::stop(urgent);
  stop = true;
  hogs.wait();
}

// The runtime's own signal to the thread is pending already: the kernel keeps one of the two.
TEST_F(Signals, notify_hears_of_urgent_data_that_coalesced_with_a_preemption) {
  const Procs procs(1);
  Chan<signal::Signal> urgent(1);
  signal::notify(urgent, SIGURG);
  sigset_t set, before;
  sigemptyset(&set);
  sigaddset(&set, SIGURG);
  lock_os_thread();
  ASSERT_EQ(pthread_sigmask(SIG_BLOCK, &set, &before), 0);
  signal_preempt(getm());
  ASSERT_EQ(tgkill(getpid(), gettid(), SIGURG), 0);
  ASSERT_EQ(pthread_sigmask(SIG_SETMASK, &before, nullptr), 0);
  unlock_os_thread();
  EXPECT_EQ(urgent.recv()->number, SIGURG);
  signal::stop(urgent);
}

TEST_F(Signals, one_that_is_to_be_reset_is_called_once) {
  urgent_seen = 0;
  struct sigaction action {}, before{};
  action.sa_handler = see_urgent;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  ASSERT_EQ(sigaction(SIGURG, &action, &before), 0);
  raise(SIGURG);
  raise(SIGURG);
  EXPECT_EQ(urgent_seen, 1);
  ASSERT_EQ(sigaction(SIGURG, &before, nullptr), 0);
}

// ---- what is user text ----

TEST_F(Signals, user_text_is_the_programs_and_nobody_elses) {
  EXPECT_TRUE(in_user_text(reinterpret_cast<uint64_t>(&spin_until)));
  EXPECT_TRUE(in_user_text(reinterpret_cast<uint64_t>(&thread_pointer)));
  EXPECT_FALSE(in_user_text(reinterpret_cast<uint64_t>(&gopark)));
  EXPECT_FALSE(in_user_text(reinterpret_cast<uint64_t>(&getg)));
  EXPECT_FALSE(in_user_text(reinterpret_cast<uint64_t>(&std::memcpy)));
  EXPECT_FALSE(in_user_text(reinterpret_cast<uint64_t>(&getpid)));
  EXPECT_FALSE(in_user_text(0));
}

// ---- stress: results checked against those of one goroutine alone ----

uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 31)) * 0x7fb5d329728ea185;
  return x ^ (x >> 27);
}

[[gnu::noinline]] uint64_t vectors(uint64_t seed) {
  alignas(64) double a[256], b[256];
  for (int i = 0; i < 256; ++i) a[i] = static_cast<double>(mix(seed + static_cast<uint64_t>(i)) % 1000), b[i] = i;
  for (int round = 0; round < 200; ++round) {
    for (int i = 0; i < 256; ++i) b[i] = b[i] * 0.5 + a[255 - i] * a[i];
  }
  uint64_t sum = 0;
  for (const double x : b) sum = mix(sum + static_cast<uint64_t>(x));
  return sum;
}

#if defined(__x86_64__)
[[gnu::noinline, gnu::target("avx2,fma")]] uint64_t wide_vectors(uint64_t seed) {
  alignas(64) float a[512];
  for (int i = 0; i < 512; ++i) a[i] = static_cast<float>(mix(seed * 3 + static_cast<uint64_t>(i)) % 97);
  for (int round = 0; round < 200; ++round) {
    for (int i = 0; i < 512; ++i) a[i] = a[i] * 0.75f + static_cast<float>(i & 15);
  }
  uint64_t sum = 0;
  for (const float x : a) sum = mix(sum + static_cast<uint64_t>(x * 16));
  return sum;
}
#endif

[[gnu::noinline]] uint64_t strings(uint64_t seed) {
  std::vector<unsigned char> from(8192), to(8192);
  for (size_t i = 0; i < from.size(); ++i) from[i] = static_cast<unsigned char>(mix(seed + i));
  for (int round = 0; round < 20; ++round) {
    const void* source = from.data();
    void* target = to.data();
    size_t count = from.size();
    asm volatile("rep movsb" : "+S"(source), "+D"(target), "+c"(count) : : "memory");
    std::swap(from, to);
  }
  uint64_t sum = 0;
  for (const unsigned char byte : from) sum = mix(sum + byte);
  return sum;
}

[[gnu::noinline]] uint64_t recurse(uint64_t seed, int depth) {
  if (depth == 0) return mix(seed);
  return mix(recurse(seed + 1, depth - 1) + recurse(seed + 2, depth - 2 > 0 ? depth - 2 : 0));
}

[[gnu::noinline]] uint64_t throws(uint64_t seed, int depth) {
  if (depth == 0) throw std::runtime_error(std::to_string(seed));
  try {
    return throws(mix(seed), depth - 1);
  } catch (const std::runtime_error& error) {
    if (depth % 3 != 0) throw;
    throw std::runtime_error(error.what() + std::to_string(seed % 10));
  }
}

[[gnu::noinline]] uint64_t exceptions(uint64_t seed) {
  try {
    throws(seed, 12);
  } catch (const std::runtime_error& error) {
    return mix(std::hash<std::string>()(error.what()));
  }
  return 0;
}

[[gnu::noinline]] uint64_t allocations(uint64_t seed) {
  std::vector<std::unique_ptr<std::string>> kept;
  for (uint64_t i = 0; i < 300; ++i) {
    kept.push_back(std::make_unique<std::string>(mix(seed + i) % 300, static_cast<char>('a' + i % 26)));
    if (i % 3 == 0) kept.erase(kept.begin() + static_cast<int64_t>(mix(i) % kept.size()));
  }
  uint64_t sum = 0;
  for (const auto& text : kept) sum = mix(sum + text->size() + static_cast<unsigned char>(text->empty() ? 0 : (*text)[0]));
  return sum;
}

[[gnu::noinline]] uint64_t long_doubles(uint64_t seed) {
  long double x = static_cast<long double>(seed % 1000) + 2;
  for (int i = 0; i < 2000; ++i) x = std::sqrt(x * x + 1.5L) * 0.999L;
  return static_cast<uint64_t>(x * 1e12L);
}

using Work = uint64_t (*)(uint64_t);

std::vector<Work> works() {
  std::vector<Work> all{vectors, strings, exceptions, allocations, long_doubles,
                        [](uint64_t seed) { return recurse(seed, 14); }};
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) all.push_back(wide_vectors);
  return all;
}

class Stress : public Preempt {};

TEST_P(Stress, preempted_computations_come_to_the_same_results) {
  const Procs procs(GetParam());
  constexpr uint64_t kSeeds = 8;
  constexpr uint64_t kEnough = 1000;
  const std::vector<Work> all = works();
  std::vector<uint64_t> expected;
  for (const Work work : all) {
    for (uint64_t seed = 0; seed < kSeeds; ++seed) expected.push_back(work(seed));
  }
  const uint64_t before = preempt_counts().preempted;
  const auto enough = [&] { return !short_slices() || preempt_counts().preempted >= before + kEnough; };
  std::atomic<uint64_t> wrong{0};
  WaitGroup done;
  for (size_t i = 0; i < 2 * all.size(); ++i) {
    done.add(1);
    go([&, i, done]() mutable {
      const size_t which = i % all.size();
      for (uint64_t round = 0; round < 200 || !enough(); ++round) {
        const uint64_t seed = (round + i) % kSeeds;
        if (all[which](seed) != expected[which * kSeeds + seed]) ++wrong;
      }
      done.done();
    });
  }
  done.wait();
  EXPECT_EQ(wrong, 0u);
  EXPECT_GE(preempt_counts().preempted - before, short_slices() ? kEnough : 0);
  RecordProperty("preempted", std::to_string(preempt_counts().preempted - before));
}

INSTANTIATE_TEST_SUITE_P(Ps, Stress, testing::Values(1, 2, 4, 8));

// ---- turned off ----

TEST(Off, is_off_where_the_environment_says_so) {
  if (!debug_vars().asyncpreemptoff) GTEST_SKIP() << "for REPRISE_DEBUG=asyncpreemptoff=1";
  EXPECT_FALSE(async_preempt_on());
  const Procs procs(1);
  std::atomic<bool> other_ran{false};
  go([&other_ran] { other_ran = true; });
  P* const pp = getp();
  while (!pp->preempt.load(std::memory_order_relaxed)) {  // until sysmon has asked
  }
  EXPECT_FALSE(other_ran);
  EXPECT_EQ(preempt_counts().sent, 0u);
  while (!other_ran) gosched();
}

}  // namespace
}  // namespace reprise::rt
