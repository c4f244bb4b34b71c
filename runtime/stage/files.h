// Files that the program maps: what names them on the tape, and finding them again.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/seam/tape.h"

namespace reprise::stage {

// On the tape: a tape::MappedFile and the path, up to its end.
struct FileIdentity {
  uint32_t as_it_is = 0;  // 1: replay maps the file itself; else the tape has the contents
  uint32_t is_elf = 0;
  uint64_t size = 0;
  uint64_t head = 0;      // hash of the first page: ELF header and, in every linker's layout, build id;
                          // the number of a file that is mapped shared (kSharedFile)
  char path[1024] = {};

  uint32_t bytes() const;
};

static_assert(offsetof(FileIdentity, path) == sizeof(tape::MappedFile));

bool identify(long fd, FileIdentity* out);
// Opens the file again; ends the run if it is not the one recorded.
long open_recorded(const FileIdentity& file);
// The same by path alone, below Control::file_root first. Negative: -errno.
long open_for_replay(const char* path);

// Path of an open descriptor, "" if it has none.
void path_of_descriptor(long fd, char* out, uint32_t capacity);

}  // namespace reprise::stage
