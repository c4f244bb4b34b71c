// Signals from outside at any time, into a program that does all that C programs do with them: storm
//
// Two threads compute, read a pipe, sleep and poll. Handlers: plain; on a stack of its own, with siginfo
// and SA_NODEFER, nesting; one that jumps out (siglongjmp) every now and then; one that resets itself and
// is installed again. Real-time signals with values, of which one kind is taken by a thread in
// sigtimedwait, one by signalfd. An interval timer, and one of timer_create with a value. Each delivery folds
// what the program has done so far into a digest. Prints its process id at once; digest and counts
// at SIGTERM.
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <initializer_list>

namespace {

volatile uint64_t worked[2] = {1, 2}, digest = 14695981039346656037u, values = 0;
volatile uint64_t plain, info_count, jumps, resets, timers, waited, read_by_fd, depth, deepest, interrupted;
volatile sig_atomic_t over = 0, may_jump = 0;
sigjmp_buf out;
alignas(16) char alternate[4 << 20];
int waiting_for, by_fd;

void fold(uint64_t what) { digest = (digest ^ what ^ worked[0] ^ worked[1] << 1) * 1099511628211u; }

void on_plain(int signal) {
  plain = plain + 1;
  fold(static_cast<uint64_t>(signal));
}

void on_info(int, siginfo_t* info, void*) {
  depth = depth + 1;
  if (depth > deepest) deepest = depth;
  info_count = info_count + 1;
  values = values * 31 + static_cast<uint64_t>(info->si_value.sival_int);
  fold(static_cast<uint64_t>(info->si_value.sival_int));
  getppid();
  depth = depth - 1;
}

void on_jump(int) {
  fold(7);
  if (!may_jump) return;
  jumps = jumps + 1;
  siglongjmp(out, 1);
}

void on_reset(int);
void install(int signal, void (*handler)(int), int flags) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = flags;
  sigaction(signal, &action, nullptr);
}

void on_reset(int signal) {
  resets = resets + 1;
  fold(3);
  install(signal, on_reset, SA_RESETHAND | SA_NODEFER);
}

void on_timer(int, siginfo_t* info, void*) {
  timers = timers + 1;
  fold(static_cast<uint64_t>(info->si_value.sival_int) + 100);
}

void on_end(int) { over = 1; }

void install_info(int signal, void (*handler)(int, siginfo_t*, void*), int flags) {
  struct sigaction action = {};
  action.sa_sigaction = handler;
  action.sa_flags = flags | SA_SIGINFO;
  sigaction(signal, &action, nullptr);
}

void compute(int thread, int rounds) {
  for (int i = 0; i < rounds; ++i) worked[thread] = worked[thread] * 6364136223846793005u + 1;
}

sigset_t only(std::initializer_list<int> signals) {
  sigset_t set;
  sigemptyset(&set);
  for (int signal : signals) sigaddset(&set, signal);
  return set;
}

void* waits(void*) {
  const sigset_t set = only({waiting_for});
  while (!over) {
    siginfo_t info;
    const timespec limit = {0, 3000000};
    compute(1, 300);
    if (sigtimedwait(&set, &info, &limit) != waiting_for) continue;
    waited = waited + 1;
    values = values * 31 + static_cast<uint64_t>(info.si_value.sival_int);
    fold(11);
  }
  return nullptr;
}

// Ends of system calls in every way.
void one_round(int pipe_in, int pipe_out, int fd) {
  compute(0, 500);
  char byte = 1;
  if (write(pipe_out, &byte, 1) == 1) interrupted = interrupted + (read(pipe_in, &byte, 1) != 1);
  pollfd polled = {fd, POLLIN, 0};
  interrupted = interrupted + (poll(&polled, 1, 1) < 0);
  signalfd_siginfo info;
  while (read(fd, &info, sizeof info) == sizeof info) {
    read_by_fd = read_by_fd + 1;
    values = values * 31 + static_cast<uint64_t>(info.ssi_int);
    fold(13);
  }
  may_jump = 1;
  if (sigsetjmp(out, 1) == 0) {
    compute(0, 300);
    const timespec nap = {0, 100000};
    nanosleep(&nap, nullptr);
  }
  may_jump = 0;
}

void start_timers() {
  const itimerval every = {{0, 1100}, {0, 1100}};
  setitimer(ITIMER_REAL, &every, nullptr);
  sigevent event = {};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGRTMIN + 4;
  event.sigev_value.sival_int = 42;
  timer_t timer;
  if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0) std::abort();
  const itimerspec spec = {{0, 1700000}, {0, 1700000}};
  timer_settime(timer, 0, &spec, nullptr);
}

}  // namespace

int main() {
  waiting_for = SIGRTMIN + 2;
  by_fd = SIGRTMIN + 3;
  const stack_t stack = {alternate, 0, sizeof alternate};
  sigaltstack(&stack, nullptr);
  const sigset_t blocked = only({waiting_for, by_fd});
  pthread_sigmask(SIG_BLOCK, &blocked, nullptr);
  install(SIGUSR1, on_plain, SA_RESTART);
  install(SIGHUP, on_plain, SA_ONSTACK);
  install_info(SIGRTMIN + 1, on_info, SA_ONSTACK | SA_NODEFER);
  install_info(SIGUSR2, on_info, SA_RESTART);
  install(SIGWINCH, on_reset, SA_RESETHAND | SA_NODEFER);
  install(SIGTERM, on_end, 0);
  install(SIGALRM, on_plain, SA_RESTART);
  install_info(SIGRTMIN + 4, on_timer, SA_RESTART);
  const int fd = signalfd(-1, &blocked, SFD_NONBLOCK);
  const sigset_t fd_only = only({by_fd});
  signalfd(fd, &fd_only, 0);

  int ends[2];
  if (pipe(ends) != 0) return 1;
  // The second thread takes none by handlers, or a jump could happen in it.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  pthread_create(&thread, nullptr, waits, nullptr);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  install(SIGRTMIN + 5, on_jump, SA_ONSTACK);
  start_timers();
  std::printf("%d\n", getpid());
  std::fflush(stdout);
  while (!over) one_round(ends[0], ends[1], fd);
  pthread_sigmask(SIG_SETMASK, &all, nullptr);
  pthread_join(thread, nullptr);
  std::printf("digest %016lx values %016lx plain %lu info %lu jumps %lu resets %lu timers %lu waited %lu fd %lu deep %lu "
              "interrupted %lu\n", digest, values, plain, info_count, jumps, resets, timers, waited, read_by_fd, deepest,
              interrupted);
}
