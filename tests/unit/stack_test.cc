// Goroutine stacks: sizes, guards of every kind, reuse, where they lie.
#include "runtime/mem/stack.h"

#include <gtest/gtest.h>
#include <reprise/go.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cinttypes>
#include <csetjmp>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <set>
#include <string>

#include "runtime/sched/proc.h"
#include "runtime/seam/tape.h"

namespace reprise::rt {
namespace {

void wait_until_alone() {
  while (num_goroutine() > 1) gosched();
}

TEST(Stack, classes_are_powers_of_two_from_256_kib) {
  EXPECT_EQ(stack_class(0), 0);
  EXPECT_EQ(stack_class(1), 0);
  EXPECT_EQ(stack_class(kStackDefaultBytes), 0);
  EXPECT_EQ(stack_class(kStackDefaultBytes + 1), 1);
  EXPECT_EQ(stack_class(kStackMainBytes), 5);
  EXPECT_EQ(stack_class_bytes(stack_class(kStackMainBytes)), kStackMainBytes);
  EXPECT_EQ(stack_class(size_t{1} << 60), -1);
}

// The flags that /proc/self/smaps gives for the area around an address.
std::string area_flags(uint64_t address) {
  std::ifstream smaps("/proc/self/smaps");
  bool inside = false;
  for (std::string line; std::getline(smaps, line);) {
    uint64_t lo = 0, hi = 0;
    if (std::sscanf(line.c_str(), "%" SCNx64 "-%" SCNx64, &lo, &hi) == 2) inside = lo <= address && address < hi;
    if (inside && line.starts_with("VmFlags:")) return line + ' ';
  }
  return "";
}

TEST(Stack, no_huge_page_makes_stacks_resident_that_nobody_touched) {
  if (access("/sys/kernel/mm/transparent_hugepage/enabled", F_OK) != 0) GTEST_SKIP() << "a kernel without huge pages";
  const Stack stack = stackalloc(0);
  const std::string flags = area_flags(stack.lo);
  EXPECT_NE(flags.find(" nh "), std::string::npos) << flags;
}

#ifndef REPRISE_SANITIZED
TEST(Stack, stacks_lie_in_the_arena_one_after_another) {
  const Stack first = stackalloc(0), second = stackalloc(0);
  EXPECT_GE(first.lo, tape::kStackArena);
  EXPECT_LT(first.hi, tape::kProgramArena);
  EXPECT_GE(second.lo, first.hi);
  EXPECT_EQ(first.hi - first.lo, kStackDefaultBytes);
}
#endif

sigjmp_buf escape;

bool faults(uint64_t address) {
  struct sigaction action {}, before {};
  action.sa_handler = [](int) { siglongjmp(escape, 1); };
  action.sa_flags = SA_ONSTACK;
  sigaction(SIGSEGV, &action, &before);
  const bool faulted = sigsetjmp(escape, 1) != 0;
  if (!faulted) *reinterpret_cast<volatile char*>(address) = 1;
  sigaction(SIGSEGV, &before, nullptr);
  return faulted;
}

class Guarded : public testing::TestWithParam<StackGuard> {
 protected:
  void SetUp() override {
    kind_ = stack_guard_kind();
    if (GetParam() == StackGuard::install && kind_ != StackGuard::install) {
      GTEST_SKIP() << "the kernel does not offer it";
    }
    stack_set_guard_for_test(GetParam());
  }
  void TearDown() override { stack_set_guard_for_test(kind_); }
  StackGuard kind_ = StackGuard::protect;
};

TEST_P(Guarded, memory_below_the_stack_faults) {
  const Stack stack = stackalloc(0);
  EXPECT_EQ(stack.lo - stack.guard, kStackGuardBytes);
  EXPECT_TRUE(faults(stack.lo - 1));
  EXPECT_TRUE(faults(stack.guard));
  EXPECT_FALSE(faults(stack.lo));
  EXPECT_FALSE(faults(stack.hi - 1));
}

TEST_P(Guarded, giving_pages_back_keeps_the_guard_and_what_was_to_be_kept) {
  const Stack stack = stackalloc(0);
  auto* top = reinterpret_cast<char*>(stack.hi - 64);
  auto* low = reinterpret_cast<char*>(stack.lo + 64);
  *top = 'k';
  *low = 'x';
  stack_release(stack.lo, stack.hi - 64);
  EXPECT_EQ(*top, 'k');
  EXPECT_EQ(*low, 0);
  EXPECT_TRUE(faults(stack.lo - 1));
}

INSTANTIATE_TEST_SUITE_P(Kinds, Guarded, testing::Values(StackGuard::install, StackGuard::protect));

TEST(Stack, a_canary_tells_of_an_overwritten_end) {
  const StackGuard before = stack_guard_kind();
  stack_set_guard_for_test(StackGuard::canary);
  const Stack stack = stackalloc(0);
  stack_set_guard_for_test(before);
  EXPECT_EQ(stack.guard, stack.lo);
  EXPECT_TRUE(stack_canary_intact(stack.lo));
  *reinterpret_cast<char*>(stack.lo) ^= 1;
  EXPECT_FALSE(stack_canary_intact(stack.lo));
}

TEST(Stack, a_goroutine_gets_the_stack_it_asks_for) {
  size_t bytes = 0;
  char touched = 0;
  go({.stack_bytes = 3 << 20}, [&] {
    bytes = getg()->stack_bytes;
    char deep[2 << 20];
    std::memset(deep, 7, sizeof deep);
    asm volatile("" : : "r"(deep) : "memory");
    touched = deep[1];
  });
  wait_until_alone();
  EXPECT_EQ(bytes, size_t{4} << 20);
  EXPECT_EQ(touched, 7);
}

TEST(Stack, stacks_are_used_again) {
  std::set<G*> seen;
  for (int i = 0; i < 100; ++i) {
    go([&seen] { seen.insert(getg()); });
    wait_until_alone();
  }
  EXPECT_LE(seen.size(), 10u);  // each P keeps some
}

TEST(Stack, ids_and_names_are_not_used_again) {
  std::set<uint64_t> ids;
  std::set<seam::GoId> names;
  for (int i = 0; i < 100; ++i) {
    go([&] {
      ids.insert(getg()->goid);
      names.insert(getg()->name);
    });
    wait_until_alone();
  }
  EXPECT_EQ(ids.size(), 100u);
  EXPECT_EQ(names.size(), 100u);
}

TEST(Stack, many_goroutines_park_at_once_and_end) {
#ifdef REPRISE_SANITIZED
  constexpr int kCount = 2'000;  // each stack has its shadow
#else
  constexpr int kCount = 20'000;
#endif
  std::atomic<int> alive = 0;
  std::atomic<bool> leave = false;
  for (int i = 0; i < kCount; ++i) {
    go([&] {
      ++alive;
      while (!leave) gosched();
      --alive;
    });
  }
  while (alive != kCount) gosched();
  leave = true;
  wait_until_alone();
  EXPECT_EQ(alive.load(), 0);
}

}  // namespace
}  // namespace reprise::rt
