// One program for the tests of the command line: each first argument is a way to behave and to end.
// Plain C library, so that what is recorded is the stage's work alone.
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

namespace {

int print_time() {
  timespec now{};
  for (int i = 0; i < 3; ++i) {
    clock_gettime(CLOCK_REALTIME, &now);
    printf("%ld.%09ld\n", now.tv_sec, now.tv_nsec);
  }
  return 0;
}

// Fails in about one run of four, by a random byte.
int flaky() {
  unsigned char byte = 0;
  int fd = open("/dev/urandom", O_RDONLY);
  if (fd < 0 || read(fd, &byte, 1) != 1) return 99;
  printf("byte %d\n", byte);
  return byte < 64 ? 7 : 0;
}

int crash() {
  puts("about to crash");
  fflush(stdout);
  int* volatile nowhere = nullptr;
  return *nowhere;
}

// Prints lines until killed; the first when it is ready.
int chatter() {
  for (unsigned long n = 0;; ++n) {
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    printf("line %lu %ld\n", n, now.tv_nsec);
    fflush(stdout);
    usleep(1000);
  }
}

int big() {
  static char bytes[1 << 20];
  for (int i = 0; i < 40; ++i) {
    int fd = open("/dev/urandom", O_RDONLY);
    if (fd < 0 || read(fd, bytes, sizeof bytes) < 1) return 99;
    close(fd);
  }
  puts("read 40 MiB");
  return 5;
}

}  // namespace

int main(int argc, char** argv) {
  const char* how = argc > 1 ? argv[1] : "time";
  if (!strcmp(how, "time")) return print_time();
  if (!strcmp(how, "flaky")) return flaky();
  if (!strcmp(how, "crash")) return crash();
  if (!strcmp(how, "chatter")) return chatter();
  if (!strcmp(how, "big")) return big();
  if (!strcmp(how, "abort")) abort();
  if (!strcmp(how, "exit")) return atoi(argv[2]);
  if (!strcmp(how, "env")) return puts(getenv("SECRET") ? "set" : "unset") < 0;
  fprintf(stderr, "no such case\n");
  return 98;
}
