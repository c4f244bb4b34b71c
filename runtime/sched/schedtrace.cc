// schedtrace: a line about the scheduler every so many milliseconds (REPRISE_DEBUG=schedtrace=MS).
//
// Printed from the scheduler's own rounds, as there is no sysmon yet: nothing is printed while a
// goroutine computes or while everybody waits, and the line comes at the next round.
#include <cstdio>

#include "runtime/boot/boot.h"
#include "runtime/panic/report.h"
#include "runtime/sched/sched.h"
#include "runtime/sched/seam.h"
#include "runtime/time/clock.h"

namespace reprise::rt {

namespace {

int64_t start_ns = 0;  // P
int64_t next_ns = 0;   // P

struct Threads {
  int total = 0;
  int idle = 0;
};

Threads count_threads() {
  Threads threads;
  for (const M* mp = sched.allms; mp != nullptr; mp = mp->alllink) {
    ++threads.total;
    threads.idle += mp->p == nullptr;
  }
  return threads;
}

void print_line(int64_t since_ns) {
  const Threads threads = count_threads();
  const uint32_t local = allp0.runqtail.load(std::memory_order_relaxed) -
                         allp0.runqhead.load(std::memory_order_relaxed);
  char line[200];
  std::snprintf(line, sizeof line,
                "SCHED %lldms: gomaxprocs=%d idleprocs=%d threads=%d spinningthreads=0 idlethreads=%d "
                "runqueue=%llu [%zu]\n",
                static_cast<long long>(since_ns / 1'000'000), sched.gomaxprocs, ready_empty() ? 1 : 0,
                threads.total, threads.idle,
                static_cast<unsigned long long>(sched.global_size.load(std::memory_order_relaxed)),
                seam_active ? ready_size() : local);
  report_text(line);
}

}  // namespace

void schedtrace() {
  const int64_t every_ns = int64_t{debug_vars().schedtrace_ms} * 1'000'000;
  const int64_t now_ns = nanotime();
  if (start_ns == 0) start_ns = now_ns;
  if (now_ns < next_ns) return;
  next_ns = now_ns + every_ns;
  print_line(now_ns - start_ns);
}

}  // namespace reprise::rt
