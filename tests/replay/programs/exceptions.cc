// C++ exceptions: through many frames, in threads, out of library code, rethrown.
#include <cstdio>
#include <exception>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {
struct Counted {
  static inline int live = 0;
  Counted() { ++live; }
  ~Counted() { --live; }
};

void fall(int depth) {
  Counted here;
  if (depth == 0) throw std::runtime_error("bottom");
  fall(depth - 1);
}

int caught_at(int depth) {
  try {
    fall(depth);
  } catch (const std::exception& error) {
    return static_cast<int>(std::string(error.what()).size()) + depth;
  }
  return -1;
}
}  // namespace

int main() {
  int sum = 0;
  for (int i = 0; i < 100; ++i) sum += caught_at(i);
  try {
    std::printf("%ju bytes\n", std::filesystem::file_size("/nonexistent/file"));
  } catch (const std::filesystem::filesystem_error& error) {
    std::printf("caught %s\n", error.what());
  }
  std::vector<std::thread> threads;
  std::vector<std::exception_ptr> errors(4);
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&errors, i] {
      try {
        fall(50 + i);
      } catch (...) {
        errors[i] = std::current_exception();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  int rethrown = 0;
  for (const std::exception_ptr& error : errors) {
    try {
      std::rethrow_exception(error);
    } catch (const std::runtime_error&) {
      ++rethrown;
    }
  }
  std::printf("sum %d rethrown %d live %d\n", sum, rethrown, Counted::live);
}
