// A thread that waits for another's store without a system call; links nothing of Reprise.
#include <atomic>
#include <thread>

namespace {

std::atomic<bool> started{false};
std::atomic<bool> told{false};

__attribute__((noinline)) void spin_until_told() {
  started.store(true);
  while (!told.load(std::memory_order_relaxed)) {
  }
}

}  // namespace

int main() {
  std::thread other(spin_until_told);
  while (!started.load()) std::this_thread::yield();
  told.store(true);
  other.join();
}
