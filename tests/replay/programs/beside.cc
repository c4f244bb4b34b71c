// beside ROUNDS: one thread sits in calls that write its memory, another reads that memory all the
// time. Each round goes through every call below; what the reader sees at each look goes into a hash.
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

namespace {

// All that a call of the worker writes.
struct Memory {
  char data[8][64];
  iovec vectors[8];
  msghdr message;
  mmsghdr messages[4];
  alignas(16) char control[128];
  sockaddr_storage name;
  socklen_t name_length;
  pollfd polled[2];
  fd_set set;
  timespec time;
  timeval interval;
  epoll_event events[4];
  siginfo_t info;
  int status;
  long offset;
};
Memory memory;

int stream[2], datagrams[2], pipes[2], epoll, listener;
sockaddr_un address;
socklen_t address_length;
pid_t child;

uint64_t seen = 1;
void look() {
  const auto* p = reinterpret_cast<const volatile unsigned char*>(&memory);
  for (size_t i = 0; i < sizeof memory; ++i) seen = (seen ^ p[i]) * 0x100'0000'01b3;
}

void point_vectors() {
  for (int i = 0; i < 8; ++i) memory.vectors[i] = {memory.data[i], 3};
}

void prepare_message(iovec* v, int count) {
  point_vectors();
  memory.message = {&memory.name, sizeof memory.name, v, static_cast<size_t>(count), memory.control,
                    sizeof memory.control, 0};
}

// ---- the worker's side ----
void do_readv() { point_vectors(); if (readv(pipes[0], memory.vectors, 8) < 0) std::abort(); }
void do_read() { if (read(pipes[0], memory.data, 64) < 0) std::abort(); }
void do_recvfrom() {
  memory.name_length = sizeof memory.name;
  recvfrom(datagrams[0], memory.data, 64, 0, reinterpret_cast<sockaddr*>(&memory.name), &memory.name_length);
}
void do_recvmsg() {
  prepare_message(memory.vectors, 8);
  if (recvmsg(datagrams[0], &memory.message, 0) < 0) std::abort();
  const cmsghdr* c = CMSG_FIRSTHDR(&memory.message);
  if (c && c->cmsg_type == SCM_RIGHTS) close(*reinterpret_cast<const int*>(CMSG_DATA(c)));
}
void do_recvmmsg() {
  point_vectors();
  for (int i = 0; i < 4; ++i) memory.messages[i].msg_hdr = {nullptr, 0, &memory.vectors[2 * i], 2, nullptr, 0, 0};
  if (recvmmsg(datagrams[0], memory.messages, 4, MSG_WAITFORONE, nullptr) < 0) std::abort();
}
void do_poll() {
  memory.polled[0] = {pipes[0], POLLIN, 0};
  memory.polled[1] = {stream[0], POLLIN | POLLOUT, 0};
  memory.polled[1].events = POLLIN;
  poll(memory.polled, 2, -1);
  do_read();
}
void do_ppoll() {
  memory.polled[0] = {pipes[0], POLLIN, 0};
  memory.time = {100, 5};
  ppoll(memory.polled, 1, &memory.time, nullptr);
  do_read();
}
void do_select() {
  FD_ZERO(&memory.set);
  FD_SET(pipes[0], &memory.set);
  FD_SET(stream[0], &memory.set);
  memory.interval = {100, 7};
  select(64, &memory.set, nullptr, nullptr, &memory.interval);
  do_read();
}
void do_pselect() {
  FD_ZERO(&memory.set);
  FD_SET(pipes[0], &memory.set);
  pselect(64, &memory.set, nullptr, nullptr, nullptr, nullptr);
  do_read();
}
void do_epoll() {
  if (epoll_pwait(epoll, memory.events, 4, -1, nullptr) != 1) std::abort();
  do_read();
}
void do_accept() {
  memory.name_length = sizeof memory.name;
  const int fd = accept4(listener, reinterpret_cast<sockaddr*>(&memory.name), &memory.name_length, 0);
  if (fd < 0) std::abort();
  close(fd);
}
void do_wait() {
  rusage use;
  wait4(child, &memory.status, 0, &use);
}
void do_waitid() { waitid(P_PID, child, &memory.info, WEXITED); }
void do_sigtimedwait() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigwaitinfo(&set, &memory.info);
}
void do_nanosleep() {  // SIGUSR2 interrupts it
  memory.time = {100, 0};
  nanosleep(&memory.time, &memory.time);
}
void do_splice() {
  memory.offset = 5;
  static FILE* file = std::tmpfile();
  splice(pipes[0], nullptr, fileno(file), &memory.offset, 64, 0);
}

// ---- the reader's side ----
pthread_t worker;
void feed_pipe() { if (write(pipes[1], "abcdefghijklmnopq", 17) != 17) std::abort(); }
void feed_datagram() { if (send(datagrams[1], "0123456789ABCDEF", 16, 0) < 0) std::abort(); }
void feed_message() {
  alignas(16) char control[CMSG_SPACE(sizeof(int))] = {};
  iovec v = {const_cast<char*>("zyxwvutsrq"), 10};
  msghdr m = {nullptr, 0, &v, 1, control, sizeof control, 0};
  cmsghdr* c = CMSG_FIRSTHDR(&m);
  *c = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
  *reinterpret_cast<int*>(CMSG_DATA(c)) = stream[0];
  if (sendmsg(datagrams[1], &m, 0) < 0) std::abort();
}
void feed_connection() {
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), address_length)) std::abort();
  close(fd);
}
void feed_child() { kill(child, SIGKILL); }
void feed_usr1() { pthread_kill(worker, SIGUSR1); }
// The worker may not be asleep yet, and then the signal does not wake it.
volatile int step_done;
void feed_usr2() {
  while (!step_done) {
    pthread_kill(worker, SIGUSR2);
    usleep(1000);
  }
}

struct Step {
  void (*work)();
  void (*feed)();
  bool needs_child;
};
constexpr Step kSteps[] = {
    {do_readv, feed_pipe, false},        {do_read, feed_pipe, false},
    {do_recvfrom, feed_datagram, false}, {do_recvmsg, feed_message, false},
    {do_recvmmsg, feed_datagram, false}, {do_poll, feed_pipe, false},
    {do_ppoll, feed_pipe, false},        {do_select, feed_pipe, false},
    {do_pselect, feed_pipe, false},      {do_epoll, feed_pipe, false},
    {do_accept, feed_connection, false}, {do_wait, feed_child, true},
    {do_waitid, feed_child, true},       {do_sigtimedwait, feed_usr1, false},
    {do_nanosleep, feed_usr2, false},    {do_splice, feed_pipe, false},
};

pthread_barrier_t begin, end;
int rounds;

void* work(void*) {
  for (int r = 0; r < rounds; ++r) {
    for (const Step& step : kSteps) {
      pthread_barrier_wait(&begin);
      step.work();
      step_done = 1;
      pthread_barrier_wait(&end);
    }
  }
  return nullptr;
}

pid_t sleeper() {
  const pid_t pid = fork();
  if (pid) return pid;
  for (;;) pause();
}

void run(const Step& step) {
  step_done = 0;
  if (step.needs_child) child = sleeper();
  pthread_barrier_wait(&begin);
  usleep(100);
  for (int i = 0; i < 4; ++i) look();
  step.feed();
  // No call, so no turn for the worker: whatever changes now was not written under the baton.
  for (int i = 0; i < 60; ++i) look();
  for (int i = 0; i < 20 && !step_done; ++i) {
    sched_yield();
    look();
  }
  pthread_barrier_wait(&end);
  look();
}

void nothing(int) {}

}  // namespace

int main(int argc, char** argv) {
  rounds = argc > 1 ? std::atoi(argv[1]) : 10;
  struct sigaction action = {};
  action.sa_handler = nothing;
  sigaction(SIGUSR2, &action, nullptr);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, stream) || socketpair(AF_UNIX, SOCK_DGRAM, 0, datagrams) ||
      pipe(pipes)) {
    std::perror("beside");
    return 1;
  }
  epoll = epoll_create1(0);
  epoll_event event = {EPOLLIN, {}};
  event.data.u64 = 0x1234'5678'9abc;
  epoll_ctl(epoll, EPOLL_CTL_ADD, pipes[0], &event);
  listener = socket(AF_UNIX, SOCK_STREAM, 0);
  const sa_family_t unnamed = AF_UNIX;  // the kernel chooses an abstract name
  std::memcpy(&address, &unnamed, sizeof unnamed);
  bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof unnamed);
  listen(listener, 4);
  address_length = sizeof address;
  getsockname(listener, reinterpret_cast<sockaddr*>(&address), &address_length);
  pthread_barrier_init(&begin, nullptr, 2);
  pthread_barrier_init(&end, nullptr, 2);
  pthread_create(&worker, nullptr, work, nullptr);
  for (int r = 0; r < rounds; ++r) {
    for (const Step& step : kSteps) run(step);
  }
  pthread_join(worker, nullptr);
  std::printf("seen %016lx\n", static_cast<unsigned long>(seen));
}
