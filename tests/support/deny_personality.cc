// deny_personality PROGRAM ARGS...: runs PROGRAM under a seccomp filter that answers personality(2)
// with EPERM, as the default filter of container engines does for switching randomisation off.
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>

int main(int argc, char** argv) {
  if (argc < 2) return 64;
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_personality, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program = {sizeof code / sizeof *code, code};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
      prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
    std::perror("seccomp");
    return 64;
  }
  if (personality(ADDR_NO_RANDOMIZE) != -1 || errno != EPERM) {
    std::fprintf(stderr, "the filter does not deny personality\n");
    return 64;
  }
  execvp(argv[1], argv + 1);
  std::perror(argv[1]);
  return 64;
}
