// Shared mappings of files.
//
// Recorded, such a mapping is the file's own pages, so that what the program stores reaches the file.
// Replayed, it is memory of the stage with the contents that the tape has from the moment of mapping;
// two mappings of one file share it. That holds as long as nobody but the program changes the file:
// so a mapping that could be written is only allowed where no other open file leads to it (a lease
// tells), and is refused by name elsewhere. What the program itself writes to the file by calls
// appears in its mappings, and is a kMemory record after that call.
//
// Hole: a process that opens the file later is not noticed.
//
// Thread safety: under the baton.
#pragma once

#include "runtime/stage/call.h"

namespace reprise::stage {

// What a mapping that names a file on the tape is, MappedFile::as_it_is.
inline constexpr uint32_t kSharedFile = 2;

inline constexpr long kNoObject = -1;

// Live: the number of the file behind `fd` among those that are mapped shared, a new one if nobody
// else has it open. kNoObject: it is not a regular file, or fd is none. *why: it must be refused.
long shared_object(long fd, const char** why);

// A mapping of `object` has been made or is gone.
void add_shared_mapping(uint64_t at, uint64_t size, long object, uint64_t offset, bool writable);
void forget_shared_mappings(uint64_t begin, uint64_t end);
// mremap, once done: the pages at `from` are at `to`, and as many as `size` holds.
void move_shared_mapping(uint64_t from, uint64_t to, uint64_t size);

// Replay: descriptor of the memory that stands for the file, at least `bytes` long.
long object_memory(long object, uint64_t bytes);

// A child would share memory with the program through a file.
bool has_writable_shared_files();

// The call changes the contents of a file that is mapped, so it is made without putting the baton down.
bool changes_mapped_file(const Call& call);
// After a call: what it wrote into mappings. Recorded live, taken from the tape in replay.
void follow_file_writes(Thread& t, const Call& call, long result);

}  // namespace reprise::stage
