// Signals at every kind of place: a computation that reads clocks, a sleep, children that end, a
// signal to itself, sigsuspend, a fault that is jumped out of, a nested handler.
#include <setjmp.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <ctime>
#include <initializer_list>

namespace {
volatile int alarms, children, nested;
volatile double at;
double sum;
sigjmp_buf out;

void on_signal(int signal, siginfo_t* info, void*) {
  if (signal == SIGALRM) {
    alarms = alarms + 1;
    at = sum;
  } else if (signal == SIGCHLD) {
    children = children + (info->si_pid > 0);
  } else if (signal == SIGSEGV) {
    siglongjmp(out, 1);
  } else if (signal == SIGUSR1) {
    raise(SIGUSR2);
    nested = nested + 1;
  } else if (signal == SIGUSR2) {
    nested = nested * 10 + 1;
  }
}

void every_us(long interval) {
  const itimerval timer = {{0, interval}, {0, interval}};
  setitimer(ITIMER_REAL, &timer, nullptr);
}

void compute() {
  for (int i = 0; i < 200000; ++i) {
    sum += i * 0.5;
    if (i % 16) continue;
    timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    sum += static_cast<double>(now.tv_nsec % 3);
  }
}

int interrupted_sleeps() {
  int count = 0;
  for (int i = 0; i < 20; ++i) {
    timespec left = {0, 2000000};
    count += nanosleep(&left, &left) && errno == EINTR;
  }
  return count;
}

bool faults() {
  if (sigsetjmp(out, 1)) return true;
  int* volatile nowhere = reinterpret_cast<int*>(8);
  *nowhere = 1;
  return false;
}
}  // namespace

int main() {
  struct sigaction action = {};
  action.sa_flags = SA_RESTART | SA_SIGINFO;
  action.sa_sigaction = on_signal;
  for (int signal : {SIGALRM, SIGCHLD, SIGSEGV, SIGUSR1, SIGUSR2}) {
    sigaction(signal, &action, nullptr);
  }
  every_us(700);
  compute();
  const int slept = interrupted_sleeps();
  every_us(0);
  for (int i = 0; i < 5; ++i) {
    if (!fork()) _exit(i);
  }
  while (wait(nullptr) > 0) {
  }
  raise(SIGUSR1);
  sigset_t none;
  sigemptyset(&none);
  every_us(5000);  // and not once: it may come before the wait
  sigsuspend(&none);
  every_us(0);
  const int faulted = faults() + faults() + faults();
  std::printf("alarms %d last at %f sleeps %d children %d nested %d faults %d sum %f\n", alarms, at,
              slept, children, nested, faulted, sum);
}
