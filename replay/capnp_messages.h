// Cap'n Proto's headers, as every compiler of ours takes them. Only replay/ includes this.
//
// Version 0.9 leaves out `const char* == StringPtr` in C++20, counting on the reversed operator, which
// clang does not consider where an operator!= exists (P2468); so it is given here.
#pragma once

#include <kj/string.h>

#if defined(__clang__) && defined(__cpp_impl_three_way_comparison)
namespace kj {
inline bool operator==(const char* a, const StringPtr& b) { return b == StringPtr(a); }
inline bool operator!=(const char* a, const StringPtr& b) { return !(b == StringPtr(a)); }
}  // namespace kj
#endif

#include <capnp/message.h>
#include <capnp/serialize.h>
#include <kj/exception.h>

#include "replay/trace.capnp.h"
