// A goroutine that is locked to a thread of its own computes until another has run: only the end of its time slice
// lets that come about. The timer of time slices is the first thread's.
#include <reprise/reprise.h>

#include <atomic>
#include <cstdio>

namespace {

std::atomic<bool> computing{false}, seen{false};

int locked() {
  reprise::WaitGroup done(1);
  reprise::go([done]() mutable {
    reprise::lock_os_thread();
    computing.store(true);
    uint64_t turns = 0;
    while (!seen.load(std::memory_order_relaxed)) ++turns;
    std::printf("%s\n", turns != 0 ? "preempted" : "not needed");
    done.done();
  });
  while (!computing.load()) reprise::yield();
  reprise::yield();
  seen.store(true);
  done.wait();
  return 0;
}

}  // namespace

REPRISE_MAIN(locked)
