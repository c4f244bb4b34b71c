// "#!" files, which the kernel would have resolved.
#pragma once

namespace reprise::stage {

inline constexpr int kScriptDepth = 4;
inline constexpr int kScriptArguments = 1 << 16;

// Room for the arguments that the interpreters get.
struct Script {
  char line[kScriptDepth][256];
  char name[kScriptDepth][1024];
};

// Follows *path through interpreters; *path and *argv become those of the executable. Null, or what
// is wrong.
const char* follow_scripts(const char** path, char*** argv, Script* room);

}  // namespace reprise::stage
