// Two goroutines that take two std::mutexes in opposite order, while main goes on: it looks every millisecond whether
// they are done. `stuck_pair fixed` takes them in one order.
#include <reprise/atomic.h>
#include <reprise/go.h>
#include <reprise/main.h>
#include <reprise/time.h>

#include <chrono>
#include <mutex>
#include <string_view>

namespace {

int app(int argc, char** argv) {
  const bool fixed = argc > 1 && std::string_view(argv[1]) == "fixed";
  static std::mutex a, b;
  static reprise::Atomic<int> done{0};
  const auto take = [](std::mutex& first, std::mutex& second) {
    const std::lock_guard hold(first);
    const std::lock_guard too(second);
    done.fetch_add(1);
  };
  reprise::go([take] { take(a, b); });
  reprise::go([take, fixed] { fixed ? take(a, b) : take(b, a); });
  while (done.load() < 2) reprise::sleep_for(std::chrono::milliseconds(1));
  return 0;
}

}  // namespace

REPRISE_MAIN(app)
