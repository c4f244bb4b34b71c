// Names made from contents. Any thread.
#pragma once

#include <xxhash.h>

#include <cstdint>
#include <string_view>

namespace reprise::fuzz {

inline uint64_t digest(std::string_view text) { return XXH3_64bits(text.data(), text.size()); }

}  // namespace reprise::fuzz
