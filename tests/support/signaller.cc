// Sends signals at random times: signaller PID COUNT SEED SIGNAL…, then SIGTERM. Real-time signals carry
// their number in the sequence as value. Ends with 1 if the process is gone before.
#include <signal.h>
#include <time.h>

#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

int main(int argc, char** argv) {
  if (argc < 5) return 64;
  const pid_t pid = std::atoi(argv[1]);
  const int count = std::atoi(argv[2]);
  std::mt19937 random(static_cast<unsigned>(std::atoi(argv[3])));
  std::vector<int> signals;
  for (int i = 4; i < argc; ++i) signals.push_back(std::atoi(argv[i]));
  for (int i = 0; i < count; ++i) {
    // Bursts of several at once, then a pause of up to half a millisecond.
    if (random() % 4 == 0) {
      const timespec pause = {0, static_cast<long>(random() % 500'000)};
      nanosleep(&pause, nullptr);
    }
    const int signal = signals[random() % signals.size()];
    sigval value = {};
    value.sival_int = i;
    if (signal >= SIGRTMIN ? sigqueue(pid, signal, value) : kill(pid, signal)) {
      if (i == 0) std::perror("signaller");
      if (kill(pid, 0) != 0) return 1;
    }
  }
  return kill(pid, SIGTERM) != 0;
}
