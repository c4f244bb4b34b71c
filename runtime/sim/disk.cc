// Files and directories, open.
//
// Faults fall here: short transfers, EINTR, EIO, and ENOSPC where a file would grow. A sync that fails has
// synced nothing.
#include "runtime/sim/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "runtime/sim/faults.h"
#include "runtime/time/clock.h"

namespace reprise::sim {

namespace {

constexpr int64_t kMaxBytes = int64_t{1} << 32;  // in memory, so not more than this

long error_of(Fault fault) {
  switch (fault) {
    case Fault::interrupt: return -EINTR;
    case Fault::no_space: return -ENOSPC;
    case Fault::io_error: return -EIO;
    default: return 0;
  }
}

}  // namespace

DiskFile* disk_file(const FileRef& file) { return dynamic_cast<DiskFile*>(file.get()); }
OpenDirectory* open_directory(const FileRef& file) { return dynamic_cast<OpenDirectory*>(file.get()); }

uint32_t DiskFile::ready() const { return EPOLLIN | EPOLLOUT | EPOLLRDNORM | EPOLLWRNORM; }
uint32_t OpenDirectory::ready() const { return EPOLLIN | EPOLLOUT | EPOLLRDNORM | EPOLLWRNORM; }

// ---- DiskFile ---------------------------------------------------------------------------------

long DiskFile::read(Buffers& to) {
  const long got = read_at(to, position_);
  if (got > 0) position_ += got;
  return got;
}

long DiskFile::write(Buffers& from) {
  const int64_t at = (flags & O_APPEND) != 0 ? static_cast<int64_t>(inode_->data.size()) : position_;
  const long written = write_at(from, at);
  if (written > 0) position_ = at + written;
  return written;
}

long DiskFile::read_at(Buffers& to, int64_t offset) {
  if (!readable()) return -EBADF;
  if (offset < 0) return -EINVAL;
  if (dead_) return -EIO;
  const std::string& data = inode_->data;
  if (to.size() == 0 || static_cast<uint64_t>(offset) >= data.size()) return 0;
  uint64_t size = std::min<uint64_t>(to.size(), data.size() - static_cast<uint64_t>(offset));
  const Fault fault = choose_fault({Fault::one_byte, Fault::half, Fault::interrupt, Fault::io_error});
  if (const long bad = error_of(fault); bad < 0) return bad;
  cut_short(fault, &size);
  to.put(data.data() + offset, size);
  return static_cast<long>(size);
}

long DiskFile::write_at(Buffers& from, int64_t offset) {
  if (!writable()) return -EBADF;
  if (offset < 0) return -EINVAL;
  if ((flags & O_APPEND) != 0) offset = static_cast<int64_t>(inode_->data.size());  // wherever it was meant to go
  if (dead_) return -EIO;
  if (from.size() == 0) return 0;
  if (offset + static_cast<int64_t>(from.size()) > kMaxBytes) return -EFBIG;
  const Fault fault =
      choose_fault({Fault::one_byte, Fault::half, Fault::interrupt, Fault::no_space, Fault::io_error});
  if (const long bad = error_of(fault); bad < 0) return bad;
  uint64_t size = from.size();
  cut_short(fault, &size);
  std::string& data = inode_->data;
  const size_t end = static_cast<size_t>(offset) + size;
  if (data.size() < end) data.resize(end);
  from.take(data.data() + offset, size);
  inode_->modified_ns = rt::walltime();
  if ((flags & (O_SYNC | O_DSYNC)) != 0) sync_file(*inode_);
  return static_cast<long>(size);
}

long DiskFile::seek(int64_t offset, int whence) {
  const auto size = static_cast<int64_t>(inode_->data.size());
  int64_t to = offset;
  switch (whence) {
    case SEEK_SET: break;
    case SEEK_CUR: to += position_; break;
    case SEEK_END: to += size; break;
    case SEEK_DATA: if (offset < 0 || offset >= size) return -ENXIO; break;
    case SEEK_HOLE: if (offset < 0 || offset >= size) return -ENXIO; to = size; break;
    default: return -EINVAL;
  }
  if (to < 0) return -EINVAL;
  return position_ = to;
}

long DiskFile::truncate(int64_t size) {
  if (!writable() || size < 0) return -EINVAL;
  if (dead_) return -EIO;
  if (size > kMaxBytes) return -EFBIG;
  inode_->data.resize(static_cast<size_t>(size));
  inode_->modified_ns = rt::walltime();
  return 0;
}

long DiskFile::allocate(int mode, int64_t offset, int64_t size) {
  if (!writable()) return -EBADF;
  if (offset < 0 || size <= 0) return -EINVAL;
  if ((mode & ~FALLOC_FL_KEEP_SIZE) != 0) unsupported("fallocate", "mode " + std::to_string(mode));
  if (offset + size > kMaxBytes) return -EFBIG;
  if (const long bad = error_of(choose_fault({Fault::no_space})); bad < 0) return bad;
  const auto end = static_cast<size_t>(offset + size);
  if (mode == 0 && inode_->data.size() < end) inode_->data.resize(end);
  return 0;
}

long DiskFile::sync() {
  if (dead_) return -EIO;
  if (const long bad = error_of(choose_fault({Fault::io_error})); bad < 0) return bad;
  sync_file(*inode_);
  return 0;
}

// ---- OpenDirectory ----------------------------------------------------------------------------

long OpenDirectory::read(Buffers&) { return -EISDIR; }

long OpenDirectory::entries(char* to, size_t size) {
  if (!is_listed_) {
    listed_ = {{".", DT_DIR, 1}, {"..", DT_DIR, 1}};
    std::vector<Entry> found = entries_of(path_);
    std::move(found.begin(), found.end(), std::back_inserter(listed_));
    is_listed_ = true;
  }
  size_t used = 0;
  for (; next_ < listed_.size(); ++next_) {
    const Entry& entry = listed_[next_];
    const size_t length = (offsetof(dirent64, d_name) + entry.name.size() + 1 + 7) & ~size_t{7};
    if (used + length > size) break;
    auto* at = reinterpret_cast<dirent64*>(to + used);
    at->d_ino = entry.number;
    at->d_off = static_cast<off64_t>(next_ + 1);
    at->d_reclen = static_cast<unsigned short>(length);
    at->d_type = entry.type;
    std::memcpy(at->d_name, entry.name.c_str(), entry.name.size() + 1);
    used += length;
  }
  if (used == 0 && next_ < listed_.size()) return -EINVAL;
  return static_cast<long>(used);
}

long OpenDirectory::rewind(int64_t offset, int whence) {
  if (whence == SEEK_CUR) offset += static_cast<int64_t>(next_);
  if ((whence != SEEK_SET && whence != SEEK_CUR) || offset < 0) return -EINVAL;
  if (offset == 0) is_listed_ = false;
  next_ = static_cast<size_t>(offset);
  return offset;
}

}  // namespace reprise::sim
