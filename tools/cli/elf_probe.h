// What the command needs to know of an executable before it starts it.
#pragma once

#include <string>

namespace reprise::cli {

struct ElfProbe {
  std::string interpreter;     // empty: static
  bool links_reprise = false;  // defines the runtime's entry point
  bool counted = false;        // has a table of counted text (tools/counted/site.h)
};

// False and *why (one line, with the path) if the stage could not load it.
bool probe_elf(const std::string& path, ElfProbe& out, std::string* why);

}  // namespace reprise::cli
