// The one door from the runtime to the kernel.
//
// In a program that the stage loaded, a call goes through stage::Table and is recorded or replayed
// exactly as if it had been trapped, without the trap. In a program started directly it is a plain
// system call. errno is never touched.
//
// Thread safety: any thread, any stack. A call that may block blocks the M.
#pragma once

#include <signal.h>

#include <concepts>
#include <cstdint>
#include <type_traits>

namespace reprise::rt::sys {

using SyscallFn = long (*)(long nr, long a0, long a1, long a2, long a3, long a4, long a5);
extern SyscallFn syscall_entry;  // resolved at the first call
extern SyscallFn kernel_entry;   // the same, whatever calls are diverted to

// Calls go to `entry` from now on (the simulated world, runtime/sim); null: to the kernel again. While
// one thread runs.
void divert_calls(SyscallFn entry);
// The kernel is called by way of `entry` from now on, where only that is let through. While one thread runs.
void use_kernel_entry(SyscallFn entry);

template <class T>
long as_word(T value) {
  if constexpr (std::is_pointer_v<T>) {
    return static_cast<long>(reinterpret_cast<uintptr_t>(value));
  } else {
    static_assert(std::is_integral_v<T> || std::is_enum_v<T>);
    return static_cast<long>(value);
  }
}
inline long as_word(std::nullptr_t) { return 0; }

// The kernel's value: a result, or -errno in [-4095, -1].
template <class... Args>
  requires(sizeof...(Args) <= 6)
long call(long nr, Args... args) {
  const long words[6] = {as_word(args)...};
  return __atomic_load_n(&syscall_entry, __ATOMIC_RELAXED)(nr, words[0], words[1], words[2],
                                                           words[3], words[4], words[5]);
}

// A call that no simulated world sees: the runtime's own descriptors.
template <class... Args>
  requires(sizeof...(Args) <= 6)
long call_kernel(long nr, Args... args) {
  const long words[6] = {as_word(args)...};
  return __atomic_load_n(&kernel_entry, __ATOMIC_RELAXED)(nr, words[0], words[1], words[2], words[3],
                                                          words[4], words[5]);
}

// 32 and 33, by which libc cancels threads and changes the identity of all.
inline constexpr uint64_t kLibcSignals = uint64_t{3} << 31;

// The calling thread's signal mask, for the runtime's own use: pthread_sigmask is the program's, and is
// refused on most goroutines (sigmask.cc). kLibcSignals are never blocked.
void thread_sigmask(int how, const sigset_t* set, sigset_t* before);

// Repeats `attempt` until a signal no longer interrupts it (the reference's name).
template <std::invocable F>
long ignoringEINTR(F attempt) {
  for (;;) {
    const long result = attempt();
    if (result != -4 /* -EINTR */) return result;
  }
}

}  // namespace reprise::rt::sys
