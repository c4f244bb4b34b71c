// Work for race detectors: in the checked flavour on goroutines, else on threads (for ThreadSanitizer).
//
//   race_kernels NAME ROUNDS    prints the nanoseconds that the work took
//
// checked_cost.py builds and runs both.
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <mutex>
#include <vector>

#ifdef REPRISE_CHECKED
#include <reprise/go.h>
#include <reprise/main.h>
#include <reprise/sync.h>
#else
#include <thread>
#endif

namespace {

#ifdef REPRISE_CHECKED
class Workers {
 public:
  template <class F>
  void start(F f) {
    all_.add(1);
    reprise::go([f, all = all_]() mutable {
      f();
      all.done();
    });
  }
  ~Workers() { all_.wait(); }

 private:
  reprise::WaitGroup all_;
};
#else
class Workers {
 public:
  template <class F>
  void start(F f) {
    threads_.emplace_back(f);
  }
  ~Workers() {
    for (std::thread& thread : threads_) thread.join();
  }

 private:
  std::vector<std::thread> threads_;
};
#endif

// The kernel of the corpus, many times over.
void account(int rounds) {
  for (int i = 0; i < rounds; ++i) {
    std::mutex lock;
    int balance = 1;
    bool deposited = false, withdrawn = false;
    Workers workers;
    workers.start([&] { const std::lock_guard hold(lock); balance += 2; deposited = true; });
    workers.start([&] { const std::lock_guard hold(lock); balance -= 4; withdrawn = true; });
    workers.start([&] {
      const std::lock_guard hold(lock);
      if (deposited && withdrawn && balance != -1) std::abort();
    });
  }
}

void stack(int rounds) {
  std::mutex lock;
  std::vector<int> items;
  Workers workers;
  for (int w = 0; w < 2; ++w) {
    workers.start([&] {
      for (int i = 0; i < rounds; ++i) {
        const std::lock_guard hold(lock);
        items.push_back(i);
      }
    });
    workers.start([&] {
      for (int i = 0; i < rounds; ++i) {
        const std::lock_guard hold(lock);
        if (!items.empty()) items.pop_back();
      }
    });
  }
}

void queue(int rounds) {
  std::mutex lock;
  std::condition_variable changed;
  std::deque<int> items;
  Workers workers;
  workers.start([&] {
    for (int i = 0; i < rounds; ++i) {
      const std::lock_guard hold(lock);
      items.push_back(i);
      changed.notify_one();
    }
  });
  workers.start([&] {
    for (int i = 0; i < rounds; ++i) {
      std::unique_lock hold(lock);
      changed.wait(hold, [&] { return !items.empty(); });
      items.pop_front();
    }
  });
}

void circular_buffer(int rounds) {
  std::mutex lock;
  int buffer[8] = {}, first = 0, count = 0;
  Workers workers;
  workers.start([&] {
    for (int i = 0; i < rounds;) {
      const std::lock_guard hold(lock);
      if (count == 8) continue;
      buffer[(first + count++) % 8] = i++;
    }
  });
  workers.start([&] {
    for (int i = 0; i < rounds;) {
      const std::lock_guard hold(lock);
      if (count == 0) continue;
      if (buffer[first] != i++) std::abort();
      first = (first + 1) % 8, --count;
    }
  });
}

// Parts of one array, no lock: nearly all accesses.
void parts(int rounds) {
  std::vector<uint32_t> values(4096);
  Workers workers;
  for (uint32_t w = 0; w < 4; ++w) {
    workers.start([&values, w, rounds] {
      for (int i = 0; i < rounds; ++i) {
        for (uint32_t at = w * 1024; at < (w + 1) * 1024; ++at) values[at] = values[at] * 31 + at;
      }
    });
  }
}

struct Kernel {
  const char* name;
  void (*run)(int rounds);
};
constexpr Kernel kKernels[] = {{"account", account}, {"stack", stack}, {"queue", queue},
                               {"circular_buffer", circular_buffer}, {"parts", parts}};

int run(int argc, char** argv) {
  for (const Kernel& kernel : kKernels) {
    if (argc != 3 || std::strcmp(argv[1], kernel.name) != 0) continue;
    const auto start = std::chrono::steady_clock::now();
    kernel.run(std::atoi(argv[2]));
    const std::chrono::nanoseconds took = std::chrono::steady_clock::now() - start;
    std::printf("%lld\n", static_cast<long long>(took.count()));
    return 0;
  }
  return std::fprintf(stderr, "race_kernels NAME ROUNDS\n"), 64;
}

}  // namespace

#ifdef REPRISE_CHECKED
REPRISE_MAIN(run)
#else
int main(int argc, char** argv) { return run(argc, argv); }
#endif
