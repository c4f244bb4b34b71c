// What SIGCHLD's flags ask for beside a handler: no signal for a child that only stops (SA_NOCLDSTOP), and nothing left to
// wait for when one has ended (SA_NOCLDWAIT).
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

namespace {

volatile int told;
void on_child(int) { told = told + 1; }

void handle(int flags) {
  struct sigaction action = {};
  action.sa_handler = on_child;
  action.sa_flags = SA_RESTART | flags;
  sigaction(SIGCHLD, &action, nullptr);
}

pid_t child_that_stops() {
  const pid_t child = fork();
  if (child == 0) {
    raise(SIGSTOP);
    _exit(0);
  }
  return child;
}

}  // namespace

int main() {
  handle(SA_NOCLDSTOP);
  const pid_t stops = child_that_stops();
  int status = 0;
  waitpid(stops, &status, WUNTRACED);
  std::printf("stopped: %d, told: %d\n", WIFSTOPPED(status), told);
  handle(SA_NOCLDWAIT);
  kill(stops, SIGKILL);
  const bool none_left = wait(nullptr) < 0 && errno == ECHILD;
  std::printf("none left: %d, told: %d\n", none_left, told != 0);
}
