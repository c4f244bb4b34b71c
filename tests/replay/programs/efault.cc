// Bad pointers in system calls give EFAULT, as from the kernel, and nothing else.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <ctime>

namespace {
int failures;

void expect(const char* what, long result) {
  const int error = errno;
  std::printf("%s: %ld errno %d\n", what, result, result < 0 ? error : 0);
  failures += result != -1 || error != EFAULT;
}
}  // namespace

int main() {
  auto* const nowhere = reinterpret_cast<void*>(0x1000);
  auto* page = static_cast<char*>(
      mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  munmap(page + 4096, 4096);
  const int zero = open("/dev/zero", O_RDONLY);
  for (int i = 0; i < 20; ++i) {
    expect("read", syscall(SYS_read, zero, nowhere, 16));
    expect("getrandom", syscall(SYS_getrandom, nowhere, 16, 0));
  }
  int ends[2];
  if (pipe(ends)) return 2;
  expect("write", syscall(SYS_write, ends[1], nowhere, 16));
  expect("open", syscall(SYS_open, nowhere, O_RDONLY));
  expect("stat", syscall(SYS_stat, "/", nowhere));
  expect("clock_gettime", syscall(SYS_clock_gettime, CLOCK_REALTIME, nowhere));
  expect("pipe", syscall(SYS_pipe, nowhere));
  expect("uname", syscall(SYS_uname, nowhere));
  page[4095] = 'x';
  expect("path past a page", syscall(SYS_open, page + 4095, O_RDONLY));
  return failures;
}
