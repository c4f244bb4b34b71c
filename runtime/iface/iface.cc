// What Any and Iface do out of line: boxes given back, equality and hashes.
#include <reprise/iface.h>

#include "runtime/map/hash.h"

namespace reprise {

namespace detail {

constinit const StaticValues static_values = [] {
  StaticValues values{};
  for (uint64_t i = 0; i < 256; ++i) values.value[i] = i;
  return values;
}();

void drop_box(const rt::Type* type, void* data) {
  if ((type->tflag & rt::kTflagCpp) == 0) rt::throw_("interface: a box of a type that is not C++'s");
  const auto* const cpp = reinterpret_cast<const rt::CppType*>(type);
  if (cpp->destroy != nullptr) cpp->destroy(data);
  const size_t head = Box::head(type->align);
  ::operator delete(static_cast<char*>(data) - head, std::align_val_t{head});
}

}  // namespace detail

bool Any::equal_values(const Any& a, const Any& b) {
  if (a.type_->direct() && a.type_->equal != nullptr) return a.data_ == b.data_;
  return rt::typeequal(a.type_, a.data_, b.data_);
}

uint64_t Any::hash(uint64_t seed) const {
  if (type_ == nullptr) return rt::memhash64(0, seed);
  seed ^= rt::memhash64(type_->hash, seed);
  return rt::typehash(type_, type_->direct() ? &data_ : data_, seed);
}

}  // namespace reprise
