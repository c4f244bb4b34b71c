// The door to the kernel: through the stage's table, or by the instruction itself.
//
// The entry resolves itself at the first call, because static constructors, worker threads and the
// boot may each be first. Resolving twice is harmless: both stores write the same pointer.
#include "runtime/sys/syscall.h"

#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>

#include <cerrno>

#include "runtime/stage/abi.h"

namespace reprise::rt::sys {
namespace {

long syscall_instruction(long nr, long a0, long a1, long a2, long a3, long a4, long a5) {
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

long resolve_and_call(long nr, long a0, long a1, long a2, long a3, long a4, long a5) {
  const int saved_errno = errno;  // getauxval sets it where there is no table
  const auto* table = reinterpret_cast<const stage::Table*>(getauxval(stage::kAuxTable));
  errno = saved_errno;
  const SyscallFn entry = table ? table->syscall : syscall_instruction;
  __atomic_store_n(&kernel_entry, entry, __ATOMIC_RELAXED);
  SyscallFn unresolved = resolve_and_call;  // unless diverted meanwhile
  __atomic_compare_exchange_n(&syscall_entry, &unresolved, entry, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
  return entry(nr, a0, a1, a2, a3, a4, a5);
}

}  // namespace

constinit SyscallFn syscall_entry = resolve_and_call;
constinit SyscallFn kernel_entry = resolve_and_call;

void use_kernel_entry(SyscallFn entry) {
  const bool diverted = syscall_entry != kernel_entry;
  __atomic_store_n(&kernel_entry, entry, __ATOMIC_RELAXED);
  if (!diverted) __atomic_store_n(&syscall_entry, entry, __ATOMIC_RELAXED);
}

void divert_calls(SyscallFn entry) {
  __atomic_store_n(&syscall_entry, entry != nullptr ? entry : kernel_entry, __ATOMIC_RELAXED);
}

void thread_sigmask(int how, const sigset_t* set, sigset_t* before) {
  uint64_t wanted = 0, found = 0;
  if (set != nullptr) {
    memcpy(&wanted, set, sizeof wanted);
    if (how != SIG_UNBLOCK) wanted &= ~kLibcSignals;
  }
  call(SYS_rt_sigprocmask, how, set != nullptr ? &wanted : nullptr, &found, sizeof wanted);
  if (before == nullptr) return;
  sigemptyset(before);
  memcpy(before, &found, sizeof found);
}

}  // namespace reprise::rt::sys
