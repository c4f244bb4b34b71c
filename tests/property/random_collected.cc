// Operations of random_program on what the runtime keeps for programs: collected objects with finalizers and weak
// pointers, maps and their orders, interfaces, deferred calls and panics, calls of C and from it.
#include <reprise/cgo.h>
#include <reprise/defer.h>
#include <reprise/gc.h>
#include <reprise/iface.h>
#include <reprise/map.h>

#include <cmath>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "corpus/programs/gc_tree.h"
#include "tests/property/random_world.h"

namespace random_program {

// What interfaces hold, named by macros that want them outside of unnamed namespaces.
struct Measured {
  uint64_t size() const;
};
struct Grown {
  uint64_t size() const;
  void grow(uint64_t by);
};
struct Fixed {
  uint64_t cells;
  uint64_t size() const { return cells; }
};
struct Elastic {
  uint64_t cells;
  std::string filling;
  uint64_t size() const { return cells + filling.size(); }
  void grow(uint64_t by) { cells += by; }
};
REPRISE_INTERFACE(Measured, size)
REPRISE_INTERFACE(Grown, size, grow)
REPRISE_METHODS(Fixed, size)
REPRISE_METHODS(Elastic, size, grow)

namespace {

using namespace reprise;

void note_address(const void* address) { note(reinterpret_cast<uintptr_t>(address)); }

// ---- @: collected objects ----

struct Garden {
  Mutex mutex;
  GcTree tree;  // those of two gardens share no node
};
Garden gardens[3];

// Of what is in the objects, and of where they lie.
uint64_t sum_of(const GcTree& tree) {
  uint64_t sum = 0;
  gc_tree_walk(tree.get(), [&](const GcTreeNode& node) {
    sum = sum * 31 + reinterpret_cast<uintptr_t>(&node) + (gc_tree_intact(node) ? node.place : 200);
    return true;
  });
  return sum;
}

void plant(Garden& garden, int k) {
  static uint64_t planted = 0;
  GcTree tree = gc_tree_build(++planted, 1, k);
  const std::lock_guard<Mutex> held(garden.mutex);
  note(sum_of(garden.tree));
  garden.tree = std::move(tree);
}

void prune(Garden& garden) {
  const std::lock_guard<Mutex> held(garden.mutex);
  note(sum_of(garden.tree));
  if (garden.tree) garden.tree = garden.tree->right;
}

void graft(Garden& left, Garden& right) {
  const std::lock_guard<Mutex> first(left.mutex);
  yield();
  const std::lock_guard<Mutex> second(right.mutex);
  if (!left.tree || !right.tree) return note(201);
  const GcTree moved = left.tree->left;
  left.tree->left = right.tree->right;
  right.tree->right = moved;
  note(sum_of(left.tree) ^ sum_of(right.tree));
}

void watch(Garden& garden, int k) {
  garden.mutex.lock();
  const gc::Weak<GcTreeNode> weak(garden.tree);
  garden.mutex.unlock();
  k % 2 ? gc::collect() : yield();
  note_address(weak.get().get());
}

// What the finalizer keeps comes back to life.
void leave_with_finalizer(int k) {
  const GcTree tree = gc_tree_build(static_cast<uint64_t>(k), 1, 2);
  gc::set_finalizer(tree, [k](const GcTree& dead) {
    note(sum_of(dead) + 202);
    if (k < 5) return;
    const std::lock_guard<Mutex> held(gardens[k % 3].mutex);
    gardens[k % 3].tree = dead;
  });
}

struct Keeper {
  std::vector<int> numbers;
  ~Keeper() { note(numbers.size() + 203); }
};

void leave_with_destructor(int k) {
  const auto keeper = gc::make<Keeper>();
  keeper->numbers.resize(static_cast<size_t>(k) * 20);
  gc::finalize_with_destructor(keeper);
}

// Enough for cycles that nobody asked for.
void litter(int k) {
  const int before = gc::set_percent(20 + 10 * k);
  for (size_t i = 0; i < 60; ++i) {
    const auto words = gc::make_array<uint64_t>(i * i * static_cast<size_t>(k + 1) + 1);
    note_address(words.get());
    if (i % 20 == 19) yield();
  }
  note(gc::cycles());
  gc::set_percent(before);
}

void collected(int k) {
  Garden& garden = gardens[k % 3];
  switch (k) {
    case 0: case 1: case 2: return plant(garden, 2 * k + 1);
    case 3: return graft(gardens[0], gardens[1]);
    case 4: return prune(garden);
    case 5: return watch(garden, static_cast<int>(world->hash % 2));
    case 6: return leave_with_finalizer(static_cast<int>(world->hash % 10));
    case 7: return leave_with_destructor(static_cast<int>(world->hash % 10));
    case 8: return litter(static_cast<int>(world->hash % 10));
    default: gc::collect(); return note(gc::cycles());
  }
}

// ---- %: maps ----

struct Atlas {
  Mutex mutex;
  Map<int64_t, uint64_t> numbers;
  BucketMap<std::string, int> names;
  Map<double, int> strange;
  Map<Any, int> mixed;
};
Atlas& atlas() {
  static Atlas* const the = new Atlas;
  return *the;
}

void fill(Atlas& maps, int k) {
  for (int i = 0; i < 6 * k; ++i) {
    const int64_t key = ++world->sent * 7 % 101;
    maps.numbers[key] += static_cast<uint64_t>(i);
    ++maps.names["name " + std::to_string(key)];
    if (i % 7 == 0) maps.strange.set(i % 2 ? NAN : static_cast<double>(i), k);
    if (i % 5 == 0) maps.mixed.set(i % 2 ? Any(key) : Any(std::to_string(key)), k);
  }
  note(maps.numbers.len() + maps.names.len() + maps.strange.len() + maps.mixed.len());
}

// Adds and deletes meanwhile; the lock is held, others wait for it.
void iterate(Atlas& maps, int k) {
  for (auto [key, value] : maps.numbers) {
    note(static_cast<uint64_t>(key) + value);
    if (k % 2 && key % 3 == 0) maps.numbers.erase(key);
    if (k % 3 == 0 && key % 5 == 0) maps.numbers[key + 1000] = value;
    if (k > 6 && key % 11 == 0) yield();
  }
  for (auto [name, count] : maps.names) {
    note(name.size() + static_cast<uint64_t>(name.back()));
    count += k;
    if (k % 2 == 0 && name.size() % 2) maps.names.erase(name);
  }
  for (auto [key, value] : maps.strange) note(static_cast<uint64_t>(value) + (std::isnan(key) ? 210 : 211));
  for (auto [key, value] : maps.mixed) note(key.is<std::string>() ? 212 : static_cast<uint64_t>(value));
}

void use_maps(int k) {
  Atlas& maps = atlas();
  if (k == 9) {  // nobody's lock: fatal if another is noticed
    maps.numbers[k] = world->hash;
    return note(maps.numbers.len());
  }
  const std::lock_guard<Mutex> held(maps.mutex);
  if (k < 5) return fill(maps, k + 1);
  if (k < 8) return iterate(maps, static_cast<int>(world->hash % 10));
  maps.numbers.clear();
  maps.names.clear();
}

// ---- _: interfaces ----

Any something(int k) {
  switch (k % 4) {
    case 0: return Fixed{static_cast<uint64_t>(k)};
    case 1: return Elastic{static_cast<uint64_t>(k), std::string(static_cast<size_t>(k) * 4, 'e')};
    case 2: return k;
    default: return std::to_string(k);
  }
}

void interfaces(int k) {
  static Elastic shared{1, "shared"};
  const Any any = something(k);
  yield();
  note(any.type_name().size());
  const Iface<Measured> measured = any.as<Measured>();
  note(measured ? measured.size() : 220);
  const Any pointer = &shared;
  auto grown = pointer.to<Grown>();
  grown.grow(static_cast<uint64_t>(k));
  note(grown.size() + (pointer == Any(grown)));
  note(recovering([&]() -> uint64_t {
    DEFER {
      if (auto panic = recover()) note(panic.text().size());
    };
    return any.to<Grown>().size();  // none of the four has it
  }) + 221);
}

// ---- +: deferred calls and panics ----

uint64_t panic_twice(int k) {
  return recovering([k]() -> uint64_t {
    DEFER {
      if (auto panic = recover()) note(panic.text().size() + 230);
    };
    DEFER {
      if (k % 2) panic("the second of two panics");
    };
    if (k % 3 == 0) yield();
    panic("a panic");
  });
}

void many_defers(int k) {
  Defers defers;
  for (int i = 0; i < k; ++i) {
    defers([i] {
      note(static_cast<uint64_t>(i) + 231);
      if (i % 3 == 0) yield();
    });
  }
  note(232);
}

// Ends a goroutine of its own, by goexit() or by a panic that is recovered where it began.
void end_in_defers(int k) {
  WaitGroup done;
  done.add(1);
  go([done, k]() mutable {
    DEFER { done.done(); };
    DEFER {
      if (auto panic = recover()) note(panic.text().size() + 233);
    };
    many_defers(k % 4);
    if (k % 2) goexit();
    auto closed = Chan<int>(1);
    closed.close();
    closed.close();
  });
  done.wait();
}

void panics(int k) {
  switch (k % 3) {
    case 0: return note(panic_twice(k));
    case 1: return many_defers(k);
    case 2: return end_in_defers(k);
  }
}

// ---- :: calls of C and from it ----

void c_calls(int k) {
  switch (k % 3) {
    case 0:
      note(cgo::call([k] {
        std::this_thread::sleep_for(pause_of(k));
        return static_cast<uint64_t>(k) + 240;
      }));
      break;
    case 1:
      note(cgo::call([k] {
        return cgo::callback([k] {
          yield();
          return chan(k).try_send(++world->sent);
        });
      }));
      break;
    case 2: {
      std::thread foreign([k] {
        for (int i = 0; i <= k / 3; ++i) {
          cgo::callback([i] {
            note(static_cast<uint64_t>(i) + 241);
            yield();
            note_address(gc::make<Keeper>().get());
          });
        }
      });
      foreign.join();
      break;
    }
  }
}

constexpr Operation kCollectedOperations[] = {
    {'@', collected}, {'%', use_maps}, {'_', interfaces}, {'+', panics}, {':', c_calls},
};

}  // namespace

std::span<const Operation> collected_operations() { return kCollectedOperations; }

}  // namespace random_program
