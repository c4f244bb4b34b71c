// Identity, equality and hash by descriptor.
#include "runtime/type/type.h"

#include <string>

#include "runtime/map/hash.h"
#include "runtime/sched/proc.h"

namespace reprise::rt {

namespace {

// A type of an unnamed namespace is its file's own: there is one descriptor. GCC marks the std::type_info of such types so
// that none compares equal to another's, clang does not.
bool of_one_file(const Type* type) {
  const std::string_view name = type_name(type);
  return name.find("(anonymous namespace)") != name.npos || name.find("{anonymous}") != name.npos;
}

}  // namespace

bool same_type_slow(const Type* a, const Type* b) {
  if (of_one_file(a) || of_one_file(b)) return false;
  if ((a->tflag & b->tflag & kTflagCpp) != 0) {
    return *reinterpret_cast<const CppType*>(a)->info == *reinterpret_cast<const CppType*>(b)->info;
  }
  return a->kind_bits == b->kind_bits && a->name != nullptr && b->name != nullptr && a->name->view() == b->name->view();
}

std::string_view type_name(const Type* type) { return type == nullptr ? "nil" : type->name->view(); }

uint64_t typehash(const Type* type, const void* data, uint64_t seed) {
  if ((type->tflag & kTflagCpp) != 0) {
    const auto* const cpp = reinterpret_cast<const CppType*>(type);
    if (cpp->hasher != nullptr && type->equal != nullptr) return cpp->hasher(data, seed);
  } else if (type->equal != nullptr && (type->tflag & kTflagRegularMemory) != 0) {
    return memhash(data, type->size, seed);
  }
  gopanic("runtime error: hash of unhashable type " + std::string(type_name(type)));
}

bool typeequal(const Type* type, const void* a, const void* b) {
  if (type->equal == nullptr) {
    gopanic("runtime error: comparing uncomparable type " + std::string(type_name(type)));
  }
  return type->equal->code(a, b);
}

}  // namespace reprise::rt

namespace reprise::detail {

void nil_receiver() { rt::gopanic("runtime error: invalid memory address or nil pointer dereference"); }

}  // namespace reprise::detail
