// A handler without SA_RESTART has run by the time that the call it interrupts returns EINTR, also
// where the call is made often enough to be a rewritten one.
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

namespace {
volatile int alarms;

void on_alarm(int) { alarms = alarms + 1; }
}  // namespace

int main() {
  struct sigaction action = {};
  action.sa_handler = on_alarm;
  sigaction(SIGALRM, &action, nullptr);
  int ends[2];
  if (pipe(ends)) return 1;
  char byte = 'x';
  for (int i = 0; i < 100; ++i) {  // makes read and write hot
    if (write(ends[1], &byte, 1) != 1 || read(ends[0], &byte, 1) != 1) return 2;
  }
  int interrupted = 0, unhandled = 0;
  for (int i = 0; i < 20; ++i) {
    const int before = alarms;
    // Again and again: the first may come before the call.
    const itimerval timer = {{0, 1000}, {0, 1000}}, none = {};
    setitimer(ITIMER_REAL, &timer, nullptr);
    if (read(ends[0], &byte, 1) == -1 && errno == EINTR) {
      ++interrupted;
      unhandled += alarms == before;
    }
    setitimer(ITIMER_REAL, &none, nullptr);
  }
  std::printf("interrupted %d, of these without their handler %d\n", interrupted, unhandled);
  return interrupted == 20 && unhandled == 0 ? 0 : 3;
}
