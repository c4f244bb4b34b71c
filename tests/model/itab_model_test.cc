// runtime/iface/itab_table.h itself, explored: two threads that add, one that looks, in a table that must grow.
//
// An entry is a Plain key and a Plain body, written before it is added: whoever finds it must see them. Claims: who
// gets an entry sees it whole; a pair has one entry, whoever asked first; what was added is found from then on by
// the thread that added it; entries survive growth.
#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "runtime/iface/itab_table.h"
#include "tests/model/explorer.h"
#include "tests/model/family.h"
#include "tests/model/verify.h"

namespace reprise::model {
namespace {

template <class Orders>
struct OrderedFamily {
  template <class T>
  using Atomic = model::Atomic<T, Orders>;
  template <class T>
  using Plain = model::Plain<T>;
};

struct Tab {
  Plain<uint64_t> key;
  Plain<uint64_t> body;
};
Tab* make_tab(Scene& scene, const char* name) {
  Tab* const tab = scene.make<Tab>();
  name_pointer(tab, name);
  return tab;
}

// Two entries of a first table of two, then of four: room for one and for three.
template <class Orders>
struct ArrayMemory {
  rt::ItabArray<OrderedFamily<Orders>, Tab> array;
  std::unique_ptr<model::Atomic<Tab*, Orders>[]> entries;
  explicit ArrayMemory(size_t size) : entries(new model::Atomic<Tab*, Orders>[size]) {
    array.mask = size - 1;
    array.entries = entries.get();
  }
};

template <class Orders>
struct Spares {
  static inline std::vector<ArrayMemory<Orders>*> free;
};

template <class Orders>
struct Traits {
  using Key = uint64_t;
  using Entry = Tab;
  using Array = rt::ItabArray<OrderedFamily<Orders>, Tab>;

  static Key key(Tab& tab) { return tab.key; }
  static bool matches(Tab& tab, Key key) { return tab.key == key; }
  static size_t hash(Key) { return 1; }  // all collide
  static Array* make(size_t size) {
    auto& free = Spares<Orders>::free;
    for (size_t i = 0; i < free.size(); ++i) {
      ArrayMemory<Orders>* const memory = free[i];
      if (memory->array.mask != size - 1) continue;
      free.erase(free.begin() + static_cast<ptrdiff_t>(i));
      return &memory->array;
    }
    fail("no spare table");
  }
  static void drop(Array*) {}
};

template <class Orders, class L = Lock>
struct World {
  ArrayMemory<Orders> first{2};
  rt::ItabTable<OrderedFamily<Orders>, L, Traits<Orders>> table{&first.array};

  explicit World(Scene& scene) {
    Spares<Orders>::free.clear();
    for (const size_t size : {4, 4, 4, 8}) Spares<Orders>::free.push_back(scene.make<ArrayMemory<Orders>>(size));
    name_pointer(&first.array, "first");
    for (size_t i = 0; i < 4; ++i) name_pointer(&Spares<Orders>::free[i]->array, "spare " + std::to_string(i));
  }

  // getitab's shape.
  Tab* get(Tab* fresh, uint64_t key) {
    if (Tab* found = table.find(key)) return found;
    fresh->key = key;
    fresh->body = key * 10;
    return table.add(fresh);
  }
};

void expect_whole(Tab* tab, uint64_t key) {
  check(tab->key == key, "another's entry");
  check(tab->body == key * 10, "an entry half built");
}

template <class Orders, class L>
Program two_of_one_pair() {
  return [](Scene& scene) {
    auto* world = scene.make<World<Orders, L>>(scene);
    auto* got = scene.make<std::array<Tab*, 2>>();
    for (int i = 0; i < 2; ++i) {
      auto* fresh = make_tab(scene, i == 0 ? "tab 0" : "tab 1");
      scene.thread([=] {
        (*got)[static_cast<size_t>(i)] = world->get(fresh, 7);
        expect_whole((*got)[static_cast<size_t>(i)], 7);
      });
    }
    scene.finally([=] {
      check((*got)[0] == (*got)[1], "two entries of one pair");
      check(world->table.find(7) == (*got)[0], "an entry lost");
    });
  };
}

template <class Orders, class L>
Program growth(bool with_reader) {
  return [=](Scene& scene) {
    auto* world = scene.make<World<Orders, L>>(scene);
    for (uint64_t i = 0; i < 2; ++i) {
      auto* fresh = make_tab(scene, i == 0 ? "tab 1" : "tab 2");
      scene.thread([=] {
        Tab* const mine = world->get(fresh, i + 1);
        expect_whole(mine, i + 1);
        check(world->table.find(i + 1) == mine, "added, and not found");
      });
    }
    if (with_reader) {
      scene.thread([=] {
        if (Tab* found = world->table.find(1)) expect_whole(found, 1);
      });
    }
    scene.finally([=] {
      for (uint64_t key = 1; key <= 2; ++key) {
        Tab* const found = world->table.find(key);
        check(found != nullptr, "an entry lost");
        expect_whole(found, key);
      }
      check(world->table.count_for_test() == 2, "counted wrong");
    });
  };
}

TEST(ItabModel, a_pair_has_one_entry_and_it_is_seen_whole) { verify(two_of_one_pair<AsWritten, Lock>()); }
TEST(ItabModel, entries_survive_growth_and_their_adders_find_them) { verify(growth<AsWritten, Lock>(false)); }
TEST(ItabModel, a_reader_beside_growth_sees_nothing_or_all) { verify(growth<AsWritten, Lock>(true)); }

// ---- seeded bugs ---------------------------------------------------------------------------------------

struct NoLock {
  void lock() {}
  void unlock() {}
};
TEST(ItabMutant, relaxed_entries_are_found) { finds("race", growth<AllRelaxed, Lock>(true)); }
TEST(ItabMutant, adding_without_the_lock_is_found) { finds("race", two_of_one_pair<AsWritten, NoLock>()); }

}  // namespace
}  // namespace reprise::model
