// Changes the identity of all threads while another goroutine stands preempted in a computation.
#include <reprise/reprise.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>

namespace {

std::atomic<bool> computing{false}, changed{false};

int identity() {
  reprise::WaitGroup done(1);
  reprise::go([done]() mutable {
    computing.store(true);
    while (!changed.load(std::memory_order_relaxed)) {}
    done.done();
  });
  while (!computing.load()) reprise::yield();
  const bool ok = setuid(getuid()) == 0;
  std::printf("%s\n", ok ? "changed" : "not changed");
  changed.store(true);
  done.wait();
  return 0;
}

}  // namespace

REPRISE_MAIN(identity)
