// The parent's mapping of a tape: control page and ring (runtime/seam/tape.h).
//
// Owns descriptor and mappings. The ring is mapped twice in a row, so that a record never wraps for
// us either. The two sides synchronise through Control alone; within the parent, one thread.
#pragma once

#include <cstdint>
#include <string>

#include "replay/error.h"
#include "runtime/seam/side.h"
#include "runtime/seam/tape.h"

namespace reprise::trace {

class TapeFile {
 public:
  TapeFile() = default;
  ~TapeFile();
  TapeFile(const TapeFile&) = delete;
  TapeFile& operator=(const TapeFile&) = delete;

  // A fresh tape. With a path: a file of mode 0600 with its blocks allocated, so that the program
  // can never be killed by a full disk; it survives the parent, for recovery. Empty: memory only, of
  // which the first `used_bytes` of the ring are there at once and the others when they are touched.
  // After a failure, create() may be called again.
  Error create(const std::string& path, uint64_t ring_bytes, uint64_t used_bytes = UINT64_MAX);

  // Adds a side area (runtime/seam/side.h) of so many bytes, which are there when they are touched, and
  // its head all zero. REQUIRES: create(), and no program yet.
  Error add_side(uint64_t bytes);
  tape::SideArea* side() const { return side_; }  // null: there is none

  // An existing tape file, read-only in spirit: for recovery. Checks magic, version and sizes.
  Error open(const std::string& path);

  int fd() const { return fd_; }
  tape::Control& control() const { return *control_; }
  std::byte* ring() const { return ring_; }
  uint64_t ring_bytes() const { return ring_bytes_; }

  // The byte at a position of the stream.
  std::byte* at(uint64_t position) const { return ring_ + (position & (ring_bytes_ - 1)); }

 private:
  void reset();
  Error map(const std::string& name, uint64_t ring_bytes);

  int fd_ = -1;
  tape::Control* control_ = nullptr;
  std::byte* ring_ = nullptr;
  uint64_t ring_bytes_ = 0;
  tape::SideArea* side_ = nullptr;
};

}  // namespace reprise::trace
