// counter [early] [late]: reads the time stamp counter before and after many readings of a clock.
#include <x86intrin.h>

#include <cstdio>
#include <cstring>
#include <ctime>

namespace {
bool asked(int argc, char** argv, const char* what) {
  for (int i = 1; i < argc; ++i) {
    if (!std::strcmp(argv[i], what)) return true;
  }
  return false;
}
}  // namespace

int main(int argc, char** argv) {
  unsigned core = 0;
  unsigned long long sum = 0;
  if (asked(argc, argv, "early")) sum += __rdtsc() + __rdtscp(&core);
  timespec now = {};
  for (int i = 0; i < 5000; ++i) clock_gettime(CLOCK_MONOTONIC, &now);
  if (asked(argc, argv, "late")) sum += __rdtsc() + __rdtscp(&core);
  std::printf("%llu %ld\n", sum, now.tv_nsec);
}
