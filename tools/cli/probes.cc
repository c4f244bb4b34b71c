// Trials of kernel features: each uses the feature as Reprise would.
#include "tools/cli/probes.h"

#include <cpuid.h>
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>

#include "runtime/mem/mheap.h"
#include "runtime/seam/tape.h"

namespace reprise::cli {
namespace {

constexpr int kSetSyscallUserDispatch = 59;  // PR_SET_SYSCALL_USER_DISPATCH
constexpr int kGuardInstall = 102;           // MADV_GUARD_INSTALL
constexpr int kArchCpuid = 0x1012;           // ARCH_SET_CPUID
constexpr size_t kSavedVectorLimit = 12288;  // kVectorBytes of the stage

}  // namespace

int failure_of(const std::function<int()>& trial) {
  const pid_t pid = fork();
  if (pid < 0) return errno;
  if (pid == 0) _exit(trial());
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
  return WIFEXITED(status) ? WEXITSTATUS(status) : EFAULT;
}

int try_dispatch() {
  static volatile char selector = 0;  // SYSCALL_DISPATCH_FILTER_ALLOW
  return prctl(kSetSyscallUserDispatch, 1, 0, 0, &selector) == 0 ? 0 : errno;
}

int try_tsc() { return prctl(PR_SET_TSC, PR_TSC_SIGSEGV) == 0 ? 0 : errno; }
int try_cpuid() { return syscall(SYS_arch_prctl, kArchCpuid, 0) == 0 ? 0 : errno; }

int try_guard() {
  void* page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return errno;
  return madvise(page, 4096, kGuardInstall) == 0 ? 0 : errno;
}

int try_addresses() {
  for (uint64_t at : {tape::kStageBase, tape::kTapeBase, tape::kThreadBase, tape::kRuntimeArena,
                      tape::kProgramArena, tape::kStackArena, rt::kHeapArena, rt::kHeapMetadata}) {
    void* p = mmap(reinterpret_cast<void*>(at), 1 << 20, PROT_NONE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    if (p != reinterpret_cast<void*>(at)) return errno ? errno : EEXIST;
  }
  return 0;
}

int try_pidfd() { return syscall(SYS_pidfd_open, getpid(), 0) >= 0 ? 0 : errno; }
int try_memfd() { return memfd_create("reprise-doctor", MFD_CLOEXEC) >= 0 ? 0 : errno; }

int try_timer() {
  sigevent event{};
  event.sigev_notify = SIGEV_THREAD_ID;
  event.sigev_signo = tape::kWatchdogSignal;
  event._sigev_un._tid = static_cast<pid_t>(syscall(SYS_gettid));
  int timer = 0;
  return syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &timer) == 0 ? 0 : errno;
}

int try_breakpoint() {
  perf_event_attr attributes{};
  attributes.type = PERF_TYPE_BREAKPOINT;
  attributes.size = sizeof attributes;
  attributes.bp_type = HW_BREAKPOINT_X;
  attributes.bp_addr = reinterpret_cast<uint64_t>(&try_breakpoint);
  attributes.bp_len = sizeof(long);
  attributes.exclude_kernel = 1;
  attributes.exclude_hv = 1;
  return syscall(SYS_perf_event_open, &attributes, 0, -1, -1, 0) >= 0 ? 0 : errno;
}

// As gdb starts a program.
int try_ptrace() {
  const pid_t pid = fork();
  if (pid < 0) return errno;
  if (pid == 0) {
    if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) _exit(errno);
    raise(SIGSTOP);
    _exit(0);
  }
  int status = 0;
  if (waitpid(pid, &status, WUNTRACED) != pid) return errno;
  if (WIFEXITED(status)) return WEXITSTATUS(status);
  kill(pid, SIGKILL);
  waitpid(pid, &status, 0);
  return 0;
}

// Component sizes add up in ebx: what is enabled now, in the form that signal frames have.
size_t xsave_bytes() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid_count(0xd, 0, &eax, &ebx, &ecx, &edx) != 0 ? ebx : 0;
}

int try_signal_stack() { return xsave_bytes() <= kSavedVectorLimit ? 0 : E2BIG; }

}  // namespace reprise::cli
