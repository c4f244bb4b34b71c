// The vdso that a program under the stage sees: clocks without a system call and without a trap.
//
// A shared object of its own (vdso.lds), embedded in the stage and mapped at kVdsoBase before the
// program's first instruction; the C library finds it by AT_SYSINFO_EHDR, as it finds the
// kernel's. It holds no data and needs no relocation: the stage's entries are reached through the
// calling thread's gate (gate_offsets.h), which the gs base points at.
//
// Invariants: no system call instruction in here (the image lies outside the range in which the
// kernel lets them pass); the same instructions run in record and in replay, so that what they
// leave on the program's stack is the same. Built without a red zone, because the calls below are
// hidden from the compiler, and with frame pointers, so that unwinding survives their pushes.
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

#include "runtime/seam/tape.h"
#include "runtime/stage/gate_offsets.h"

namespace {

using reprise::tape::kMicroseconds;
using reprise::tape::kSeconds;

constexpr long kNsPerSecond = 1'000'000'000;
constexpr long kUsPerSecond = 1'000'000;

// The clocks of wall and machine time; what counts processor time is asked of the kernel.
constexpr unsigned kTapedClocks = 1u << CLOCK_REALTIME | 1u << CLOCK_MONOTONIC |
                                  1u << CLOCK_MONOTONIC_RAW | 1u << CLOCK_REALTIME_COARSE |
                                  1u << CLOCK_MONOTONIC_COARSE | 1u << CLOCK_BOOTTIME |
                                  1u << CLOCK_TAI;

// Both follow the C convention and clear what they do not return, so the clobbers are the
// convention's general registers; the stage leaves vector state alone.
long read_clock(long clock_id) {
  long result;
  asm volatile("call *%%gs:%c[entry]"
               : "=a"(result), "+D"(clock_id)
               : [entry] "i"(REPRISE_GATE_CLOCK)
               : "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "cc", "memory");
  return result;
}

long system_call(long nr, long a0, long a1, long a2 = 0) {
  long result;
  register long fifth asm("r8") = 0;
  register long sixth asm("r9") = 0;
  // The seventh argument goes on the stack. It need not be aligned: the entry leaves this stack.
  asm volatile(
      "push $0\n\t"
      "call *%%gs:%c[entry]\n\t"
      "lea 8(%%rsp), %%rsp"
      : "=a"(result), "+D"(nr), "+S"(a0), "+d"(a1), "+c"(a2), "+r"(fifth), "+r"(sixth)
      : [entry] "i"(REPRISE_GATE_SYSCALL)
      : "r10", "r11", "cc", "memory");
  return result;
}

}  // namespace

extern "C" {

int __vdso_clock_gettime(clockid_t id, timespec* out) {
  if (static_cast<unsigned>(id) > 31 || !(kTapedClocks >> id & 1)) {
    return static_cast<int>(
        system_call(SYS_clock_gettime, id, reinterpret_cast<long>(out)));
  }
  const long ns = read_clock(id);
  out->tv_sec = ns / kNsPerSecond;
  out->tv_nsec = ns % kNsPerSecond;
  return 0;
}

int __vdso_gettimeofday(struct timeval* out, struct timezone* zone) {
  if (zone) {
    return static_cast<int>(system_call(SYS_gettimeofday, reinterpret_cast<long>(out),
                                        reinterpret_cast<long>(zone)));
  }
  if (!out) return 0;
  const long us = read_clock(CLOCK_REALTIME | kMicroseconds);
  out->tv_sec = us / kUsPerSecond;
  out->tv_usec = us % kUsPerSecond;
  return 0;
}

// The kernel's time() reads the coarse clock: so that no program sees it ahead of the fine one.
time_t __vdso_time(time_t* out) {
  const time_t now = read_clock(CLOCK_REALTIME_COARSE | kSeconds);
  if (out) *out = now;
  return now;
}

int __vdso_clock_getres(clockid_t id, timespec* out) {
  return static_cast<int>(system_call(SYS_clock_getres, id, reinterpret_cast<long>(out)));
}

int __vdso_getcpu(unsigned* cpu, unsigned* node, void*) {
  return static_cast<int>(system_call(SYS_getcpu, reinterpret_cast<long>(cpu),
                                      reinterpret_cast<long>(node)));
}


}  // extern "C"
