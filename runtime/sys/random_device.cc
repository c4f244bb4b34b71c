// std::random_device: libstdc++'s draws from the processor, which no trap sees; ours from the seam on
// a goroutine of a controlled run, else from the kernel.
#include <sys/random.h>

#include <cerrno>
#include <random>

#include "runtime/sys/interpose.h"

std::random_device::result_type std::random_device::_M_getval() {
  using namespace reprise::rt;
  if (seam_active && on_goroutine()) return static_cast<result_type>(seam_draw());
  result_type value = 0;
  while (getrandom(&value, sizeof value, 0) != static_cast<ssize_t>(sizeof value))
    if (errno != EINTR) throw_("std::random_device: the kernel gives no random numbers");
  return value;
}
