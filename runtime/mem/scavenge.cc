// Giving pages of free spans back: in steps of half a megabyte, which keeps the lock and the kernel's work short.
//
// Pages on their way are in use for the page allocator, so nobody gets them meanwhile; an allocation may take others in their
// place. A step that fails (locked memory) ends the call: trying again would fail again.
//
// Only pages above the heap's retained bytes go: what the next cycle will fill is left to it.
#include "runtime/mem/scavenge.h"

#include <sys/mman.h>
#include <sys/syscall.h>

#include <algorithm>
#include <atomic>

#include "runtime/mem/mheap.h"
#include "runtime/sched/native.h"
#include "runtime/sched/proc.h"
#include "runtime/sched/sema.h"
#include "runtime/sys/syscall.h"
#include "runtime/time/timer.h"

namespace reprise::rt {

namespace {

constexpr size_t kStepPages = (size_t{512} << 10) / kHeapPageBytes;
constexpr int64_t kPace = 100;              // sleeps a hundred times as long as it works
constexpr int64_t kShortestSleepNs = 1'000'000;

std::atomic<uint64_t> memory_limit{UINT64_MAX};
std::atomic<uint64_t> retain{UINT64_MAX};
// The background was asked to look: a token is in the semaphore, or it has just been taken.
std::atomic<bool> asked{false};
std::atomic<uint32_t> wake_up{0};
std::atomic<bool> started{false};
std::atomic<bool> at_rest{true};  // it waits for wake_up
std::atomic<bool> quiet{false};   // it should

uint64_t resident_bytes() {
  mheap_.lock.lock();
  const uint64_t bytes = mheap_.pages.resident() * kHeapPageBytes;
  mheap_.lock.unlock();
  return bytes;
}

uint64_t excess() {
  const uint64_t goal = retain.load(std::memory_order_relaxed), now = resident_bytes();
  return now > goal ? now - goal : 0;
}

bool release_pages(const PageAlloc::Scavengable& run) {
  const uintptr_t at = kHeapArena + run.page * kHeapPageBytes;
  return sys::call_kernel(SYS_madvise, at, run.npages * kHeapPageBytes, MADV_DONTNEED) == 0;
}

// Half a megabyte at most. 0: there is nothing, or it cannot be released.
size_t step(size_t pages) {
  mheap_.lock.lock();
  const PageAlloc::Scavengable run = mheap_.pages.take_scavengable(std::min(pages, kStepPages));
  mheap_.lock.unlock();
  if (run.page == PageAlloc::kNone) return 0;
  const bool released = release_pages(run);
  mheap_.lock.lock();
  mheap_.pages.give_back(run, released);
  mheap_.lock.unlock();
  return released ? run.npages : 0;
}

// Until less than the goal is retained, or nothing is left to release.
void work_to_goal() {
  while (const uint64_t over = excess()) {
    if (quiet.load(std::memory_order_relaxed)) return;
    const int64_t begun = monotonic_ns();
    if (scavenge(std::min<uint64_t>(over, kStepPages * kHeapPageBytes)) == 0) return;
    time_sleep(std::max(kShortestSleepNs, (monotonic_ns() - begun) * kPace));
  }
}

void bgscavenge(void*) {
  for (;;) {
    semacquire(&wake_up);
    at_rest.store(false);
    asked.store(false);  // before it looks: what is asked for from now on leads to another round
    work_to_goal();
    at_rest.store(true);
  }
}

}  // namespace

size_t scavenge(size_t bytes) {
  const size_t pages = bytes / kHeapPageBytes + (bytes % kHeapPageBytes != 0 ? 1 : 0);
  size_t done = 0;
  while (done < pages) {
    const size_t n = step(pages - done);
    if (n == 0) break;
    done += n;
  }
  return done * kHeapPageBytes;
}

size_t scavenge_all() { return scavenge(SIZE_MAX); }

void scavenge_set_goal(uint64_t retain_bytes) {
  retain.store(retain_bytes, std::memory_order_relaxed);
  if (seam_active) {
    if (const uint64_t over = excess()) scavenge(over);
    return;
  }
  if (!asked.exchange(true)) semrelease(&wake_up);
}

void bgscavenge_start() {
  if (seam_active || started.exchange(true)) return;
  newproc(bgscavenge, nullptr, nullptr, SpawnOptions{.system = true});
}

// It may be asleep for as long as its last step took a hundred times; in the child of a fork it may be gone.
void scavenge_quiesce() {
  constexpr int64_t kLongestNs = 1'000'000'000;
  if (!started.load()) return;
  quiet.store(true);
  const int64_t begun = monotonic_ns();
  while ((!at_rest.load() || asked.load()) && monotonic_ns() - begun < kLongestNs) time_sleep(kShortestSleepNs);
  quiet.store(false);
}

void heap_set_memory_limit(uint64_t bytes) { memory_limit.store(bytes, std::memory_order_relaxed); }
uint64_t heap_memory_limit() { return memory_limit.load(std::memory_order_relaxed); }

}  // namespace reprise::rt
