// The vdso image that the stage maps, loaded here as a library, with a gate of the test's own.
#include <asm/prctl.h>
#include <dlfcn.h>
#include <elf.h>
#include <gtest/gtest.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstring>
#include <ctime>

#include "runtime/seam/tape.h"
#include "runtime/stage/gate.h"

namespace {

using reprise::stage::Gate;
using reprise::tape::kMicroseconds;
using reprise::tape::kSeconds;

// What the entries were last asked; what they answer.
int asked_clock;
int64_t clock_answer;
long asked_call[7];
long call_answer;

int64_t clock_entry(int clock_id) {
  asked_clock = clock_id;
  return clock_answer;
}

// As the stage's own, never sanitized: it is called with the alignment that the caller's stack has.
__attribute__((no_sanitize("address", "undefined")))
long syscall_entry(long nr, long a0, long a1, long a2, long a3, long a4, long a5) {
  const long asked[7] = {nr, a0, a1, a2, a3, a4, a5};
  std::memcpy(asked_call, asked, sizeof asked);
  return call_answer;
}

class StageVdso : public testing::Test {
 protected:
  void SetUp() override {
    image_ = dlopen(REPRISE_VDSO_FILE, RTLD_NOW | RTLD_LOCAL);
    ASSERT_NE(image_, nullptr) << dlerror();
    gate_ = {};
    gate_.clock = clock_entry;
    gate_.syscall = syscall_entry;
    ASSERT_EQ(syscall(SYS_arch_prctl, ARCH_SET_GS, &gate_), 0);
    asked_clock = -1;
    std::memset(asked_call, -1, sizeof asked_call);
  }
  void TearDown() override {
    syscall(SYS_arch_prctl, ARCH_SET_GS, 0);
    dlclose(image_);
  }

  // Found as the C library finds it: by name and version.
  template <typename F>
  F* function(const char* name) {
    void* at = dlvsym(image_, name, "LINUX_2.6");
    EXPECT_NE(at, nullptr) << name;
    return reinterpret_cast<F*>(at);
  }

  const unsigned char* base() {
    Dl_info info;
    EXPECT_NE(dladdr(dlsym(image_, "__vdso_time"), &info), 0);
    return static_cast<const unsigned char*>(info.dli_fbase);
  }

  void* image_ = nullptr;
  Gate gate_;
};

TEST_F(StageVdso, clock_gettime_splits_what_the_table_answers) {
  auto* clock_gettime_in = function<int(clockid_t, timespec*)>("__vdso_clock_gettime");
  for (clockid_t clock : {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_BOOTTIME,
                          CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE, CLOCK_TAI}) {
    clock_answer = 1'795'821'071'999'999'998 + clock;
    timespec now = {};
    ASSERT_EQ(clock_gettime_in(clock, &now), 0);
    EXPECT_EQ(asked_clock, clock);
    EXPECT_EQ(now.tv_sec * 1'000'000'000 + now.tv_nsec, clock_answer);
    EXPECT_LT(now.tv_nsec, 1'000'000'000);
  }
}

TEST_F(StageVdso, processor_time_and_unknown_clocks_become_system_calls) {
  auto* clock_gettime_in = function<int(clockid_t, timespec*)>("__vdso_clock_gettime");
  for (clockid_t clock : {CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID, 77, -6}) {
    timespec now = {};
    call_answer = -22;
    EXPECT_EQ(clock_gettime_in(clock, &now), -22);
    EXPECT_EQ(asked_call[0], SYS_clock_gettime);
    EXPECT_EQ(asked_call[1], clock);
    EXPECT_EQ(asked_call[2], reinterpret_cast<long>(&now));
    EXPECT_EQ(asked_clock, -1);
  }
}

TEST_F(StageVdso, gettimeofday_and_time_ask_for_no_more_than_they_tell) {
  clock_answer = 12'345'678;
  timeval day = {};
  EXPECT_EQ(function<int(timeval*, void*)>("__vdso_gettimeofday")(&day, nullptr), 0);
  EXPECT_EQ(asked_clock, static_cast<int>(CLOCK_REALTIME | kMicroseconds));
  EXPECT_EQ(day.tv_sec, 12);
  EXPECT_EQ(day.tv_usec, 345'678);
  clock_answer = 12;
  time_t stored = 0;
  EXPECT_EQ(function<time_t(time_t*)>("__vdso_time")(&stored), 12);
  EXPECT_EQ(stored, 12);
  EXPECT_EQ(asked_clock, static_cast<int>(CLOCK_REALTIME_COARSE | kSeconds));
}

TEST_F(StageVdso, the_rest_is_asked_of_the_kernel) {
  call_answer = 0;
  unsigned cpu = 0, node = 0;
  EXPECT_EQ(function<int(unsigned*, unsigned*, void*)>("__vdso_getcpu")(&cpu, &node, nullptr), 0);
  EXPECT_EQ(asked_call[0], SYS_getcpu);
  EXPECT_EQ(asked_call[2], reinterpret_cast<long>(&node));
  timespec resolution;
  EXPECT_EQ(function<int(clockid_t, timespec*)>("__vdso_clock_getres")(1, &resolution), 0);
  EXPECT_EQ(asked_call[0], SYS_clock_getres);
  EXPECT_EQ(asked_call[2], reinterpret_cast<long>(&resolution));
}

TEST_F(StageVdso, the_trap_instructions_lie_where_the_stage_looks_for_them) {
  const unsigned char gate[] = {0x0f, 0x05}, call[] = {0x0f, 0x05};
  EXPECT_EQ(std::memcmp(base() + REPRISE_VDSO_TRAPS, gate, sizeof gate), 0);
  EXPECT_EQ(std::memcmp(base() + (REPRISE_TRAP_CALL - REPRISE_VDSO_BASE), call, sizeof call), 0);
}

TEST_F(StageVdso, is_one_segment_that_is_never_written) {
  auto* header = reinterpret_cast<const Elf64_Ehdr*>(base());
  auto* segments = reinterpret_cast<const Elf64_Phdr*>(base() + header->e_phoff);
  int loads = 0;
  for (int i = 0; i < header->e_phnum; ++i) {
    if (segments[i].p_type != PT_LOAD) continue;
    ++loads;
    EXPECT_EQ(segments[i].p_flags, static_cast<unsigned>(PF_R | PF_X));
    EXPECT_EQ(segments[i].p_vaddr, segments[i].p_offset);
  }
  EXPECT_EQ(loads, 1);
}

}  // namespace
