// What a replayed program prints: its writes to the standard output and error it started with.
#pragma once

#include "runtime/stage/call.h"

namespace reprise::stage {

inline constexpr int kFollowed = 1024;  // descriptors from here up are not followed

// 1 or 2: the descriptor leads to that stream; 0: to neither.
int stream_of(long fd);
// The call writes bytes of the program's memory to one of them.
bool writes_to_stream(const Call& call);

// Replay: writes what this recorded call wrote, if it went to the program's first stdout or stderr.
void replay_output(const Call& call, long result);
// Replay: writes what a child process wrote to that stream.
void repeat_child_output(int stream, const void* bytes, uint64_t size);
// The first image of a run: nothing has become of them yet.
void forget_descriptors();
// Follows what becomes of those two descriptors (dup2, close, fcntl), in both modes.
void follow_descriptors(const Call& call, long result);
// Both are a process's own, unlike memory that it shares with its parent (vfork.h).
struct Streams {
  uint8_t entries[kFollowed];
};
void save_streams(Streams* out);
void restore_streams(const Streams& from);

// The call moves bytes to one of them inside the kernel, where they cannot be recorded.
bool copies_to_stream(const Call& call);

}  // namespace reprise::stage
