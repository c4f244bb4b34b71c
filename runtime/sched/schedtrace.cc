// schedtrace: a line about the scheduler every so many milliseconds (REPRISE_DEBUG=schedtrace=MS).
//
// sysmon prints it in native mode. In controlled modes it is printed from the scheduler's own rounds:
// nothing while a goroutine computes or while everybody waits, and the line comes at the next round.
// The numbers are of about the same moment; nothing is stopped for them.
#include <cstdio>
#include <string>

#include "runtime/boot/boot.h"
#include "runtime/panic/report.h"
#include "runtime/sched/native.h"
#include "runtime/sched/seam.h"
#include "runtime/time/clock.h"

namespace reprise::rt {

namespace {

int64_t start_ns = 0;  // the P in controlled modes, sysmon in native mode
int64_t next_ns = 0;

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

void print_controlled(int64_t since_ns) {
  const Threads threads = count_threads();
  char line[200];
  std::snprintf(line, sizeof line,
                "SCHED %lldms: gomaxprocs=%d idleprocs=%d threads=%d spinningthreads=0 idlethreads=%d "
                "runqueue=0 [%zu]\n",
                static_cast<long long>(since_ns / 1'000'000), sched.gomaxprocs.load(), ready_size() == 0,
                threads.total, threads.idle, ready_size());
  report_text(line);
}

// The length of a P's queue, runnext included, as it was about now.
uint32_t queue_length(const P* pp) {
  const uint32_t head = pp->runqhead.load(std::memory_order_relaxed);
  const uint32_t tail = pp->runqtail.load(std::memory_order_relaxed);
  const uint32_t ring = tail - head <= kRunqSize ? tail - head : 0;
  return ring + (pp->runnext.load(std::memory_order_relaxed) != nullptr);
}

void print_native(int64_t since_ns) {
  sched.lock.lock();
  const int32_t threads = sched.mcount, idle = sched.nmidle;
  sched.lock.unlock();
  const int32_t procs = sched.nprocs.load(std::memory_order_acquire);
  char line[200];
  std::snprintf(line, sizeof line,
                "SCHED %lldms: gomaxprocs=%d idleprocs=%d threads=%d spinningthreads=%d idlethreads=%d "
                "runqueue=%llu [",
                static_cast<long long>(since_ns / 1'000'000), procs,
                sched.wakeup.npidle.load(std::memory_order_relaxed), threads,
                sched.wakeup.nmspinning.load(std::memory_order_relaxed), idle,
                static_cast<unsigned long long>(sched.global_size.load(std::memory_order_relaxed)));
  std::string text = line;
  for (int32_t i = 0; i < procs; ++i) {
    if (i != 0) text += ' ';
    text += std::to_string(queue_length(allp[i].load(std::memory_order_acquire)));
  }
  report_text(text + "]\n");
}

void print_if_due() {
  const int64_t every_ns = int64_t{debug_vars().schedtrace_ms} * 1'000'000;
  const int64_t now_ns = nanotime();
  if (start_ns == 0) start_ns = now_ns;
  if (now_ns < next_ns) return;
  next_ns = now_ns + every_ns;
  if (seam_active) return print_controlled(now_ns - start_ns);
  print_native(now_ns - start_ns);
}

}  // namespace

void schedtrace() {
  // sysmon and runtime.main's first line; the one that comes second has nothing to add.
  static std::atomic_flag busy;
  if (busy.test_and_set(std::memory_order_acquire)) return;
  print_if_due();
  busy.clear(std::memory_order_release);
}

}  // namespace reprise::rt
