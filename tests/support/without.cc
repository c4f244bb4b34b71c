// without FEATURE… -- PROGRAM ARGS…: runs PROGRAM under a seccomp filter that answers as a kernel or a
// container would that lacks these: dispatch, tsc, cpuid, guard, timer, breakpoint, ptrace, pidfd, memfd,
// links (where nothing is a symbolic link, as /proc/self/exe is where there is no /proc).
// Calls of the stage's own go through the filter too, so this is how such a machine behaves.
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <vector>

namespace {

struct Feature {
  const char* name;
  unsigned nr;
  int argument;      // that must be `value` for the call to fail; -1: any
  unsigned value;
  unsigned error;
};
constexpr Feature kFeatures[] = {
    {"dispatch", SYS_prctl, 0, 59, EINVAL},     {"tsc", SYS_prctl, 0, PR_SET_TSC, EINVAL},
    {"cpuid", SYS_arch_prctl, 0, 0x1012, ENODEV}, {"guard", SYS_madvise, 2, 102, EINVAL},
    {"timer", SYS_timer_create, -1, 0, ENOSYS}, {"breakpoint", SYS_perf_event_open, -1, 0, EACCES},
    {"ptrace", SYS_ptrace, -1, 0, EPERM},       {"pidfd", SYS_pidfd_open, -1, 0, ENOSYS},
    {"memfd", SYS_memfd_create, -1, 0, ENOSYS}, {"links", SYS_readlink, -1, 0, EINVAL},
};

void deny(std::vector<sock_filter>& code, const Feature& f) {
  const bool any = f.argument < 0;
  const auto argument = static_cast<unsigned>(offsetof(seccomp_data, args) + 8 * (any ? 0 : f.argument));
  code.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)));
  code.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, f.nr, 0, static_cast<unsigned char>(any ? 1 : 3)));
  if (!any) {
    code.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, argument));
    code.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, f.value, 0, 1));
  }
  code.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | f.error));
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<sock_filter> code;
  int i = 1;
  for (; i < argc && std::strcmp(argv[i], "--") != 0; ++i) {
    bool known = false;
    for (const Feature& f : kFeatures) {
      if (std::strcmp(f.name, argv[i]) != 0) continue;
      deny(code, f);
      known = true;
    }
    if (!known) return std::fprintf(stderr, "without: no feature %s\n", argv[i]), 64;
  }
  if (i + 1 >= argc) return 64;
  code.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  const sock_fprog program = {static_cast<unsigned short>(code.size()), code.data()};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
    std::perror("seccomp");
    return 64;
  }
  execvp(argv[i + 1], argv + i + 1);
  std::perror(argv[i + 1]);
  return 64;
}
