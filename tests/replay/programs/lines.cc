// lines THREADS COUNT: so many threads write lines to stdout, each line by one call.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

int main(int argc, char** argv) {
  if (argc != 3) return 64;
  std::vector<std::thread> threads;
  for (int t = 0; t < std::atoi(argv[1]); ++t) {
    threads.emplace_back([t, count = std::atoi(argv[2])] {
      for (int i = 0; i < count; ++i) {
        char line[32];
        const int size = std::snprintf(line, sizeof line, "%d.%d\n", t, i);
        if (write(STDOUT_FILENO, line, static_cast<size_t>(size)) != size) std::abort();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}
