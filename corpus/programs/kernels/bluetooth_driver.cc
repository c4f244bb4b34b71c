// bluetooth_driver: a request tests whether the driver is stopping and only then counts itself, so the
// driver may stop in between (Qadeer, Wu, "KISS: Keep It Simple and Sequential", 2004). The twin counts
// first and tests then.
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
  bool enter(bool fixed) {
    if (fixed) {
      count(1);
      if (!stopping.read()) return true;
      leave();
      return false;
    }
    if (stopping.read()) return false;
    count(1);
    return true;
  }
};

void request(Driver& d, bool fixed) {
  if (!d.enter(fixed)) return;
  require(!d.stopped.read(), "bluetooth_driver: a request at a stopped driver");
  d.leave();
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
  threads.start([&d, fixed] { request(d, fixed); });
  threads.start([&d] { stop(d); });
}

}  // namespace kernels
