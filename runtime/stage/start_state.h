// What an image of the program started from: the last segment of kStart, and kept afterwards.
#pragma once

#include <cstdint>

#include "runtime/stage/files.h"

namespace reprise::stage {

struct StartState {
  uint64_t sp = 0;               // of the first instruction
  uint64_t stack_bytes = 0;
  uint64_t mask = 0;             // blocked signals
  uint64_t ignored = 0;          // ignored signals, a bit each
  int32_t pid = 0;
  int32_t tid = 0;
  FileIdentity executable_file;
  FileIdentity interpreter_file;  // path "": statically linked
  char executable[1024] = {};     // as /proc/self/exe would show it
};

StartState& start_state();

// Builds the image of a program and its first stack, and puts kStart. `path` is opened as it is;
// `argv` and `envp` become the program's. Null, or why it cannot be loaded (-> bad_start).
const char* start_program(const char* path, char** argv, char** envp, const uint64_t* auxv);
// The same from kStart of the tape.
void start_from_tape();

// Where the program begins: registers of its first instruction.
struct Entry {
  uint64_t sp, pc;
};
Entry program_entry();

// What execve would say about this file: 0 or -errno.
long executable_status(const char* path);

}  // namespace reprise::stage
