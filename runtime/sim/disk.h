// Open files and directories of the simulated file system.
//
// Thread safety and ownership: file.h. A file stays readable after its name is gone; after a crash it is
// dead, and every call on it fails with EIO.
#pragma once

#include <errno.h>

#include "runtime/sim/tree.h"

namespace reprise::sim {

class DiskFile final : public File {
 public:
  explicit DiskFile(InodeRef inode) : inode_(std::move(inode)) {}

  std::string_view kind() const override { return "file"; }
  uint32_t ready() const override;
  bool pollable() const override { return false; }
  long read(Buffers& to) override;
  long write(Buffers& from) override;

  long read_at(Buffers& to, int64_t offset);
  long write_at(Buffers& from, int64_t offset);
  long seek(int64_t offset, int whence);
  long truncate(int64_t size);
  long allocate(int mode, int64_t offset, int64_t size);
  long sync();
  void die() { dead_ = true; }
  Inode& inode() { return *inode_; }

 private:
  bool readable() const { return (flags & 3) != 1; }
  bool writable() const { return (flags & 3) != 0; }

  InodeRef inode_;
  int64_t position_ = 0;
  bool dead_ = false;
};

class OpenDirectory final : public File {
 public:
  explicit OpenDirectory(std::string path) : path_(std::move(path)) {}

  std::string_view kind() const override { return "directory"; }
  uint32_t ready() const override;
  bool pollable() const override { return false; }
  long read(Buffers&) override;
  long write(Buffers&) override { return -EBADF; }  // nobody opens one for writing

  // struct linux_dirent64 entries, as many as fit.
  long entries(char* to, size_t size);
  long rewind(int64_t offset, int whence);
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  std::vector<Entry> listed_;
  size_t next_ = 0;
  bool is_listed_ = false;
};

DiskFile* disk_file(const FileRef& file);            // null if it is none
OpenDirectory* open_directory(const FileRef& file);  // likewise

}  // namespace reprise::sim
