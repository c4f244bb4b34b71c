// What an asynchronous preemption costs above the signal that it comes by.
//
//   reprise-bench-preempt [ROUNDS]
//
// Pairs, alternating: a signal to oneself whose handler does nothing, and the same signal as a preemption
// of the goroutine that sends it, which nobody waits behind: asyncPreempt, to g0, and back. Both by the
// same system call in user text. Prints medians and their difference.
#include <reprise/reprise.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "runtime/sched/native.h"
#include "runtime/signal/sigpreempt.h"

namespace {

using namespace reprise::rt;

constexpr int kBatch = 200;

// Inline, so that the signal lands in this program's text.
[[gnu::always_inline]] inline void send(pid_t process, pid_t thread, int number) {
  long result;
  asm volatile("syscall"
               : "=a"(result)
               : "a"(SYS_tgkill), "D"(process), "S"(thread), "d"(number)
               : "rcx", "r11", "memory");
}

[[gnu::noinline]] int64_t bare(pid_t process, pid_t thread) {
  const int64_t begun = monotonic_ns();
  for (int i = 0; i < kBatch; ++i) send(process, thread, SIGUSR1);
  return monotonic_ns() - begun;
}

[[gnu::noinline]] int64_t preempted(pid_t process, pid_t thread) {
  M* const mp = getm();
  P* const pp = getp();
  const int64_t begun = monotonic_ns();
  for (int i = 0; i < kBatch; ++i) {
    pp->preempt.store(true, std::memory_order_relaxed);
    mp->signal_pending.store(1, std::memory_order_relaxed);
    send(process, thread, SIGURG);
  }
  return monotonic_ns() - begun;
}

double median(std::vector<int64_t> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<int64_t>(values.size() / 2), values.end());
  return static_cast<double>(values[values.size() / 2]) / kBatch;
}

int run(int argc, char** argv) {
  if (!async_preempt_on()) return std::fputs("asynchronous preemption is off\n", stderr), 1;
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 1000;
  reprise::lock_os_thread();
  reprise::gomaxprocs(1);
  struct sigaction action {};
  action.sa_sigaction = [](int, siginfo_t*, void*) {};
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
  sigaction(SIGUSR1, &action, nullptr);
  const pid_t process = getpid(), thread = gettid();
  std::vector<int64_t> bares, preemptions, differences;
  const uint64_t before = preempt_counts().preempted;
  for (int i = 0; i < rounds; ++i) {
    bares.push_back(bare(process, thread));
    preemptions.push_back(preempted(process, thread));
    differences.push_back(preemptions.back() - bares.back());
  }
  std::printf("bare signal to self and back   %7.1f ns\n", median(bares));
  std::printf("preemption round               %7.1f ns\n", median(preemptions));
  std::printf("median of paired differences   %7.1f ns\n", median(differences));
  std::printf("preempted %lu of %lu times\n", preempt_counts().preempted - before,
              static_cast<unsigned long>(rounds) * kBatch);
  return 0;
}

}  // namespace

REPRISE_MAIN(run)
