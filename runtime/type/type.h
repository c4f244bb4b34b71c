// Type descriptors: what the runtime knows of a type at run time (reference, section 9; DESIGN, section 1).
//
// Interfaces ask for a type's identity, name, equality, hash and methods; the collected heap for its size and for where
// pointers lie in it. The layout of Type, Uncommon, Method and InterfaceType is that of gccgo's compiler, field by
// field, so that its programs' descriptors may be read by this runtime. Descriptors that type_of.h makes for C++ types
// are constants with a tail of their own (CppType, told by kTflagCpp).
//
// Identity. A program and the libraries that it loads may each hold a descriptor of one type: same_type() takes two
// for one if hash and name agree, and if both are of C++, their std::type_info (which knows that types of unnamed
// namespaces differ although their names do not). Nothing is registered, so nothing is to be done at dlopen. A
// library that holds types or methods must not be unloaded: itabs are for ever.
//
// Thread safety: constants.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <typeinfo>

namespace reprise::rt {

// As the compiler of gccgo lays them out.
struct GoString {
  const char* data;
  intptr_t len;

  constexpr std::string_view view() const { return {data, static_cast<size_t>(len)}; }
};
template <class T>
struct GoSlice {
  T* data;
  intptr_t len, cap;
};

// The reference's kinds. kCpp is none of them: a class of C++, about which there is nothing more to know.
enum class Kind : uint8_t {
  invalid, boolean, int_, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64, uintptr, float32, float64,
  complex64, complex128, array, chan, func, interface, map, ptr, slice, string, structure, unsafe_pointer, cpp,
};
inline constexpr uint8_t kKindMask = 31;
inline constexpr uint8_t kKindDirectIface = 1 << 5;  // an interface's data word is the value, not a pointer to it
inline constexpr uint8_t kKindGCProg = 1 << 6;

inline constexpr uint8_t kTflagUncommon = 1;
inline constexpr uint8_t kTflagNamed = 4;
inline constexpr uint8_t kTflagRegularMemory = 8;  // equal if the bytes are, hashed as bytes
inline constexpr uint8_t kTflagConservative = 32;  // any word of the first ptrdata bytes may be a pointer; no gcdata
inline constexpr uint8_t kTflagCpp = 64;           // the descriptor is a CppType

// A function value: a pointer to a closure whose first word is the code.
struct EqualFunction {
  bool (*code)(const void*, const void*);
};

struct Type;

struct Method {
  const GoString* name;
  const GoString* pkg_path;
  const Type* signature;  // without receiver
  const Type* with_receiver;
  void* code;             // R (*)(void* data, arguments)
};
struct Uncommon {
  const GoString* name;
  const GoString* pkg_path;
  GoSlice<const Method> methods;  // sorted by name
};

struct Type {
  uintptr_t size;
  uintptr_t ptrdata;  // bytes up to the end of the last pointer; 0: none
  uint32_t hash;      // of the name: the same in every module
  uint8_t tflag;
  uint8_t align;
  uint8_t field_align;
  uint8_t kind_bits;
  const EqualFunction* equal;  // null: not comparable
  const uint8_t* gcdata;       // one bit a word of ptrdata, the lowest first
  const GoString* name;
  const Uncommon* uncommon;    // null: neither name nor methods of its own
  const Type* ptr_to_this;     // may be null although there is such a type

  constexpr Kind kind() const { return static_cast<Kind>(kind_bits & kKindMask); }
  constexpr bool direct() const { return (kind_bits & kKindDirectIface) != 0; }
};
static_assert(offsetof(Type, hash) == 16 && offsetof(Type, kind_bits) == 23 && offsetof(Type, equal) == 24 &&
              offsetof(Type, ptr_to_this) == 56 && sizeof(Type) == 64);

// What C++ adds to a type of its own.
struct CppType {
  Type common;
  const std::type_info* info;
  uint64_t (*hasher)(const void*, uint64_t seed);  // null: cannot be hashed
  void (*destroy)(void*);                          // null: nothing to do
};

struct InterfaceMethod {
  const GoString* name;
  const GoString* pkg_path;
  const Type* signature;
};
// Type of an interface; common.kind is Kind::interface.
struct InterfaceType {
  Type common;
  GoSlice<const InterfaceMethod> methods;  // sorted by name
};

// Where the two lead to the same type: see the head. Most comparisons end at the first or second test.
bool same_type_slow(const Type* a, const Type* b);
inline bool same_type(const Type* a, const Type* b) {
  if (a == b) return true;
  if (a == nullptr || b == nullptr || a->hash != b->hash) return false;
  return same_type_slow(a, b);
}

// "int", "bank::Account": as texts of panics have it.
std::string_view type_name(const Type* type);

// Of a value of the type, at `data`. Panic as the reference's where the type has none: "hash of unhashable type T",
// "comparing uncomparable type T".
uint64_t typehash(const Type* type, const void* data, uint64_t seed);
bool typeequal(const Type* type, const void* a, const void* b);

}  // namespace reprise::rt
