// A system call of the stage itself: the instruction lies in the stage's text, which Syscall User
// Dispatch lets through.
#pragma once

#include <sys/syscall.h>

namespace reprise::stage {

inline long raw6(long nr, long a0, long a1, long a2, long a3, long a4, long a5) {
  register long r10 asm("r10") = a3;
  register long r8 asm("r8") = a4;
  register long r9 asm("r9") = a5;
  long result;
  asm volatile("syscall"
               : "=a"(result)
               : "a"(nr), "D"(a0), "S"(a1), "d"(a2), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return result;
}

template <typename T>
inline long as_long(T value) {
  if constexpr (__is_same(T, decltype(nullptr))) {
    return 0;
  } else if constexpr (requires { *value; }) {
    return reinterpret_cast<long>(value);
  } else {
    return static_cast<long>(value);
  }
}

// Returns the kernel's value: the result, or -errno.
template <typename... Args>
inline long raw(long nr, Args... args) {
  static_assert(sizeof...(args) <= 6);
  const long a[6] = {as_long(args)...};
  return raw6(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}

}  // namespace reprise::stage
