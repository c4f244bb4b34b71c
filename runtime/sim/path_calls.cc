// System calls on paths and on files of the simulated file system.
//
// A call that only looks at what the kernel has is the kernel's. A file that is opened to be read and was
// never changed is the kernel's too, so that it can be mapped; one that may be written is copied first.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/stat.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cstring>

#include "runtime/sim/calls.h"
#include "runtime/sim/disk.h"
#include "runtime/sim/faults.h"
#include "runtime/sys/syscall.h"
#include "runtime/time/clock.h"

namespace reprise::sim {

namespace {

using rt::sys::call_kernel;

// A directory that was open before the world was.
long base_of_kernels(int dirfd, std::string* base) {
  char path[PATH_MAX];
  const std::string link = "/proc/self/fd/" + std::to_string(dirfd);
  const long size = call_kernel(SYS_readlinkat, AT_FDCWD, link.c_str(), path, sizeof path);
  if (size <= 0 || path[0] != '/') return -EBADF;
  return base->assign(path, static_cast<size_t>(size)), 0;
}

// What a relative path starts from.
long base_of(int dirfd, std::string_view path, std::string* base) {
  if (path.starts_with('/')) return *base = "/", 0;
  if (dirfd == AT_FDCWD) return *base = working_directory(), 0;
  const FileRef file = file_of(dirfd);
  if (file == nullptr) return base_of_kernels(dirfd, base);
  const OpenDirectory* directory = open_directory(file);
  if (directory == nullptr) return -ENOTDIR;
  return *base = directory->path(), 0;
}

long locate_at(int dirfd, const char* path, Follow follow, Place* place) {
  if (path == nullptr) return -EFAULT;
  std::string base;
  if (long bad = base_of(dirfd, path, &base); bad < 0) return bad;
  return locate(base, path, follow, place);
}

// The name itself, for who changes names: a link is not followed, also not for a slash behind it.
long locate_name(int dirfd, const char* path, Place* place, bool* slash) {
  if (path == nullptr) return -EFAULT;
  std::string name(path);
  while (name.size() > 1 && name.ends_with('/')) name.pop_back();
  *slash = name.size() != std::strlen(path);
  return locate_at(dirfd, name.c_str(), Follow::no, place);
}

// Where a name is to be made: its parent is a directory.
long locate_new(int dirfd, const char* path, Place* place, bool directory = false) {
  bool slash = false;
  if (long bad = locate_name(dirfd, path, place, &slash); bad < 0) return bad;
  if (place->exists()) return -EEXIST;
  if (slash && !directory) return -ENOENT;
  if (kernels_own(place->path)) unsupported("a change below", place->path);
  return choose_fault({Fault::no_space, Fault::io_error}) == Fault::none ? 0 : -ENOSPC;
}

// ---- stat -------------------------------------------------------------------------------------

uint32_t mode_of(const Inode& inode) {
  constexpr uint32_t kTypes[] = {S_IFREG, S_IFDIR, S_IFLNK, S_IFSOCK};
  return kTypes[static_cast<size_t>(inode.type)] | inode.mode;
}

struct stat stat_of(const Inode& inode) {
  struct stat info {};
  info.st_dev = makedev(0, 77);
  info.st_ino = inode.number;
  info.st_mode = mode_of(inode);
  info.st_nlink = inode.type == Inode::Type::directory ? 2 : inode.links;
  info.st_size = static_cast<off_t>(inode.data.size());
  info.st_blksize = 4096;
  info.st_blocks = (info.st_size + 511) / 512;
  info.st_mtim = {inode.modified_ns / 1'000'000'000, inode.modified_ns % 1'000'000'000};
  info.st_ctim = info.st_atim = info.st_mtim;
  return info;
}

struct statx statx_of(const struct stat& info) {
  struct statx x {};
  x.stx_mask = STATX_BASIC_STATS;
  x.stx_blksize = static_cast<uint32_t>(info.st_blksize);
  x.stx_nlink = static_cast<uint32_t>(info.st_nlink);
  x.stx_uid = info.st_uid;
  x.stx_gid = info.st_gid;
  x.stx_mode = static_cast<uint16_t>(info.st_mode);
  x.stx_ino = info.st_ino;
  x.stx_size = static_cast<uint64_t>(info.st_size);
  x.stx_blocks = static_cast<uint64_t>(info.st_blocks);
  x.stx_mtime.tv_sec = info.st_mtim.tv_sec;
  x.stx_mtime.tv_nsec = static_cast<uint32_t>(info.st_mtim.tv_nsec);
  x.stx_ctime = x.stx_atime = x.stx_mtime;
  x.stx_dev_major = major(info.st_dev);
  x.stx_dev_minor = minor(info.st_dev);
  return x;
}

long stat_place(const Place& place, struct stat* info) {
  if (!place.exists()) return -ENOENT;
  *info = place.inode != nullptr ? stat_of(*place.inode) : place.info;
  return 0;
}

long stat_open(const FileRef& file, struct stat* info) {
  if (DiskFile* disk = disk_file(file)) return *info = stat_of(disk->inode()), 0;
  if (const OpenDirectory* directory = open_directory(file)) {
    Place place;
    if (long bad = locate("/", directory->path(), Follow::yes, &place); bad < 0) return bad;
    return stat_place(place, info);
  }
  *info = {};
  info->st_mode = file->socket() != nullptr ? S_IFSOCK | 0777 : file->kind() == "pipe" ? S_IFIFO | 0600 : 0600;
  info->st_nlink = 1;
  info->st_blksize = 4096;
  return 0;
}

long stat_at(int dirfd, const char* path, int flags, struct stat* info) {
  if (path != nullptr && *path == '\0' && (flags & AT_EMPTY_PATH) != 0) {
    const FileRef file = file_of(dirfd);
    return file != nullptr ? stat_open(file, info) : call_kernel(SYS_newfstatat, dirfd, path, info, flags);
  }
  Place place;
  const Follow follow = (flags & AT_SYMLINK_NOFOLLOW) != 0 ? Follow::no : Follow::yes;
  if (long bad = locate_at(dirfd, path, follow, &place); bad < 0) return bad;
  return stat_place(place, info);
}

long give_stat(long result, const struct stat& info, void* to) {
  if (result == 0) std::memcpy(to, &info, sizeof info);
  return result;
}

// ---- open -------------------------------------------------------------------------------------

long open_inode(InodeRef inode, int flags) {
  auto file = std::make_shared<DiskFile>(std::move(inode));
  file->flags = flags & ~(O_CREAT | O_EXCL | O_TRUNC | O_CLOEXEC | O_NOCTTY);
  if ((flags & O_TRUNC) != 0 && (flags & O_ACCMODE) != O_RDONLY) file->inode().data.clear();
  return install(std::move(file), (flags & O_CLOEXEC) != 0);
}

long open_lower(const Place& place, int flags) {
  const bool writes = (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC) != 0;
  if (!S_ISREG(place.info.st_mode) || kernels_own(place.path)) {
    return call_kernel(SYS_openat, AT_FDCWD, place.path.c_str(), flags, 0);  // a device, a FIFO
  }
  if (!writes) return call_kernel(SYS_openat, AT_FDCWD, place.path.c_str(), flags & ~O_CREAT, 0);
  long bad = 0;
  InodeRef inode = copy_up(place, &bad);
  return inode != nullptr ? open_inode(std::move(inode), flags) : bad;
}

long open_at(int dirfd, const char* path, int flags, uint32_t mode) {
  constexpr int kUnserved = (O_TMPFILE & ~O_DIRECTORY) | O_PATH | O_ASYNC;
  const bool exclusive = (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL);
  Place place;
  const Follow follow = (flags & O_NOFOLLOW) != 0 || exclusive ? Follow::no : Follow::yes;
  const long bad = locate_at(dirfd, path, follow, &place);
  const bool slash = path != nullptr && *path != '\0' && path[std::strlen(path) - 1] == '/';
  if ((flags & O_CREAT) != 0 && slash && (bad == 0 || bad == -ENOTDIR)) return -EISDIR;
  if (bad < 0) return bad;
  if (kernels_own(place.path)) return call_kernel(SYS_openat, AT_FDCWD, place.path.c_str(), flags, mode);
  if ((flags & kUnserved) != 0) unsupported("openat", "flags " + std::to_string(flags & kUnserved));
  if (!place.exists()) {
    if ((flags & O_CREAT) == 0) return -ENOENT;
    if (long full = locate_new(dirfd, place.path.c_str(), &place); full < 0) return full;
    return open_inode(make_node(place.path, Inode::Type::file, mode & 07777), flags & ~O_TRUNC);
  }
  if (exclusive) return -EEXIST;
  if (place.is_directory()) {
    if ((flags & O_ACCMODE) != O_RDONLY || (flags & O_CREAT) != 0) return -EISDIR;
    auto directory = std::make_shared<OpenDirectory>(place.path);
    directory->flags = flags & ~O_CLOEXEC;
    return install(std::move(directory), (flags & O_CLOEXEC) != 0);
  }
  if ((flags & O_DIRECTORY) != 0) return -ENOTDIR;
  if (place.inode == nullptr) return open_lower(place, flags);
  if (place.inode->type == Inode::Type::symlink) return -ELOOP;
  if (place.inode->type == Inode::Type::socket) return -ENXIO;
  return open_inode(place.inode, flags);
}

// ---- names ------------------------------------------------------------------------------------

long remove_at(int dirfd, const char* path, bool directory) {
  Place place;
  bool slash = false;
  if (long bad = locate_name(dirfd, path, &place, &slash); bad < 0) return bad;
  if (!place.exists()) return -ENOENT;
  if (kernels_own(place.path)) unsupported("a change below", place.path);
  if (slash && !place.is_directory()) return -ENOTDIR;
  if (directory != place.is_directory()) return directory ? -ENOTDIR : -EISDIR;
  if (directory && !entries_of(place.path).empty()) return -ENOTEMPTY;
  if (choose_fault({Fault::io_error}) != Fault::none) return -EIO;
  remove_name(place.path);
  return 0;
}

long rename_at(int from_fd, const char* from, int to_fd, const char* to, unsigned flags) {
  if ((flags & ~unsigned{RENAME_NOREPLACE}) != 0) unsupported("renameat2", "flags " + std::to_string(flags));
  Place old, place;
  bool old_slash = false, slash = false;
  if (long bad = locate_name(from_fd, from, &old, &old_slash); bad < 0) return bad;
  if (long bad = locate_name(to_fd, to, &place, &slash); bad < 0) return bad;
  if (!old.exists()) return -ENOENT;
  if (flags != 0 && place.exists()) return -EEXIST;
  if ((old_slash || slash) && !old.is_directory()) return -ENOTDIR;
  if (place.path.starts_with(old.path + "/")) return -EINVAL;
  if (old.path.starts_with(place.path + "/")) return -ENOTEMPTY;
  if (kernels_own(old.path) || kernels_own(place.path)) unsupported("a change below", place.path);
  if (old.path == place.path) return 0;
  if (place.exists()) {
    if (place.inode != nullptr && place.inode == old.inode) return 0;
    if (place.is_directory() != old.is_directory()) return place.is_directory() ? -EISDIR : -ENOTDIR;
    if (place.is_directory() && !entries_of(place.path).empty()) return -ENOTEMPTY;
  }
  if (old.inode == nullptr && old.is_directory()) return -EXDEV;  // as overlays have it
  if (choose_fault({Fault::io_error}) != Fault::none) return -EIO;
  if (old.inode == nullptr) {
    long bad = 0;
    if (copy_up(old, &bad) == nullptr) return bad;
  }
  move_names(old.path, place.path, old.is_directory());
  return 0;
}

long make_directory(int dirfd, const char* path, uint32_t mode) {
  Place place;
  if (long bad = locate_new(dirfd, path, &place, true); bad < 0) return bad;
  make_node(place.path, Inode::Type::directory, mode & 07777);
  return 0;
}

long link_at(int from_fd, const char* from, int to_fd, const char* to, int flags) {
  Place old, place;
  const Follow follow = (flags & AT_SYMLINK_FOLLOW) != 0 ? Follow::yes : Follow::no;
  if (long bad = locate_at(from_fd, from, follow, &old); bad < 0) return bad;
  if (!old.exists()) return -ENOENT;
  if (long bad = locate_new(to_fd, to, &place); bad < 0) return bad;
  if (old.is_directory()) return -EPERM;
  long bad = 0;
  InodeRef inode = old.inode != nullptr ? old.inode : copy_up(old, &bad);
  if (inode == nullptr) return bad;
  add_link(place.path, std::move(inode));
  return 0;
}

long symlink_at(const char* target, int dirfd, const char* path) {
  Place place;
  if (long bad = locate_new(dirfd, path, &place); bad < 0) return bad;
  make_node(place.path, Inode::Type::symlink, 0777)->data = target;
  return 0;
}

long readlink_at(int dirfd, const char* path, char* to, size_t size) {
  Place place;
  if (long bad = locate_at(dirfd, path, Follow::no, &place); bad < 0) return bad;
  if (!place.exists()) return -ENOENT;
  if (place.inode == nullptr) return call_kernel(SYS_readlinkat, AT_FDCWD, place.path.c_str(), to, size);
  if (place.inode->type != Inode::Type::symlink) return -EINVAL;
  const size_t length = std::min(size, place.inode->data.size());
  std::memcpy(to, place.inode->data.data(), length);
  return static_cast<long>(length);
}

long access_at(int dirfd, const char* path, int mode, int flags) {
  Place place;
  const Follow follow = (flags & AT_SYMLINK_NOFOLLOW) != 0 ? Follow::no : Follow::yes;
  if (long bad = locate_at(dirfd, path, follow, &place); bad < 0) return bad;
  if (!place.exists()) return -ENOENT;
  if (place.inode == nullptr) return call_kernel(SYS_faccessat, AT_FDCWD, place.path.c_str(), mode);
  const bool runs = place.is_directory() || (place.inode->mode & 0111) != 0;
  return (mode & 1 /* X_OK */) != 0 && !runs ? -EACCES : 0;
}

// An inode that a change of attributes is for.
long writable_inode(int dirfd, const char* path, InodeRef* inode) {
  Place place;
  if (long bad = locate_at(dirfd, path, Follow::yes, &place); bad < 0) return bad;
  if (!place.exists()) return -ENOENT;
  if (place.inode == nullptr && place.is_directory()) unsupported("a change of a directory's attributes", place.path);
  long bad = 0;
  *inode = place.inode != nullptr ? place.inode : copy_up(place, &bad);
  return *inode != nullptr ? 0 : bad;
}

long change_mode(int dirfd, const char* path, uint32_t mode) {
  InodeRef inode;
  if (long bad = writable_inode(dirfd, path, &inode); bad < 0) return bad;
  inode->mode = mode & 07777;
  return 0;
}

}  // namespace

long do_stat(const Call& call) {
  struct stat info;
  return give_stat(stat_at(AT_FDCWD, call.at<char>(0), 0, &info), info, call.at<void>(1));
}
long do_lstat(const Call& call) {
  struct stat info;
  return give_stat(stat_at(AT_FDCWD, call.at<char>(0), AT_SYMLINK_NOFOLLOW, &info), info, call.at<void>(1));
}
long do_newfstatat(const Call& call) {
  struct stat info;
  return give_stat(stat_at(call.fd(0), call.at<char>(1), call.number(3), &info), info, call.at<void>(2));
}
long do_fstat(const Call& call) {
  struct stat info;
  return give_stat(stat_open(file_of(call.fd(0)), &info), info, call.at<void>(1));
}
long do_statx(const Call& call) {
  struct stat info;
  const long result = stat_at(call.fd(0), call.at<char>(1), call.number(2), &info);
  if (result < 0) return result;
  const struct statx x = statx_of(info);
  std::memcpy(call.at<void>(4), &x, sizeof x);
  return 0;
}

long do_open(const Call& call) {
  return open_at(AT_FDCWD, call.at<char>(0), call.number(1), static_cast<uint32_t>(call.args[2]));
}
long do_openat(const Call& call) {
  return open_at(call.fd(0), call.at<char>(1), call.number(2), static_cast<uint32_t>(call.args[3]));
}
long do_creat(const Call& call) {
  return open_at(AT_FDCWD, call.at<char>(0), O_CREAT | O_WRONLY | O_TRUNC, static_cast<uint32_t>(call.args[1]));
}

long do_unlink(const Call& call) { return remove_at(AT_FDCWD, call.at<char>(0), false); }
long do_rmdir(const Call& call) { return remove_at(AT_FDCWD, call.at<char>(0), true); }
long do_unlinkat(const Call& call) {
  return remove_at(call.fd(0), call.at<char>(1), (call.number(2) & AT_REMOVEDIR) != 0);
}
long do_rename(const Call& call) {
  return rename_at(AT_FDCWD, call.at<char>(0), AT_FDCWD, call.at<char>(1), 0);
}
long do_renameat(const Call& call) {
  return rename_at(call.fd(0), call.at<char>(1), call.fd(2), call.at<char>(3), 0);
}
long do_renameat2(const Call& call) {
  return rename_at(call.fd(0), call.at<char>(1), call.fd(2), call.at<char>(3), static_cast<unsigned>(call.args[4]));
}
long do_mkdir(const Call& call) {
  return make_directory(AT_FDCWD, call.at<char>(0), static_cast<uint32_t>(call.args[1]));
}
long do_mkdirat(const Call& call) {
  return make_directory(call.fd(0), call.at<char>(1), static_cast<uint32_t>(call.args[2]));
}
long do_link(const Call& call) { return link_at(AT_FDCWD, call.at<char>(0), AT_FDCWD, call.at<char>(1), 0); }
long do_linkat(const Call& call) {
  return link_at(call.fd(0), call.at<char>(1), call.fd(2), call.at<char>(3), call.number(4));
}
long do_symlink(const Call& call) { return symlink_at(call.at<char>(0), AT_FDCWD, call.at<char>(1)); }
long do_symlinkat(const Call& call) { return symlink_at(call.at<char>(0), call.fd(1), call.at<char>(2)); }
long do_readlink(const Call& call) { return readlink_at(AT_FDCWD, call.at<char>(0), call.at<char>(1), call.size(2)); }
long do_readlinkat(const Call& call) {
  return readlink_at(call.fd(0), call.at<char>(1), call.at<char>(2), call.size(3));
}
long do_access(const Call& call) { return access_at(AT_FDCWD, call.at<char>(0), call.number(1), 0); }
long do_faccessat(const Call& call) { return access_at(call.fd(0), call.at<char>(1), call.number(2), 0); }
long do_faccessat2(const Call& call) { return access_at(call.fd(0), call.at<char>(1), call.number(2), call.number(3)); }
long do_chmod(const Call& call) { return change_mode(AT_FDCWD, call.at<char>(0), static_cast<uint32_t>(call.args[1])); }
long do_fchmodat(const Call& call) { return change_mode(call.fd(0), call.at<char>(1), static_cast<uint32_t>(call.args[2])); }
long do_chdir(const Call& call) { return change_directory(call.at<char>(0)); }
long do_getcwd(const Call& call) {
  const std::string path = working_directory();
  if (call.size(1) <= path.size()) return -ERANGE;
  std::memcpy(call.at<void>(0), path.c_str(), path.size() + 1);
  return static_cast<long>(path.size() + 1);
}
long do_truncate(const Call& call) {
  InodeRef inode;
  if (long bad = writable_inode(AT_FDCWD, call.at<char>(0), &inode); bad < 0) return bad;
  if (inode->type != Inode::Type::file || call.args[1] < 0) return -EINVAL;
  inode->data.resize(call.size(1));
  return 0;
}

// ---- open files -------------------------------------------------------------------------------

long do_lseek(const Call& call) {
  const FileRef file = file_of(call.fd(0));
  if (DiskFile* disk = disk_file(file)) return disk->seek(call.args[1], call.number(2));
  if (OpenDirectory* directory = open_directory(file)) return directory->rewind(call.args[1], call.number(2));
  return -ESPIPE;
}

long do_pread64(const Call& call) {
  const FileRef file = file_of(call.fd(0));
  if (open_directory(file) != nullptr) return -EISDIR;
  DiskFile* disk = disk_file(file);
  if (disk == nullptr) return -ESPIPE;
  Buffers to(call.at<void>(1), call.size(2));
  return disk->read_at(to, call.args[3]);
}
long do_pwrite64(const Call& call) {
  const FileRef file = file_of(call.fd(0));
  if (open_directory(file) != nullptr) return -EBADF;
  DiskFile* disk = disk_file(file);
  if (disk == nullptr) return -ESPIPE;
  Buffers from(call.at<void>(1), call.size(2));
  return disk->write_at(from, call.args[3]);
}
long do_preadv(const Call& call) {
  DiskFile* disk = disk_file(file_of(call.fd(0)));
  if (disk == nullptr) return -ESPIPE;
  Buffers to(std::span<const iovec>(call.at<iovec>(1), call.size(2)));
  return disk->read_at(to, call.args[3]);
}
long do_pwritev(const Call& call) {
  DiskFile* disk = disk_file(file_of(call.fd(0)));
  if (disk == nullptr) return -ESPIPE;
  Buffers from(std::span<const iovec>(call.at<iovec>(1), call.size(2)));
  return disk->write_at(from, call.args[3]);
}

long do_ftruncate(const Call& call) {
  DiskFile* disk = disk_file(file_of(call.fd(0)));
  return disk != nullptr ? disk->truncate(call.args[1]) : -EINVAL;
}
long do_fallocate(const Call& call) {
  DiskFile* disk = disk_file(file_of(call.fd(0)));
  return disk != nullptr ? disk->allocate(call.number(1), call.args[2], call.args[3]) : -ENODEV;
}
long do_fsync(const Call& call) {
  const FileRef file = file_of(call.fd(0));
  if (DiskFile* disk = disk_file(file)) return disk->sync();
  const OpenDirectory* directory = open_directory(file);
  if (directory == nullptr) return -EINVAL;
  if (choose_fault({Fault::io_error}) != Fault::none) return -EIO;
  sync_directory(directory->path());
  return 0;
}
long do_sync(const Call&) { return sync_everything(), 0; }
long do_fchmod(const Call& call) {
  DiskFile* disk = disk_file(file_of(call.fd(0)));
  if (disk == nullptr) return -EINVAL;
  disk->inode().mode = static_cast<uint32_t>(call.args[1]) & 07777;
  return 0;
}
long do_fadvise64(const Call&) { return 0; }
long do_getdents64(const Call& call) {
  OpenDirectory* directory = open_directory(file_of(call.fd(0)));
  return directory != nullptr ? directory->entries(call.at<char>(1), call.size(2)) : -ENOTDIR;
}
long do_fchdir(const Call& call) {
  const OpenDirectory* directory = open_directory(file_of(call.fd(0)));
  return directory != nullptr ? change_directory(directory->path()) : -ENOTDIR;
}

// A private mapping is a copy. One that is shared would have to show what is written to the file later.
long do_mmap(const Call& call) {
  DiskFile* disk = disk_file(file_of(call.fd(4)));
  const int flags = call.number(3);
  if (disk == nullptr) return -ENODEV;
  if ((flags & MAP_TYPE) != MAP_PRIVATE) unsupported("mmap", "a shared mapping of a file of this world");
  const long at = call_kernel(SYS_mmap, call.args[0], call.args[1], PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS,
                              -1, 0);
  if (at < 0 && at >= -4095) return at;
  const std::string& data = disk->inode().data;
  const size_t from = std::min(call.size(5), data.size());
  std::memcpy(reinterpret_cast<void*>(at), data.data() + from, std::min(call.size(1), data.size() - from));
  call_kernel(SYS_mprotect, at, call.args[1], call.args[2]);
  return at;
}

// Of a path of this world refused, else the kernel's.
long do_statfs(const Call& call) {
  Place place;
  if (locate_at(AT_FDCWD, call.at<char>(0), Follow::yes, &place) == 0 && place.inode != nullptr) {
    unsupported(call.name, place.path);
  }
  return call_kernel(SYS_statfs, call.args[0], call.args[1]);
}

}  // namespace reprise::sim
