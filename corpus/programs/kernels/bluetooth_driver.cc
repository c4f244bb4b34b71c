// bluetooth_driver: a request tests whether the driver is stopping and only then counts itself, so the
// driver may stop in between (Qadeer, Wu, "KISS: Keep It Simple and Sequential", 2004). The twin counts
// first and tests then, and does all under the lock.
#include <mutex>

#include "corpus/programs/kernels/kernel.h"
#include "corpus/programs/kernels/kernels.h"

namespace kernels {
namespace {

struct Driver {
  reprise::Mutex lock;
  Racy<bool> stopping{false}, stop_event{false}, stopped{false};
  Racy<int> pending{1};

  void count(int delta) {
    const std::lock_guard hold(lock);
    pending.write(pending.read() + delta);
  }
  void leave() {
    count(-1);
    if (pending.read() == 0) stop_event.write(true);
  }
  bool enter() {
    if (stopping.read()) return false;
    count(1);
    return true;
  }

  void leave_locked() {
    pending.write(pending.read() - 1);
    if (pending.read() == 0) stop_event.write(true);
  }
  bool enter_locked() {
    const std::lock_guard hold(lock);
    pending.write(pending.read() + 1);
    if (!stopping.read()) return true;
    leave_locked();
    return false;
  }
};

constexpr const char* kClaim = "bluetooth_driver: a request at a stopped driver";

void request(Driver& d) {
  if (!d.enter()) return;
  require(!d.stopped.read(), kClaim);
  d.leave();
}

void request_fixed(Driver& d) {
  if (!d.enter_locked()) return;
  const std::lock_guard hold(d.lock);
  require(!d.stopped.read(), kClaim);
  d.leave_locked();
}

void stop_fixed(Driver& d) {
  {
    const std::lock_guard hold(d.lock);
    d.stopping.write(true);
    d.leave_locked();
  }
  const std::lock_guard hold(d.lock);
  if (d.stop_event.read()) d.stopped.write(true);
}

void stop(Driver& d) {
  d.stopping.write(true);
  d.leave();
  if (d.stop_event.read()) d.stopped.write(true);
}

}  // namespace

void bluetooth_driver(bool fixed) {
  Driver d;
  Threads threads;
  threads.start([&d, fixed] { fixed ? request_fixed(d) : request(d); });
  threads.start([&d, fixed] { fixed ? stop_fixed(d) : stop(d); });
}

}  // namespace kernels
