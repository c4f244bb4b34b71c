// Every clock of the vdso, from two threads and from a child, and that none runs backwards.
#include <sched.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <ctime>
#include <initializer_list>
#include <thread>

namespace {
long now_ns(clockid_t clock) {
  timespec now;
  if (clock_gettime(clock, &now)) return -1;
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

int backwards(clockid_t clock) {
  int count = 0;
  long last = now_ns(clock);
  for (int i = 0; i < 1000; ++i) {
    const long next = now_ns(clock);
    count += next < last;
    last = next;
  }
  return count;
}

int child_agrees(long parent_ns) {
  const pid_t child = fork();
  if (child == 0) {
    const long gap = now_ns(CLOCK_REALTIME) - parent_ns;
    _exit(gap >= 0 && gap < 600'000'000'000 ? 1 : 0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WEXITSTATUS(status);
}
}  // namespace

int main() {
  int count = 0;
  std::thread other([&] { count += backwards(CLOCK_MONOTONIC); });
  for (clockid_t clock : {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_BOOTTIME,
                          CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE, CLOCK_TAI,
                          CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID}) {
    const int back = backwards(clock);
    timespec resolution = {};
    clock_getres(clock, &resolution);
    std::printf("clock %d: %ld ns, resolution %ld, backwards %d\n", clock, now_ns(clock),
                resolution.tv_nsec, back);
  }
  other.join();
  timeval day;
  gettimeofday(&day, nullptr);
  unsigned cpu = 0, node = 0;
  const int got = getcpu(&cpu, &node);
  timespec untouched;
  const int invalid = clock_gettime(77, &untouched);
  std::printf("thread backwards %d time %ld day %ld.%06ld cpu %d %u %u invalid %d child agrees %d\n",
              count, time(nullptr), day.tv_sec, day.tv_usec, got, cpu, node, invalid,
              child_agrees(now_ns(CLOCK_REALTIME)));
  return count;
}
