// Suppressions: races that are not reported, by a function or file on either stack.
//
// A file of lines `race:PATTERN`; `*` stands for anything, and a pattern may begin and end anywhere. `#` starts
// a comment. Thread safety: the baton.
#pragma once

#include <string>
#include <vector>

#include "runtime/panic/source_frames.h"

namespace reprise::race {

using Stack = std::vector<rt::SourceFrame>;  // innermost first

bool read_suppressions(const std::string& path, std::string* error);
bool suppressed(const Stack& stack);

}  // namespace reprise::race
