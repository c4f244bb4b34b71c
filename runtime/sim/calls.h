// The simulated world's system calls: a table, a line a call.
//
// Thread safety: the world's.
#pragma once

#include <string>

#include "runtime/sim/file.h"

namespace reprise::sim {

struct Call {
  const char* name;
  const long* args;

  int fd(int i) const { return static_cast<int>(args[i]); }
  int number(int i) const { return static_cast<int>(args[i]); }
  size_t size(int i) const { return static_cast<size_t>(args[i]); }
  template <class T>
  T* at(int i) const {
    return reinterpret_cast<T*>(args[i]);
  }
};

using Handler = long (*)(const Call& call);

// Which calls are this world's.
enum class Belongs : uint8_t {
  no,
  always,
  descriptor,   // argument 0 is one of its descriptors
  either,       // argument 0 or 1 is
  fourth,       // argument 4 is (mmap)
  polled,       // one of those in an array of pollfd is, or the call only sleeps
  selected,     // the same in three sets
};

struct Row {
  const char* name = nullptr;
  Belongs belongs = Belongs::no;
  Handler handler = nullptr;  // null: refused by name
};
const Row& row_of(long nr);

// ---- handlers by subject ----

long do_socket(const Call& call);
long do_socketpair(const Call& call);
long do_bind(const Call& call);
long do_listen(const Call& call);
long do_accept(const Call& call);
long do_accept4(const Call& call);
long do_connect(const Call& call);
long do_getsockname(const Call& call);
long do_getpeername(const Call& call);
long do_getsockopt(const Call& call);
long do_setsockopt(const Call& call);
long do_shutdown(const Call& call);
long do_sendto(const Call& call);
long do_recvfrom(const Call& call);
long do_sendmsg(const Call& call);
long do_recvmsg(const Call& call);

long do_read(const Call& call);
long do_write(const Call& call);
long do_readv(const Call& call);
long do_writev(const Call& call);
long do_close(const Call& call);
long do_dup(const Call& call);
long do_dup2(const Call& call);
long do_dup3(const Call& call);
long do_fcntl(const Call& call);
long do_ioctl(const Call& call);
long do_pipe(const Call& call);
long do_pipe2(const Call& call);
long do_eventfd(const Call& call);
long do_eventfd2(const Call& call);

long do_stat(const Call& call);
long do_lstat(const Call& call);
long do_newfstatat(const Call& call);
long do_fstat(const Call& call);
long do_statx(const Call& call);
long do_open(const Call& call);
long do_openat(const Call& call);
long do_creat(const Call& call);
long do_unlink(const Call& call);
long do_rmdir(const Call& call);
long do_unlinkat(const Call& call);
long do_rename(const Call& call);
long do_renameat(const Call& call);
long do_renameat2(const Call& call);
long do_mkdir(const Call& call);
long do_mkdirat(const Call& call);
long do_link(const Call& call);
long do_linkat(const Call& call);
long do_symlink(const Call& call);
long do_symlinkat(const Call& call);
long do_readlink(const Call& call);
long do_readlinkat(const Call& call);
long do_access(const Call& call);
long do_faccessat(const Call& call);
long do_faccessat2(const Call& call);
long do_chmod(const Call& call);
long do_fchmodat(const Call& call);
long do_chdir(const Call& call);
long do_getcwd(const Call& call);
long do_truncate(const Call& call);
long do_statfs(const Call& call);
long do_lseek(const Call& call);
long do_pread64(const Call& call);
long do_pwrite64(const Call& call);
long do_preadv(const Call& call);
long do_pwritev(const Call& call);
long do_ftruncate(const Call& call);
long do_fallocate(const Call& call);
long do_fsync(const Call& call);
long do_sync(const Call& call);
long do_fchmod(const Call& call);
long do_fadvise64(const Call& call);
long do_getdents64(const Call& call);
long do_fchdir(const Call& call);
long do_mmap(const Call& call);

long do_epoll_create(const Call& call);
long do_epoll_create1(const Call& call);
long do_epoll_ctl(const Call& call);
long do_epoll_wait(const Call& call);
long do_epoll_pwait2(const Call& call);
long do_poll(const Call& call);
long do_ppoll(const Call& call);
long do_select(const Call& call);
long do_pselect(const Call& call);

}  // namespace reprise::sim
