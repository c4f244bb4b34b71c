// The table of calls, and who decides whether one is this world's.
//
// wants() may be asked on any stack, before the program's registers are safe: it only looks.
#include "runtime/sim/calls.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "runtime/sched/proc.h"
#include "runtime/sim/epoll.h"
#include "runtime/sim/sim.h"
#include "runtime/sim/socket.h"
#include "runtime/sim/trap.h"
#include "runtime/sim/tree.h"
#include "runtime/sys/syscall.h"

namespace reprise::sim {

bool world_open = false;

namespace {

constexpr size_t kCalls = 512;

struct Line {
  long nr;
  Row row;
};

constexpr Line kLines[] = {
    {SYS_socket, {"socket", Belongs::always, do_socket}},
    {SYS_socketpair, {"socketpair", Belongs::always, do_socketpair}},
    {SYS_bind, {"bind", Belongs::descriptor, do_bind}},
    {SYS_listen, {"listen", Belongs::descriptor, do_listen}},
    {SYS_accept, {"accept", Belongs::descriptor, do_accept}},
    {SYS_accept4, {"accept4", Belongs::descriptor, do_accept4}},
    {SYS_connect, {"connect", Belongs::descriptor, do_connect}},
    {SYS_getsockname, {"getsockname", Belongs::descriptor, do_getsockname}},
    {SYS_getpeername, {"getpeername", Belongs::descriptor, do_getpeername}},
    {SYS_getsockopt, {"getsockopt", Belongs::descriptor, do_getsockopt}},
    {SYS_setsockopt, {"setsockopt", Belongs::descriptor, do_setsockopt}},
    {SYS_shutdown, {"shutdown", Belongs::descriptor, do_shutdown}},
    {SYS_sendto, {"sendto", Belongs::descriptor, do_sendto}},
    {SYS_recvfrom, {"recvfrom", Belongs::descriptor, do_recvfrom}},
    {SYS_sendmsg, {"sendmsg", Belongs::descriptor, do_sendmsg}},
    {SYS_recvmsg, {"recvmsg", Belongs::descriptor, do_recvmsg}},
    {SYS_sendmmsg, {"sendmmsg", Belongs::descriptor, nullptr}},
    {SYS_recvmmsg, {"recvmmsg", Belongs::descriptor, nullptr}},

    {SYS_read, {"read", Belongs::descriptor, do_read}},
    {SYS_write, {"write", Belongs::descriptor, do_write}},
    {SYS_readv, {"readv", Belongs::descriptor, do_readv}},
    {SYS_writev, {"writev", Belongs::descriptor, do_writev}},
    {SYS_pread64, {"pread64", Belongs::descriptor, do_pread64}},
    {SYS_pwrite64, {"pwrite64", Belongs::descriptor, do_pwrite64}},
    {SYS_preadv, {"preadv", Belongs::descriptor, do_preadv}},
    {SYS_pwritev, {"pwritev", Belongs::descriptor, do_pwritev}},
    {SYS_preadv2, {"preadv2", Belongs::descriptor, nullptr}},
    {SYS_pwritev2, {"pwritev2", Belongs::descriptor, nullptr}},
    {SYS_close, {"close", Belongs::descriptor, do_close}},
    {SYS_close_range, {"close_range", Belongs::either, nullptr}},
    {SYS_dup, {"dup", Belongs::descriptor, do_dup}},
    {SYS_dup2, {"dup2", Belongs::either, do_dup2}},
    {SYS_dup3, {"dup3", Belongs::either, do_dup3}},
    {SYS_fcntl, {"fcntl", Belongs::descriptor, do_fcntl}},
    {SYS_ioctl, {"ioctl", Belongs::descriptor, do_ioctl}},
    {SYS_pipe, {"pipe", Belongs::always, do_pipe}},
    {SYS_pipe2, {"pipe2", Belongs::always, do_pipe2}},
    {SYS_eventfd, {"eventfd", Belongs::always, do_eventfd}},
    {SYS_eventfd2, {"eventfd2", Belongs::always, do_eventfd2}},
    {SYS_timerfd_create, {"timerfd_create", Belongs::always, nullptr}},
    {SYS_signalfd, {"signalfd", Belongs::always, nullptr}},
    {SYS_signalfd4, {"signalfd4", Belongs::always, nullptr}},
    {SYS_inotify_init, {"inotify_init", Belongs::always, nullptr}},
    {SYS_inotify_init1, {"inotify_init1", Belongs::always, nullptr}},
    {SYS_fanotify_init, {"fanotify_init", Belongs::always, nullptr}},
    {SYS_io_uring_setup, {"io_uring_setup", Belongs::always, nullptr}},
    {SYS_io_setup, {"io_setup", Belongs::always, nullptr}},
    {SYS_fstat, {"fstat", Belongs::descriptor, do_fstat}},
    {SYS_lseek, {"lseek", Belongs::descriptor, do_lseek}},
    {SYS_fsync, {"fsync", Belongs::descriptor, do_fsync}},
    {SYS_fdatasync, {"fdatasync", Belongs::descriptor, do_fsync}},
    {SYS_mmap, {"mmap", Belongs::fourth, do_mmap}},
    {SYS_sendfile, {"sendfile", Belongs::either, nullptr}},
    {SYS_splice, {"splice", Belongs::descriptor, nullptr}},
    {SYS_tee, {"tee", Belongs::either, nullptr}},
    {SYS_vmsplice, {"vmsplice", Belongs::descriptor, nullptr}},
    {SYS_copy_file_range, {"copy_file_range", Belongs::descriptor, nullptr}},
    {SYS_stat, {"stat", Belongs::always, do_stat}},
    {SYS_lstat, {"lstat", Belongs::always, do_lstat}},
    {SYS_newfstatat, {"newfstatat", Belongs::always, do_newfstatat}},
    {SYS_statx, {"statx", Belongs::always, do_statx}},
    {SYS_open, {"open", Belongs::always, do_open}},
    {SYS_openat, {"openat", Belongs::always, do_openat}},
    {SYS_creat, {"creat", Belongs::always, do_creat}},
    {SYS_unlink, {"unlink", Belongs::always, do_unlink}},
    {SYS_rmdir, {"rmdir", Belongs::always, do_rmdir}},
    {SYS_unlinkat, {"unlinkat", Belongs::always, do_unlinkat}},
    {SYS_rename, {"rename", Belongs::always, do_rename}},
    {SYS_renameat, {"renameat", Belongs::always, do_renameat}},
    {SYS_renameat2, {"renameat2", Belongs::always, do_renameat2}},
    {SYS_mkdir, {"mkdir", Belongs::always, do_mkdir}},
    {SYS_mkdirat, {"mkdirat", Belongs::always, do_mkdirat}},
    {SYS_link, {"link", Belongs::always, do_link}},
    {SYS_linkat, {"linkat", Belongs::always, do_linkat}},
    {SYS_symlink, {"symlink", Belongs::always, do_symlink}},
    {SYS_symlinkat, {"symlinkat", Belongs::always, do_symlinkat}},
    {SYS_readlink, {"readlink", Belongs::always, do_readlink}},
    {SYS_readlinkat, {"readlinkat", Belongs::always, do_readlinkat}},
    {SYS_access, {"access", Belongs::always, do_access}},
    {SYS_faccessat, {"faccessat", Belongs::always, do_faccessat}},
    {SYS_faccessat2, {"faccessat2", Belongs::always, do_faccessat2}},
    {SYS_chmod, {"chmod", Belongs::always, do_chmod}},
    {SYS_fchmodat, {"fchmodat", Belongs::always, do_fchmodat}},
    {SYS_chdir, {"chdir", Belongs::always, do_chdir}},
    {SYS_getcwd, {"getcwd", Belongs::always, do_getcwd}},
    {SYS_truncate, {"truncate", Belongs::always, do_truncate}},
    {SYS_statfs, {"statfs", Belongs::always, do_statfs}},
    {SYS_sync, {"sync", Belongs::always, do_sync}},
    {SYS_openat2, {"openat2", Belongs::always, nullptr}},
    {SYS_mknod, {"mknod", Belongs::always, nullptr}},
    {SYS_mknodat, {"mknodat", Belongs::always, nullptr}},
    {SYS_chown, {"chown", Belongs::always, nullptr}},
    {SYS_lchown, {"lchown", Belongs::always, nullptr}},
    {SYS_fchownat, {"fchownat", Belongs::always, nullptr}},
    {SYS_utime, {"utime", Belongs::always, nullptr}},
    {SYS_utimes, {"utimes", Belongs::always, nullptr}},
    {SYS_futimesat, {"futimesat", Belongs::always, nullptr}},
    {SYS_utimensat, {"utimensat", Belongs::always, nullptr}},
    {SYS_setxattr, {"setxattr", Belongs::always, nullptr}},
    {SYS_lsetxattr, {"lsetxattr", Belongs::always, nullptr}},
    {SYS_removexattr, {"removexattr", Belongs::always, nullptr}},
    {SYS_lremovexattr, {"lremovexattr", Belongs::always, nullptr}},
    {SYS_chroot, {"chroot", Belongs::always, nullptr}},
    {SYS_mount, {"mount", Belongs::always, nullptr}},
    {SYS_umount2, {"umount2", Belongs::always, nullptr}},
    {SYS_pivot_root, {"pivot_root", Belongs::always, nullptr}},
    {SYS_swapon, {"swapon", Belongs::always, nullptr}},
    {SYS_name_to_handle_at, {"name_to_handle_at", Belongs::always, nullptr}},
    {SYS_ftruncate, {"ftruncate", Belongs::descriptor, do_ftruncate}},
    {SYS_fallocate, {"fallocate", Belongs::descriptor, do_fallocate}},
    {SYS_fchmod, {"fchmod", Belongs::descriptor, do_fchmod}},
    {SYS_fadvise64, {"fadvise64", Belongs::descriptor, do_fadvise64}},
    {SYS_getdents64, {"getdents64", Belongs::descriptor, do_getdents64}},
    {SYS_fchdir, {"fchdir", Belongs::descriptor, do_fchdir}},
    {SYS_flock, {"flock", Belongs::descriptor, nullptr}},
    {SYS_fchown, {"fchown", Belongs::descriptor, nullptr}},
    {SYS_fstatfs, {"fstatfs", Belongs::descriptor, nullptr}},
    {SYS_fsetxattr, {"fsetxattr", Belongs::descriptor, nullptr}},
    {SYS_fgetxattr, {"fgetxattr", Belongs::descriptor, nullptr}},
    {SYS_flistxattr, {"flistxattr", Belongs::descriptor, nullptr}},
    {SYS_fremovexattr, {"fremovexattr", Belongs::descriptor, nullptr}},
    {SYS_getdents, {"getdents", Belongs::descriptor, nullptr}},
    {SYS_readahead, {"readahead", Belongs::descriptor, nullptr}},
    {SYS_sync_file_range, {"sync_file_range", Belongs::descriptor, nullptr}},
    {SYS_syncfs, {"syncfs", Belongs::descriptor, nullptr}},

    {SYS_epoll_create, {"epoll_create", Belongs::always, do_epoll_create}},
    {SYS_epoll_create1, {"epoll_create1", Belongs::always, do_epoll_create1}},
    {SYS_epoll_ctl, {"epoll_ctl", Belongs::descriptor, do_epoll_ctl}},
    {SYS_epoll_wait, {"epoll_wait", Belongs::descriptor, do_epoll_wait}},
    {SYS_epoll_pwait, {"epoll_pwait", Belongs::descriptor, do_epoll_wait}},
    {SYS_epoll_pwait2, {"epoll_pwait2", Belongs::descriptor, do_epoll_pwait2}},
    {SYS_poll, {"poll", Belongs::polled, do_poll}},
    {SYS_ppoll, {"ppoll", Belongs::polled, do_ppoll}},
    {SYS_select, {"select", Belongs::selected, do_select}},
    {SYS_pselect6, {"pselect6", Belongs::selected, do_pselect}},
};

constexpr std::array<Row, kCalls> make_rows() {
  std::array<Row, kCalls> rows{};
  for (const Line& line : kLines) rows[static_cast<size_t>(line.nr)] = line.row;
  return rows;
}
constexpr std::array<Row, kCalls> kRows = make_rows();
constexpr Row kNone{};

bool any_polled(const pollfd* polled, size_t count) {
  return std::any_of(polled, polled + count, [](const pollfd& entry) { return owns(entry.fd); });
}

bool any_selected(int count, const long* args) {
  for (int set = 1; set <= 3; ++set) {
    const auto* fds = reinterpret_cast<const fd_set*>(args[set]);
    for (int fd = kFirstDescriptor; fds != nullptr && fd < std::min(count, FD_SETSIZE); ++fd) {
      if (FD_ISSET(fd, fds) && owns(fd)) return true;
    }
  }
  return false;
}

// The poller's instance, and the door as it was.
std::shared_ptr<Epoll>& poller = *new std::shared_ptr<Epoll>;

}  // namespace

const Row& row_of(long nr) { return nr >= 0 && static_cast<size_t>(nr) < kCalls ? kRows[static_cast<size_t>(nr)] : kNone; }

bool wants(long nr, const long* args) {
  if (!world_open) return false;
  const auto fd = [args](int i) { return owns(static_cast<int>(args[i])); };
  switch (row_of(nr).belongs) {
    case Belongs::no: return false;
    case Belongs::always: return true;
    case Belongs::descriptor: return fd(0);
    case Belongs::either: return fd(0) || fd(1);
    case Belongs::fourth: return (args[3] & MAP_ANONYMOUS) == 0 && fd(4);
    case Belongs::polled: return any_polled(reinterpret_cast<const pollfd*>(args[0]), static_cast<size_t>(args[1]));
    case Belongs::selected: return any_selected(static_cast<int>(args[0]), args);
  }
  return false;
}

long call(long nr, const long* args) {
  const Row& row = row_of(nr);
  if (row.handler == nullptr) unsupported(row.name, "");
  return row.handler({row.name, args});
}

// ---- the world --------------------------------------------------------------------------------

namespace {

long simulated_entry(long nr, long a0, long a1, long a2, long a3, long a4, long a5) {
  const long args[6] = {a0, a1, a2, a3, a4, a5};
  return wants(nr, args) ? call(nr, args) : rt::sys::kernel_entry(nr, a0, a1, a2, a3, a4, a5);
}

void forget() {
  poller = nullptr;
  forget_descriptors();
  forget_tcp_names();
  forget_unix_names();
  forget_tree();
}

}  // namespace

void open_world(uint32_t faults) {
  use_faults(faults);
  forget();
  forget_kernels_names();
  world_open = true;
  rt::sys::divert_calls(simulated_entry);
}

void abandon_world() {
  if (!world_open) return;
  world_open = false;
  let_calls_go();
  rt::sys::divert_calls(nullptr);
}

void close_world() {
  abandon_world();
  forget();
}

void start_afresh() { forget(); }

// ---- for the poller ---------------------------------------------------------------------------

bool owns(int fd) { return world_open && fd >= kFirstDescriptor && file_of(fd) != nullptr; }

seam::ObjectId object_of(int fd) { return file_of(fd)->object; }

int watch(int fd, uint32_t events, uint64_t data) {
  if (poller == nullptr) poller = std::make_shared<Epoll>();
  return poller->add(file_of(fd), fd, events, data);
}

int unwatch(int fd) { return poller != nullptr ? poller->remove(fd) : ENOENT; }
bool events_waiting() { return poller != nullptr && poller->queued(); }
int take_events(epoll_event* to, int room) { return poller != nullptr ? poller->harvest(to, room) : 0; }

}  // namespace reprise::sim
