// Ends in the way that its argument names, after a line on stdout.
#include <fcntl.h>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>

namespace {

volatile int zero = 0, hundred = 100;
volatile int* volatile nowhere = reinterpret_cast<volatile int*>(16);

void end(const std::string& how) {
  if (how == "segv") *nowhere = 1;
  if (how == "segv_in_thread") std::thread([] { *nowhere = 1; }).join();
  if (how == "abort") std::abort();
  if (how == "divide") zero = hundred / zero;
  if (how == "trap") __builtin_trap();
  if (how == "breakpoint") asm("int3");
  if (how == "kill_itself") kill(getpid(), SIGKILL);
  if (how == "sent_segv") kill(getpid(), SIGSEGV);
  if (how == "pipe") {
    int ends[2];
    if (pipe(ends) == 0) close(ends[0]);
    if (write(ends[1], "x", 1) < 0) std::perror("write");
  }
  if (how == "alarm") {
    alarm(1);
    for (;;) pause();
  }
  if (how == "add_key") syscall(SYS_add_key, 0, 0, 0, 0, 0);
  if (how == "io_uring") syscall(SYS_io_uring_setup, 1, 0);
  if (how == "ptrace") syscall(SYS_ptrace, 0, 0, 0, 0);
  if (how == "shared_mapping") {
    FILE* file = std::tmpfile();
    open(("/proc/self/fd/" + std::to_string(fileno(file))).c_str(), O_RDWR);
    mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(file), 0);
  }
  if (how == "shared_file_fork") {
    FILE* file = std::tmpfile();
    mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(file), 0);
    if (fork() == 0) _exit(0);
  }
  if (how == "shared_fork") {
    mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (fork() == 0) _exit(0);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 64;
  std::printf("to end by %s\n", argv[1]);
  std::fflush(stdout);
  end(argv[1]);
  return std::strcmp(argv[1], "exit") == 0 ? 7 : 0;
}
