// Four threads that race for a mutex, with sleeps between: prints who came when.
#include <unistd.h>

#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <thread>
#include <vector>

namespace {
std::mutex mutex;
std::condition_variable turned;
int turns;
std::vector<int> order;
thread_local int mine;

void work(int id) {
  for (int k = 0; k < 200; ++k) {
    if (k % 10 == id) usleep(50 * (id + 1));
    std::unique_lock lock(mutex);
    order.push_back(id);
    if (++mine % 50 == 0) {
      ++turns;
      turned.notify_all();
    }
  }
}
}  // namespace

int main() {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back(work, i);
  {
    std::unique_lock lock(mutex);
    turned.wait(lock, [] { return turns >= 8; });
    order.push_back(99);
  }
  for (std::thread& thread : threads) thread.join();
  unsigned hash = 0;
  for (int id : order) hash = hash * 31 + id;
  std::printf("order %u of %zu, tid %d\n", hash, order.size(), gettid());
}
