// More queued signals at once than the stage keeps for a thread: none is lost.
#include <csignal>
#include <cstdio>
#include <initializer_list>
#include <unistd.h>

namespace {
volatile std::sig_atomic_t count = 0, sum = 0;
void on_signal(int, siginfo_t* info, void*) {
  count = count + 1;
  sum = sum + info->si_value.sival_int;
}
}  // namespace

int main() {
  struct sigaction action {};
  action.sa_sigaction = on_signal;
  action.sa_flags = SA_SIGINFO;
  sigset_t both, before;
  sigemptyset(&both);
  for (const int s : {SIGRTMIN, SIGRTMIN + 1}) {
    sigaction(s, &action, nullptr);
    sigaddset(&both, s);
  }
  sigprocmask(SIG_BLOCK, &both, &before);
  for (int i = 1; i <= 100; ++i) {
    sigval value{};
    value.sival_int = i;
    sigqueue(getpid(), SIGRTMIN + i % 2, value);
  }
  sigprocmask(SIG_SETMASK, &before, nullptr);
  while (count < 100) getppid();
  std::printf("%d signals, sum %d\n", count, sum);
}
