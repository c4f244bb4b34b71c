// What is wrong with a trace or a file, said once: path, byte offset, what was expected there.
//
// Returned, never thrown: a bad trace is input, not a broken invariant.
#pragma once

#include <cstdint>
#include <string>

namespace reprise::trace {

struct Error {
  enum class Kind : uint8_t {
    none,
    bad_trace,   // the file is not a whole trace: nothing to do but get another copy
    wrong_file,  // the trace is whole, but was made by other binaries: --force may go on
    busy,        // another recorder writes there
    io,          // the system refused: the message says what
  } kind = Kind::none;
  std::string path;
  uint64_t offset = 0;
  std::string message;

  explicit operator bool() const { return kind != Kind::none; }

  // One line.
  std::string text() const {
    if (kind == Kind::bad_trace) return path + ": byte " + std::to_string(offset) + ": " + message;
    return path + ": " + message;
  }
};

}  // namespace reprise::trace
