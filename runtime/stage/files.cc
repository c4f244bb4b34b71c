// Identity of mapped files. Not by inode or time: a packed trace replays with copies.
#include "runtime/stage/files.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "runtime/stage/hash.h"
#include "runtime/stage/layout.h"
#include "runtime/stage/raw.h"
#include "runtime/stage/report.h"
#include "runtime/stage/text.h"

namespace reprise::stage {

uint32_t FileIdentity::bytes() const { return offsetof(FileIdentity, path) + length(path) + 1; }

void path_of_descriptor(long fd, char* out, uint32_t capacity) {
  Line link;
  link << "/proc/self/fd/" << static_cast<int64_t>(fd);
  const long n = raw(SYS_readlink, link.text, out, capacity - 1);
  out[n > 0 ? n : 0] = 0;
}

bool identify(long fd, FileIdentity* out) {
  struct stat status;
  uint8_t first[kPage];
  path_of_descriptor(fd, out->path, sizeof out->path);
  if (raw(SYS_fstat, fd, &status) != 0) return false;
  out->size = status.st_size;
  const long n = raw(SYS_pread64, fd, first, sizeof first, 0);
  if (n < 0) return false;
  out->is_elf = n > SELFMAG && memcmp(first, ELFMAG, SELFMAG) == 0;
  out->head = mix_bytes(1, first, n);
  return true;
}

long open_for_replay(const char* path) {
  if (control->file_root[0]) {
    char packed[2048];
    Text(packed, sizeof packed) << control->file_root << path;
    const long fd = raw(SYS_open, packed, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) return fd;
  }
  return raw(SYS_open, path, O_RDONLY | O_CLOEXEC);
}

long open_recorded(const FileIdentity& file) {
  const long fd = open_for_replay(file.path);
  FileIdentity found;
  if (fd >= 0 && option(tape::kOtherFiles)) return fd;
  if (fd >= 0 && identify(fd, &found) && found.size == file.size && found.head == file.head) return fd;
  Text message(control->message, sizeof control->message);
  message << file.path << (fd < 0 ? " is not there" : " is not the file that was recorded");
  fail(Verdict::bad_start, nullptr);
}

}  // namespace reprise::stage
