// What is mapped where: /proc/self/maps, line by line.
//
// Thread safety: one object at a time, on g0, under the baton: it has one buffer, at an address that is the same in record and in
// replay, since the calls go by way of the stage. A replay sees what the recorded run saw.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace reprise::rt {

struct Mapping {
  uintptr_t begin = 0;
  uintptr_t end = 0;
  bool readable = false;
  bool writable = false;
  bool executable = false;
  bool shared = false;
  bool of_file = false;
  std::string_view name;  // path or [what]; valid until the next
};

// A line of the file; false if it is none.
bool parse_mapping(std::string_view line, Mapping* out);

class Mappings {
 public:
  Mappings() = default;
  ~Mappings();
  Mappings(const Mappings&) = delete;
  Mappings& operator=(const Mappings&) = delete;

  bool open();              // false: it cannot be read
  bool next(Mapping* out);  // in order of address; false at the end, or at a line that is none
  bool complete() const { return complete_; }  // that was the end

 private:
  bool fill();

  long fd_ = -1;
  size_t begin_ = 0, end_ = 0;  // what is left in the buffer
  bool complete_ = false;
};

}  // namespace reprise::rt
