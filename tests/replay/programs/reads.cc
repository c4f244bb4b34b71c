// reads N [clock]: N reads of 64 bytes of /dev/zero, or N readings of the monotonic clock.
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

int main(int argc, char** argv) {
  const long count = argc > 1 ? std::atol(argv[1]) : 1000;
  const bool clock = argc > 2 && !std::strcmp(argv[2], "clock");
  const int zero = open("/dev/zero", O_RDONLY);
  char buffer[64];
  long total = 0;
  for (long i = 0; i < count; ++i) {
    if (clock) {
      timespec now;
      clock_gettime(CLOCK_MONOTONIC, &now);
      total += now.tv_nsec & 1;
    } else {
      total += read(zero, buffer, sizeof buffer);
    }
  }
  std::printf("%ld\n", total);
}
