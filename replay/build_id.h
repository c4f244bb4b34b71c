// The GNU build id of an ELF file, which names a build of an executable or library for good.
#pragma once

#include <string>

#include "replay/trace_types.h"

namespace reprise::trace {

// In hex; empty if the file cannot be read, is not ELF, or carries none.
std::string build_id_of(const std::string& path);

// Path, build id, size and modification time of a file as it is now. Size 0 if it is not there.
ObjectFile object_file(const std::string& path);

}  // namespace reprise::trace
