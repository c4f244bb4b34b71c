// Itabs: a type's methods in the order of an interface's (reference, section 9).
//
// An itab is what the first word of an interface value points to: the type, and a function for each method of
// the interface, as gccgo's compiler has it; the interface and a copy of the type's hash lie before it. Itabs of
// conversions that the compiler sees are constants (iface.h); others are made at first use by getitab, and live for ever.
//
// Thread safety: any thread. getitab allocates at first use, and takes a lock then; else it takes none.
#pragma once

#include <cstdint>
#include <string>

#include "runtime/type/type.h"

namespace reprise::rt {

struct Itab {
  const Type* type;
  void* fun[1];  // as many as the interface has methods, in its order
};

// What lies before an Itab.
struct ItabHead {
  const InterfaceType* inter;
  uint32_t hash;    // the type's
  int32_t missing;  // the first of the interface's methods that the type has not, which is why fun is empty; or -1
};
inline const ItabHead& head_of(const Itab* tab) { return *(reinterpret_cast<const ItabHead*>(tab) - 1); }

// Null: the type lacks a method. REQUIRES: neither is null, and the interface has methods.
const Itab* getitab(const InterfaceType* inter, const Type* type);

// What a failed assertion panics with. `from` is the interface asserted on, null for one without methods;
// `type` what it holds, null if nothing.
[[noreturn]] void panic_not_type(const Type* from, const Type* type, const Type* wanted);
[[noreturn]] void panic_not_interface(const Type* type, const InterfaceType* wanted);

// How many itabs getitab has made, those of types that lack methods included; of some moment during the call.
size_t itabs_for_test();

}  // namespace reprise::rt
