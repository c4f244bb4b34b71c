// Files on top of FD: blocking calls on workers, pollable files on the poller.
//
// What a path names is only known once it is open: the descriptor is offered to the poller, and
// what epoll refuses (EPERM: regular files, directories) becomes a file of blocking calls. open
// itself may wait (a FIFO without peer, a network file system), hence on a worker.
#include <reprise/os.h>

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "runtime/boot/boot.h"
#include "runtime/poll/fd.h"
#include "runtime/sched/proc.h"
#include "runtime/sched/seam.h"
#include "runtime/sys/blocking.h"
#include "runtime/sys/syscall.h"

namespace reprise::os {

namespace detail {

struct OpenFile {
  OpenFile(int sysfd, rt::FdKind kind, std::string path) : fd(sysfd, kind), name(std::move(path)) {}

  rt::FD fd;
  std::string name;
};

}  // namespace detail

namespace {

using detail::OpenFile;
using rt::FdKind;
using rt::IoResult;
namespace sys = rt::sys;

std::string context_of(std::string_view op, std::string_view path) {
  return std::string(op) + " " + std::string(path);
}

Error error_of(const IoResult& result, std::string context) {
  switch (result.poll) {
    case rt::PollError::closing: return Error(ErrorKind::closed, 0, std::move(context));
    case rt::PollError::timeout: return Error(ErrorKind::timeout, 0, std::move(context));
    case rt::PollError::not_pollable: return Error::system(EBADF, std::move(context));
    case rt::PollError::none: return Error::system(result.error, std::move(context));
  }
  rt::throw_("poll error of unknown kind");
}

Error closed_error(std::string_view op) { return Error(ErrorKind::closed, 0, std::string(op)); }

Status status_of(const IoResult& result, std::string_view op, const OpenFile& file) {
  if (result.ok()) return {};
  return error_of(result, context_of(op, file.name));
}

// A call with a path, on a worker.
template <class F>
Status path_call(std::string_view op, std::string_view path, F call) {
  rt::seam_point(seam::OpKind::io_other, {});
  const std::string zero_ended(path);
  const long result = rt::blocking_call([&] { return call(zero_ended.c_str()); });
  if (result < 0) return Error::system(static_cast<int>(-result), context_of(op, path));
  return {};
}

FileType type_of_mode(uint32_t mode) {
  switch (mode & S_IFMT) {
    case S_IFDIR: return FileType::directory;
    case S_IFLNK: return FileType::symlink;
    case S_IFIFO: return FileType::pipe;
    case S_IFSOCK: return FileType::socket;
    case S_IFBLK:
    case S_IFCHR: return FileType::device;
    default: return FileType::regular;
  }
}

std::string last_element(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  const size_t slash = path.rfind('/');
  return std::string(slash == path.npos || path.size() == 1 ? path : path.substr(slash + 1));
}

FileInfo info_of(const struct stat& st, std::string_view path) {
  FileInfo info;
  info.name = last_element(path);
  info.size = st.st_size;
  info.type = type_of_mode(st.st_mode);
  info.mode = st.st_mode & 07777;
  info.modified_ns = st.st_mtim.tv_sec * 1'000'000'000 + st.st_mtim.tv_nsec;
  return info;
}

// What may be waited for in the poller; asked of the descriptor, since the path may be anything.
bool worth_polling(int fd, long* flags) {
  struct stat st;
  if (sys::call(SYS_fstat, fd, &st) < 0) return false;
  if (!S_ISFIFO(st.st_mode) && !S_ISCHR(st.st_mode) && !S_ISSOCK(st.st_mode)) return false;
  *flags = sys::call(SYS_fcntl, fd, F_GETFL, 0);
  return *flags >= 0;
}

Result<File> adopt(int fd, std::string path) {
  long flags = 0;
  if (worth_polling(fd, &flags)) {
    auto file = std::make_shared<OpenFile>(fd, FdKind::pipe, path);
    const int refused = file->fd.init();
    if (refused == 0) {
      sys::call(SYS_fcntl, fd, F_SETFL, flags | O_NONBLOCK);
      return File(std::move(file));
    }
    if (refused != EPERM) return Error::system(refused, context_of("open", path));
    file->fd.release();  // the descriptor lives on below
  }
  auto file = std::make_shared<OpenFile>(fd, FdKind::file, std::move(path));
  if (const int error = file->fd.init()) {
    return Error::system(error, context_of("open", file->name));
  }
  return File(std::move(file));
}

struct KernelDirEntry {  // struct linux_dirent64
  uint64_t inode;
  int64_t offset;
  uint16_t length;
  uint8_t type;
  char name[];
};

FileType type_of_entry(uint8_t type) { return type_of_mode(DTTOIF(type)); }

void append_entries(const char* bytes, int64_t size, std::vector<DirEntry>* entries) {
  for (int64_t at = 0; at < size;) {
    const auto* entry = reinterpret_cast<const KernelDirEntry*>(bytes + at);
    const std::string_view name = entry->name;
    if (name != "." && name != "..") entries->push_back({std::string(name), type_of_entry(entry->type)});
    at += entry->length;
  }
}

}  // namespace

// ---- opening ----------------------------------------------------------------------------------

Result<File> open(std::string_view path, int flags, mode_t permissions) {
  rt::seam_point(seam::OpKind::io_open, {});
  const std::string zero_ended(path);
  const long fd = rt::blocking_syscall(SYS_openat, AT_FDCWD, zero_ended.c_str(), flags | O_CLOEXEC,
                                       permissions);
  if (fd < 0) return Error::system(static_cast<int>(-fd), context_of("open", path));
  return adopt(static_cast<int>(fd), zero_ended);
}

Result<File> create(std::string_view path) { return open(path, O_RDWR | O_CREAT | O_TRUNC); }

Result<Pipe> pipe() {
  int ends[2];
  const long made = sys::call(SYS_pipe2, ends, O_CLOEXEC | O_NONBLOCK);
  if (made < 0) return Error::system(static_cast<int>(-made), "pipe");
  Result<File> reader = adopt(ends[0], "|0");
  Result<File> writer = adopt(ends[1], "|1");
  if (!reader) return std::move(reader).error();
  if (!writer) return std::move(writer).error();
  return Pipe{*std::move(reader), *std::move(writer)};
}

// ---- File -------------------------------------------------------------------------------------

Result<size_t> File::read(void* to, size_t size) {
  if (!file_) return closed_error("read");
  const IoResult got = file_->fd.read(to, size);
  if (!got.ok()) return error_of(got, context_of("read", file_->name));
  return static_cast<size_t>(got.n);
}

Status File::read_full(void* to, size_t size) {
  for (size_t done = 0; done < size;) {
    Result<size_t> got = read(static_cast<char*>(to) + done, size - done);
    if (!got) return std::move(got).error();
    if (*got == 0) return Error(ErrorKind::end_of_file, 0, context_of("read", file_->name));
    done += *got;
  }
  return {};
}

Result<size_t> File::read_at(void* to, size_t size, int64_t offset) {
  if (!file_) return closed_error("read");
  const IoResult got = file_->fd.pread(to, size, offset);
  if (!got.ok()) return error_of(got, context_of("read", file_->name));
  return static_cast<size_t>(got.n);
}

Result<std::string> File::read_all() {
  std::string text;
  for (size_t step = 16 << 10;; step = std::min<size_t>(step * 2, 4 << 20)) {
    const size_t before = text.size();
    text.resize(before + step);
    Result<size_t> got = read(text.data() + before, step);
    text.resize(before + (got ? *got : 0));
    if (!got) return std::move(got).error();
    if (*got == 0) return text;
  }
}

Status File::write_all(const void* from, size_t size) {
  if (!file_) return closed_error("write");
  return status_of(file_->fd.write(from, size), "write", *file_);
}

Status File::write_at(const void* from, size_t size, int64_t offset) {
  if (!file_) return closed_error("write");
  return status_of(file_->fd.pwrite(from, size, offset), "write", *file_);
}

Result<int64_t> File::seek(int64_t offset, Whence whence) {
  if (!file_) return closed_error("seek");
  const IoResult moved = file_->fd.control(
      [&](int fd) { return sys::call(SYS_lseek, fd, offset, static_cast<int>(whence)); });
  if (!moved.ok()) return error_of(moved, context_of("seek", file_->name));
  return moved.n;
}

Result<FileInfo> File::stat() {
  if (!file_) return closed_error("stat");
  struct stat st;
  const IoResult got = file_->fd.control([&](int fd) { return sys::call(SYS_fstat, fd, &st); });
  if (!got.ok()) return error_of(got, context_of("stat", file_->name));
  return info_of(st, file_->name);
}

Status File::truncate(int64_t size) {
  if (!file_) return closed_error("truncate");
  return status_of(
      file_->fd.control([&](int fd) { return sys::call(SYS_ftruncate, fd, size); }), "truncate", *file_);
}

Status File::sync() {
  if (!file_) return closed_error("sync");
  return status_of(file_->fd.control([&](int fd) { return sys::call(SYS_fsync, fd); }), "sync", *file_);
}

Result<std::vector<DirEntry>> File::readdir() {
  if (!file_) return closed_error("readdir");
  std::vector<DirEntry> entries;
  std::vector<char> buffer(32 << 10);
  for (;;) {
    const IoResult got = file_->fd.control(
        [&](int fd) { return sys::call(SYS_getdents64, fd, buffer.data(), buffer.size()); });
    if (!got.ok()) return error_of(got, context_of("readdir", file_->name));
    if (got.n == 0) break;
    append_entries(buffer.data(), got.n, &entries);
  }
  // The kernel's order is that of a hash; ours is the same everywhere.
  std::sort(entries.begin(), entries.end(),
            [](const DirEntry& a, const DirEntry& b) { return a.name < b.name; });
  return entries;
}

Status File::set_deadline(TimePoint deadline) {
  if (!file_) return closed_error("set deadline");
  return status_of(file_->fd.set_deadline(true, true, deadline.time_since_epoch().count()),
                   "set deadline", *file_);
}

Status File::close() {
  if (!file_) return closed_error("close");
  return status_of(file_->fd.close(), "close", *file_);
}

const std::string& File::name() const {
  static const std::string none;
  return file_ ? file_->name : none;
}

// ---- paths ------------------------------------------------------------------------------------

Result<std::string> read_file(std::string_view path) {
  Result<File> file = open(path);
  if (!file) return std::move(file).error();
  return file->read_all();
}

Status write_file(std::string_view path, std::string_view text, mode_t permissions) {
  Result<File> file = open(path, O_WRONLY | O_CREAT | O_TRUNC, permissions);
  if (!file) return std::move(file).error();
  Status written = file->write_all(text);
  Status closed = file->close();
  return written ? std::move(closed) : std::move(written);
}

Result<FileInfo> stat(std::string_view path) {
  struct stat st;
  Status done = path_call("stat", path, [&](const char* p) {
    return sys::call(SYS_newfstatat, AT_FDCWD, p, &st, 0);
  });
  if (!done) return std::move(done).error();
  return info_of(st, path);
}

Status remove(std::string_view path) {
  Status file = path_call("remove", path,
                          [](const char* p) { return sys::call(SYS_unlinkat, AT_FDCWD, p, 0); });
  if (file || !file.error().is(EISDIR)) return file;
  return path_call("remove", path, [](const char* p) {
    return sys::call(SYS_unlinkat, AT_FDCWD, p, AT_REMOVEDIR);
  });
}

Status rename(std::string_view from, std::string_view to) {
  const std::string target(to);
  return path_call("rename", from, [&](const char* p) {
    return sys::call(SYS_renameat2, AT_FDCWD, p, AT_FDCWD, target.c_str(), 0);
  });
}

Status mkdir(std::string_view path, mode_t permissions) {
  return path_call("mkdir", path, [&](const char* p) {
    return sys::call(SYS_mkdirat, AT_FDCWD, p, permissions);
  });
}

// ---- process ----------------------------------------------------------------------------------

std::vector<std::string> args() {
  // Up to a null: libraries that take their own flags out of argv leave it shorter than it was.
  char** const end = std::find(rt::boot_argv(), rt::boot_argv() + rt::boot_argc(), nullptr);
  return {rt::boot_argv(), end};
}

std::optional<std::string> getenv(std::string_view name) {
  const char* value = ::getenv(std::string(name).c_str());
  if (!value) return std::nullopt;
  return std::string(value);
}

void exit(int status) {
  rt::seam_finish({status == 0 ? seam::Outcome::Kind::ok : seam::Outcome::Kind::failed, status, {}});
  fflush(nullptr);
  _exit(status);
}

}  // namespace reprise::os
