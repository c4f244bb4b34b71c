// Maps an ELF executable or dynamic linker at a fixed place.
#pragma once

#include <cstdint>

namespace reprise::stage {

struct Image {
  uint64_t bias = 0;            // added to the addresses of the file
  uint64_t entry = 0;
  uint64_t headers = 0;         // program headers in memory
  uint64_t header_count = 0;
  char interpreter[1024] = {};  // "": none
};

// `base` is for position-independent files. Null, or what is wrong with the file.
const char* load_elf(long fd, uint64_t base, Image* out);

// The first bytes are those of an x86-64 ELF file that can be executed.
bool is_program(const uint8_t* head, long size);

}  // namespace reprise::stage
