// getitab: finds an itab in the table, or makes it.
//
// A type that lacks a method gets an itab too, with nothing in it, so that asking again is as cheap. Two threads may
// make the same one at the same time: the table keeps one, the other is given back.
#include "runtime/iface/itab.h"

#include <cstdlib>
#include <cstring>
#include <new>

#include "runtime/iface/itab_table.h"
#include "runtime/sched/atomics.h"
#include "runtime/sched/lock.h"
#include "runtime/sched/proc.h"

namespace reprise::rt {

namespace {

struct Pair {
  const InterfaceType* inter;
  const Type* type;
};

using Array = ItabArray<StdAtomics, const Itab>;

void* allocate(size_t bytes) {
  void* const memory = std::malloc(bytes);
  if (memory == nullptr) throw_("out of memory (itab)");
  return memory;
}

struct Traits {
  using Key = Pair;
  using Entry = const Itab;

  static Pair key(const Itab& tab) { return {head_of(&tab).inter, tab.type}; }
  static bool matches(const Itab& tab, Pair pair) { return tab.type == pair.type && head_of(&tab).inter == pair.inter; }
  static size_t hash(Pair pair) { return pair.inter->common.hash ^ pair.type->hash; }

  static Array* make(size_t size) {
    using Place = std::atomic<const Itab*>;
    void* const memory = allocate(sizeof(Array) + size * sizeof(Place));
    auto* const array = new (memory) Array{size - 1, 0, reinterpret_cast<Place*>(static_cast<Array*>(memory) + 1)};
    for (size_t i = 0; i < size; ++i) new (array->entries + i) Place(nullptr);
    return array;
  }
  static void drop(Array* array) { std::free(array); }
};

constexpr size_t kFirstSize = 512;
constinit std::atomic<const Itab*> first_entries[kFirstSize];
constinit Array first_array{kFirstSize - 1, 0, first_entries};
constinit ItabTable<StdAtomics, Lock, Traits> table(&first_array, LockRank::itab);

// The type's method of this name and signature. Methods of both are sorted by name: `from` is where to begin, and
// is moved on.
const Method* find_method(const Type* type, const InterfaceMethod& wanted, intptr_t& from) {
  if (type->uncommon == nullptr) return nullptr;
  const auto& methods = type->uncommon->methods;
  for (; from < methods.len; ++from) {
    const Method& method = methods.data[from];
    if (method.name->view() == wanted.name->view()) {
      return same_type(method.signature, wanted.signature) ? &method : nullptr;
    }
  }
  return nullptr;
}

Itab* make_itab(const InterfaceType* inter, const Type* type) {
  const auto count = static_cast<size_t>(inter->methods.len);
  auto* const head = static_cast<ItabHead*>(allocate(sizeof(ItabHead) + sizeof(Type*) + count * sizeof(void*)));
  *head = {inter, type->hash, -1};
  auto* const tab = reinterpret_cast<Itab*>(head + 1);
  tab->type = type;
  intptr_t from = 0;
  for (size_t i = 0; i < count; ++i) {
    const Method* const method = find_method(type, inter->methods.data[i], from);
    if (method == nullptr) {
      head->missing = static_cast<int32_t>(i);
      break;
    }
    tab->fun[i] = method->code;
  }
  return tab;
}

const Itab* find_or_make(const InterfaceType* inter, const Type* type) {
  if (const Itab* tab = table.find({inter, type})) return tab;
  Itab* const fresh = make_itab(inter, type);
  const Itab* const kept = table.add(fresh);
  if (kept != fresh) std::free(reinterpret_cast<ItabHead*>(fresh) - 1);
  return kept;
}

std::string conversion(std::string_view what) { return "interface conversion: " + std::string(what); }

}  // namespace

const Itab* getitab(const InterfaceType* inter, const Type* type) {
  const Itab* const tab = find_or_make(inter, type);
  return head_of(tab).missing < 0 ? tab : nullptr;
}

void panic_not_type(const Type* from, const Type* type, const Type* wanted) {
  std::string text = conversion(from == nullptr ? "interface {}" : type_name(from)) + " is ";
  text.append(type_name(type)).append(", not ").append(type_name(wanted));
  if (type != nullptr && type_name(type) == type_name(wanted)) text += " (types from different scopes)";
  gopanic(text);
}

void panic_not_interface(const Type* type, const InterfaceType* wanted) {
  const std::string_view name = type_name(&wanted->common);
  if (type == nullptr) gopanic(conversion("interface is nil, not ").append(name));
  const auto missing = static_cast<size_t>(head_of(find_or_make(wanted, type)).missing);
  gopanic(conversion(type_name(type)).append(" is not ").append(name).append(": missing method ").append(
      wanted->methods.data[missing].name->view()));
}

size_t itabs_for_test() { return table.count_for_test(); }

}  // namespace reprise::rt
