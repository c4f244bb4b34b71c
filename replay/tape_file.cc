// Creating and mapping a tape.
//
// A tape beside the trace outlives a killed process group, and recovery reads it. Its blocks are
// allocated first: a store into a hole on a full disk would kill the program with SIGBUS. Then zeroes
// are written: the first store to a page that the file system has to read costs 2.5 us, most of what a
// record costs until the ring has been round once; to a page that is there, next to nothing.
#include "replay/tape_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <new>

#include "replay/records.h"

namespace reprise::trace {

constexpr uint64_t kMaxSideBytes = uint64_t{8} << 30;

TapeFile::~TapeFile() { reset(); }

void TapeFile::reset() {
  if (side_) munmap(side_, tape::side_bytes(control_));
  side_ = nullptr;
  if (control_) munmap(control_, tape::kControlBytes);
  if (ring_) munmap(ring_, 2 * ring_bytes_);
  if (fd_ >= 0) close(fd_);
  control_ = nullptr;
  ring_ = nullptr;
  fd_ = -1;
}

namespace {

// Blocks and pages of a fresh file. 0 or errno.
int populate(int fd, uint64_t size) {
  if (int failed = posix_fallocate(fd, 0, static_cast<off_t>(size))) return failed;
  static constexpr char kZeroes[256 << 10] = {};
  for (uint64_t at = 0; at < size;) {
    const ssize_t n = pwrite(fd, kZeroes, std::min<uint64_t>(sizeof kZeroes, size - at),
                             static_cast<off_t>(at));
    if (n < 0 && errno != EINTR) return errno;
    if (n > 0) at += static_cast<uint64_t>(n);
  }
  return 0;
}

// The kernel's memory files have their pages as soon as they are allocated.
int populate_memory(int fd, uint64_t size, uint64_t used) {
  if (ftruncate(fd, static_cast<off_t>(size)) != 0) return errno;
  return posix_fallocate(fd, 0, static_cast<off_t>(std::min(size, used)));
}

}  // namespace

Error TapeFile::create(const std::string& path, uint64_t ring_bytes, uint64_t used_bytes) {
  reset();
  std::string name = path.empty() ? "tape in memory" : path;
  if (path.empty()) {
    fd_ = memfd_create("reprise-tape", MFD_CLOEXEC);
  } else {
    unlink(path.c_str());
    fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  }
  if (fd_ < 0) return {Error::Kind::io, name, 0, std::strerror(errno)};
  const uint64_t size = tape::kControlBytes + ring_bytes;
  used_bytes = std::min(used_bytes, ring_bytes);
  int failed = path.empty() ? populate_memory(fd_, size, tape::kControlBytes + used_bytes)
                            : populate(fd_, size);
  if (failed != 0) return {Error::Kind::io, name, 0, std::strerror(failed)};
  if (Error e = map(name, ring_bytes)) return e;
  new (control_) tape::Control{};
  control_->magic = tape::kMagic;
  control_->version = tape::kVersion;
  control_->ring_bytes = ring_bytes;
  control_->parent_pid = getpid();
  control_->until_event = ~uint64_t{0};
  control_->exit_status = -1;
  return {};
}

Error TapeFile::add_side(uint64_t bytes) {
  const std::string name = "side area of the tape";
  const uint64_t at = tape::kControlBytes + ring_bytes_;
  if (bytes > kMaxSideBytes) return {Error::Kind::io, name, 0, "it would be too large"};
  bytes = padded(bytes, 4096);
  if (ftruncate(fd_, static_cast<off_t>(at + bytes)) != 0) return {Error::Kind::io, name, 0, std::strerror(errno)};
  void* side = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, static_cast<off_t>(at));
  if (side == MAP_FAILED) return {Error::Kind::io, name, 0, std::strerror(errno)};
  side_ = static_cast<tape::SideArea*>(side);
  tape::side_bytes(control_) = bytes;
  return {};
}

Error TapeFile::open(const std::string& path) {
  auto bad = [&](uint64_t offset, const char* expected) {
    return Error{Error::Kind::bad_trace, path, offset, expected};
  };
  fd_ = ::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  if (fd_ < 0) return {Error::Kind::io, path, 0, std::strerror(errno)};
  struct stat st {};
  if (fstat(fd_, &st) != 0) return {Error::Kind::io, path, 0, std::strerror(errno)};
  tape::Control head{};
  if (pread(fd_, &head, sizeof head, 0) != sizeof head) return bad(0, "expected a tape's control page");
  if (head.magic != tape::kMagic) return bad(0, "expected a tape");
  if (head.version != tape::kVersion) return bad(8, "expected another tape version");
  uint64_t side = 0;
  if (pread(fd_, &side, sizeof side, tape::kSideWord) != sizeof side) return bad(0, "expected a tape's control page");
  bool fits = std::has_single_bit(head.ring_bytes) && head.ring_bytes >= 4096 && side <= kMaxSideBytes &&
              static_cast<uint64_t>(st.st_size) == tape::kControlBytes + head.ring_bytes + side;
  if (!fits) return bad(offsetof(tape::Control, ring_bytes), "expected the ring's size to fit the file");
  return map(path, head.ring_bytes);
}

Error TapeFile::map(const std::string& name, uint64_t ring_bytes) {
  auto failed = [&] { return Error{Error::Kind::io, name, 0, std::strerror(errno)}; };
  int protection = PROT_READ | PROT_WRITE;
  void* control = mmap(nullptr, tape::kControlBytes, protection, MAP_SHARED, fd_, 0);
  if (control == MAP_FAILED) return failed();
  control_ = static_cast<tape::Control*>(control);
  void* twice = mmap(nullptr, 2 * ring_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (twice == MAP_FAILED) return failed();
  ring_ = static_cast<std::byte*>(twice);
  ring_bytes_ = ring_bytes;
  for (int half = 0; half < 2; ++half) {
    if (mmap(ring_ + half * ring_bytes, ring_bytes, protection, MAP_SHARED | MAP_FIXED, fd_,
             tape::kControlBytes) == MAP_FAILED) {
      return failed();
    }
  }
  // Nothing of the file is worth reading ahead: it would be zeroes, megabytes of them.
  madvise(control_, tape::kControlBytes, MADV_RANDOM);
  madvise(ring_, 2 * ring_bytes, MADV_RANDOM);
  return {};
}

}  // namespace reprise::trace
