// The Swiss map of the reference (8.2): groups of 16 slots with a control byte each, searched by SSE2.
//
// A *table* is an array of at most 1,024 slots, probed group by group in triangular steps. The *directory* maps the
// top bits of a hash to tables (extendible hashing; Fagin, Nievergelt, Pippenger, Strong 1979): a table that is full is
// doubled up to the limit and then split in two, so no insertion moves more than 1,024 entries: that is how this
// map grows by steps. A control byte is 0x80 for an empty slot, 0xfe for a deleted one that a probe must pass
// (tombstone), else the low seven bits of the hash.
//
// Iteration survives growth. An iterator holds the table that it is in; when the map replaces that table
// the iterator goes on over the old one, whose keys stay, and looks each key up in the map: gone if deleted, its
// value as it is now if not. So an entry that is there from the beginning to the end of an iteration is seen exactly
// once, and a deleted one never. Keys that differ from themselves (NaN) cannot be looked up: their old
// entries are kept with their values.
//
// Thread safety: several may read, iteration included, as in the reference; a write beside anything else is a fatal error if it is
// noticed. Slots
// are raw memory to this file: Type says how to hash, compare, move and destroy them. hash() and equal()
// must neither throw nor yield.
#pragma once

#include <emmintrin.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>

#include "runtime/map/hash.h"
#include "runtime/map/references.h"
#include "runtime/map/writers.h"
#include "runtime/sched/proc.h"

namespace reprise::rt {

inline constexpr size_t kGroupSlots = 16;
inline constexpr uint8_t kSlotEmpty = 0x80;
inline constexpr uint8_t kSlotDeleted = 0xfe;

// The control bytes of one group. Results have one bit a slot.
struct alignas(kGroupSlots) MapGroup {
  uint8_t control[kGroupSlots];

  __m128i load() const { return _mm_load_si128(reinterpret_cast<const __m128i*>(control)); }
  uint32_t match(uint8_t byte) const {
    return static_cast<uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(load(), _mm_set1_epi8(static_cast<char>(byte)))));
  }
  uint32_t match_empty() const { return match(kSlotEmpty); }
  uint32_t match_free() const { return static_cast<uint32_t>(_mm_movemask_epi8(load())); }  // empty or deleted
  uint32_t match_full() const { return ~match_free() & 0xffff; }
};

struct MapTable {
  MapReferences refs;         // all places of the directory count as one
  uint32_t capacity = 0;      // slots; a power of two, at least one group
  uint32_t used = 0;
  uint32_t growth_left = 0;   // empty slots that may still be filled
  uint32_t local_depth = 0;   // bits of the hash that all its keys share
  int64_t index = 0;          // its first place in the directory; -1: the map has replaced it
  bool keys_kept = false;     // replaced under an iterator: its slots hold keys only
  char* slots = nullptr;

  MapGroup* groups() { return reinterpret_cast<MapGroup*>(this + 1); }
  size_t group_mask() const { return capacity / kGroupSlots - 1; }
  uint8_t& control(size_t slot) { return groups()[slot / kGroupSlots].control[slot % kGroupSlots]; }
  bool full(size_t slot) { return (control(slot) & 0x80) == 0; }
};
static_assert(sizeof(MapTable) % kGroupSlots == 0);

// The probe sequence of a hash in a table: each group once.
struct MapProbe {
  size_t mask, group, step = 0;
  MapProbe(uint64_t hash, size_t group_mask) : mask(group_mask), group((hash >> 7) & mask) {}
  MapProbe(uint64_t hash, const MapTable& table) : MapProbe(hash, table.group_mask()) {}
  bool next() {
    if (++step > mask) return false;
    group = (group + step) & mask;
    return true;
  }
};

inline uint8_t h2(uint64_t hash) { return hash & 0x7f; }

// Type has: slot_size, slot_align; hash(key, seed), equal(key, key); relocate(to, from), which leaves `from` raw;
// relocate_keeping_key(to, from), which leaves a key there, and all of it if keeps_strange and the key differs from
// itself; destroy(slot), destroy_kept(slot). Keys lie at the start of their slots. If has_quick_equal it also has quick_equal(key, key), in
// line and without a call: false says nothing, true is for sure.
template <class Type>
class SwissMap {
  static constexpr size_t kMaxCapacity = 1024;

 public:
  explicit SwissMap(size_t hint, Type type = {}) : type_(type), seed_(map_seed()) { reserve(hint); }
  SwissMap(const SwissMap&) = delete;
  SwissMap& operator=(const SwissMap&) = delete;
  ~SwissMap() {
    each_table([this](MapTable* table) { release(table); });
    if (directory_ != &single_) delete[] directory_;
  }

  size_t size() const { return used_; }

  // The slot of the key, or null. Valid until the next write.
  void* find(const void* key) const {
    writers_.check_none("concurrent map read and map write");
    return used_ == 0 ? nullptr : find_hashed(key, type_.hash(key, seed_));
  }

  // The slot of the key; a new one is built by make(slot), from raw memory, and if that throws nothing changed.
  template <class Make>
  void* put(const void* key, Make make) {
    const uint64_t hash = type_.hash(key, seed_);
    const MapWriters::Writing writing(writers_);
    while (true) {
      MapTable* table = table_of(hash);
      const Place place = place_for(*table, key, hash);
      if (place.found) return slot(*table, place.index);
      if (place.index != kNoSlot && (table->growth_left != 0 || table->control(place.index) == kSlotDeleted)) {
        void* const fresh = slot(*table, place.index);
        make(fresh);
        if (table->control(place.index) == kSlotEmpty) --table->growth_left;
        table->control(place.index) = h2(hash);
        ++table->used;
        ++used_;
        return fresh;
      }
      rehash(table);
    }
  }

  bool erase(const void* key) {
    writers_.check_none("concurrent map writes");
    if (used_ == 0) return false;
    const uint64_t hash = type_.hash(key, seed_);
    const MapWriters::Writing writing(writers_);
    MapTable* table = table_of(hash);
    const Place place = place_for(*table, key, hash);
    if (!place.found) return false;
    type_.destroy(slot(*table, place.index));
    // A probe passes a group only if it is full: where there is an empty slot no probe needs a tombstone.
    if (table->groups()[place.index / kGroupSlots].match_empty() != 0 || table->group_mask() == 0) {
      table->control(place.index) = kSlotEmpty;
      ++table->growth_left;
    } else {
      table->control(place.index) = kSlotDeleted;
    }
    --table->used;
    --used_;
    if (table->used == 0) forget_tombstones(*table);
    return true;
  }

  void clear() {
    const MapWriters::Writing writing(writers_);
    ++clears_;
    each_table([this](MapTable* table) {
      each_full(*table, [&](size_t i) { type_.destroy(slot(*table, i)); });
      table->used = 0;
      forget_tombstones(*table);
    });
    used_ = 0;
  }

  // Goes over the entries in an order drawn at its start. May outlive writes, not the map.
  class Iterator {
   public:
    explicit Iterator(SwissMap& map) : map_(map), depth_(map.depth_), clears_(map.clears_) {
      const uint64_t random = seam_draw();
      entry_offset_ = static_cast<uint32_t>(random);
      place_offset_ = random >> 32;
    }
    Iterator(const Iterator&) = delete;
    Iterator& operator=(const Iterator&) = delete;
    ~Iterator() {
      if (table_ != nullptr) map_.release(table_);
    }

    // The next entry's slot, or null at the end.
    void* next() {
      map_.writers_.check_none("concurrent map iteration and map write");
      follow_directory();
      for (; place_ < map_.places(); next_table()) {
        if (table_ == nullptr) enter_table();
        while (entry_ < table_->capacity) {
          const size_t i = (entry_++ + entry_offset_) & (table_->capacity - 1);
          if (!table_->full(i)) continue;
          void* const slot = map_.slot(*table_, i);
          if (table_->index >= 0) return slot;
          if (void* const now = current(slot)) return now;
        }
      }
      return nullptr;
    }

   private:
    // The directory has been doubled since: places count twice as much.
    void follow_directory() {
      const uint32_t doublings = map_.depth_ - depth_;
      place_ <<= doublings;
      place_offset_ <<= doublings;
      depth_ = map_.depth_;
    }

    // The first table may be entered in the middle of its run of places: the offset moves to its start.
    void enter_table() {
      size_t at = (place_ + place_offset_) & (map_.places() - 1);
      table_ = map_.directory_[at];
      place_offset_ -= at - static_cast<size_t>(table_->index);
      table_->refs.add();
    }

    // All places that the table, or what it was split into, has.
    void next_table() {
      place_ += size_t{1} << (map_.depth_ - table_->local_depth);
      map_.release(table_);
      table_ = nullptr;
      entry_ = 0;
    }

    // Of a key in a table that was replaced.
    void* current(void* slot) {
      if (void* const found = map_.used_ == 0 ? nullptr : map_.find_hashed(slot, map_.type_.hash(slot, map_.seed_))) {
        return found;
      }
      const bool kept_whole = Type::keeps_strange && !map_.type_.equal(slot, slot);
      return kept_whole && clears_ == map_.clears_ ? slot : nullptr;
    }

    SwissMap& map_;
    uint32_t depth_;
    uint64_t clears_;
    MapTable* table_ = nullptr;
    size_t entry_ = 0;        // in the table, from entry_offset_
    size_t place_ = 0;        // in the directory, from place_offset_
    size_t entry_offset_ = 0;
    size_t place_offset_ = 0;
  };

 private:
  static constexpr size_t kNoSlot = ~size_t{0};

  struct Place {
    size_t index;  // of the key, or where it may go; kNoSlot: nowhere
    bool found;
  };

  size_t places() const { return size_t{1} << depth_; }
  MapTable* table_of(uint64_t hash) const { return directory_[(hash >> 1) >> (63 - depth_)]; }
  void* slot(const MapTable& table, size_t index) const { return table.slots + index * type_.slot_size; }

  template <class F>
  void each_table(F f) {
    for (size_t i = 0; i < places();) {
      MapTable* const table = directory_[i];
      i += size_t{1} << (depth_ - table->local_depth);
      f(table);
    }
  }

  template <class F>
  static void each_full(MapTable& table, F f) {
    for (size_t group = 0; group <= table.group_mask(); ++group) {
      for (uint32_t full = table.groups()[group].match_full(); full != 0; full &= full - 1) {
        f(group * kGroupSlots + static_cast<size_t>(std::countr_zero(full)));
      }
    }
  }

  // Tables are asked for nothing but control bytes: shape_ is that of all of them.
  void* find_hashed(const void* key, uint64_t hash) const {
    MapTable& table = *table_of(hash);
    const MapProbe probe(hash, shape_.group_mask);
    if constexpr (Type::has_quick_equal) {
      const MapGroup& group = table.groups()[probe.group];
      const uint32_t matches = group.match(h2(hash));
      if (matches != 0) [[likely]] {
        void* const candidate = slot_of_current(table, probe.group, matches);
        if (type_.quick_equal(candidate, key)) [[likely]] return candidate;
      } else if (group.match_empty() != 0) {
        return nullptr;
      }
      return search(table, key, hash);
    } else {
      return search_from(table, key, hash, probe);
    }
  }

  void* search_from(MapTable& table, const void* key, uint64_t hash, MapProbe probe) const {
    do {
      const MapGroup& group = table.groups()[probe.group];
      for (uint32_t matches = group.match(h2(hash)); matches != 0; matches &= matches - 1) {
        void* const candidate = slot_of_current(table, probe.group, matches);
        if (type_.equal(candidate, key)) return candidate;
      }
      if (group.match_empty() != 0) return nullptr;
    } while (probe.next());
    return nullptr;
  }

  // With a frame of its own, since equal() may be a call.
  [[gnu::noinline]] void* search(MapTable& table, const void* key, uint64_t hash) const {
    return search_from(table, key, hash, MapProbe(hash, shape_.group_mask));
  }

  // The slot of a group's first match.
  void* slot_of_current(MapTable& table, size_t group, uint32_t matches) const {
    const size_t index = group * kGroupSlots + static_cast<size_t>(std::countr_zero(matches));
    return reinterpret_cast<char*>(&table) + shape_.slots_at + index * type_.slot_size;
  }

  Place place_for(MapTable& table, const void* key, uint64_t hash) const {
    MapProbe probe(hash, table);
    size_t deleted = kNoSlot;
    do {
      const MapGroup& group = table.groups()[probe.group];
      const size_t base = probe.group * kGroupSlots;
      for (uint32_t matches = group.match(h2(hash)); matches != 0; matches &= matches - 1) {
        const size_t index = base + static_cast<size_t>(std::countr_zero(matches));
        if (type_.equal(slot(table, index), key)) return {index, true};
      }
      if (deleted == kNoSlot) {
        if (const uint32_t tombs = group.match(kSlotDeleted)) {
          deleted = base + static_cast<size_t>(std::countr_zero(tombs));
        }
      }
      if (const uint32_t empty = group.match_empty()) {
        return {deleted != kNoSlot ? deleted : base + static_cast<size_t>(std::countr_zero(empty)), false};
      }
    } while (probe.next());
    return {deleted, false};
  }

  // Seven eighths may be full, so that probes end; a single group may be full, there they end anyway.
  static uint32_t most(size_t capacity) {
    return static_cast<uint32_t>(capacity == kGroupSlots ? capacity : capacity - capacity / 8);
  }

  static void forget_tombstones(MapTable& table) {
    std::memset(table.groups(), kSlotEmpty, table.capacity);
    table.growth_left = most(table.capacity);
  }

  size_t align() const { return type_.slot_align > kGroupSlots ? type_.slot_align : kGroupSlots; }

  MapTable* new_table(size_t capacity, uint32_t local_depth, int64_t index) {
    const size_t slots_at = (sizeof(MapTable) + capacity + align() - 1) & ~(align() - 1);
    void* const memory = ::operator new(slots_at + capacity * type_.slot_size, std::align_val_t{align()});
    auto* table = new (memory) MapTable;
    table->capacity = static_cast<uint32_t>(capacity);
    table->local_depth = local_depth;
    table->index = index;
    table->slots = static_cast<char*>(memory) + slots_at;
    forget_tombstones(*table);
    return table;
  }

  void release(MapTable* table) {
    if (!table->refs.drop()) return;
    each_full(*table, [&](size_t i) {
      if (table->keys_kept) {
        type_.destroy_kept(slot(*table, i));
      } else {
        type_.destroy(slot(*table, i));
      }
    });
    ::operator delete(table, std::align_val_t{align()});
  }

  void reserve(size_t hint) {
    size_t tables = 1, capacity = kGroupSlots;
    while (most(capacity) * tables < hint) {
      if (capacity < kMaxCapacity) {
        capacity *= 2;
      } else {
        tables *= 2;
        ++depth_;
      }
    }
    if (tables != 1) directory_ = new MapTable*[tables];
    for (size_t i = 0; i < tables; ++i) directory_[i] = new_table(capacity, depth_, static_cast<int64_t>(i));
    shape_ = shape_of(*directory_[0]);
  }

  // Makes room: fewer tombstones, twice the slots, or two tables for one.
  void rehash(MapTable* table) {
    if (table->used <= most(table->capacity) / 2 && table->capacity > kGroupSlots) {
      replace(table, table->capacity);
    } else if (table->capacity < kMaxCapacity) {
      replace(table, size_t{table->capacity} * 2);
    } else {
      split(table);
    }
  }

  // Entries of `from` into the table that choose(hash) says. `from` is left to its iterators.
  template <class Choose>
  void move_entries(MapTable* from, Choose choose) {
    from->keys_kept = !from->refs.single();
    each_full(*from, [&](size_t i) {
      void* const old = slot(*from, i);
      const uint64_t hash = type_.hash(old, seed_);
      MapTable& to = *choose(hash);
      MapProbe probe(hash, to);
      while (to.groups()[probe.group].match_empty() == 0) probe.next();
      const size_t index = probe.group * kGroupSlots +
                           static_cast<size_t>(std::countr_zero(to.groups()[probe.group].match_empty()));
      if (from->keys_kept) {
        type_.relocate_keeping_key(slot(to, index), old);
      } else {
        type_.relocate(slot(to, index), old);
      }
      to.control(index) = h2(hash);
      --to.growth_left;
      ++to.used;
    });
    if (!from->keys_kept) forget_tombstones(*from);
    from->index = -1;
    release(from);
  }

  void install(MapTable* table) {
    shape_ = shape_of(*table);
    const size_t first = static_cast<size_t>(table->index);
    for (size_t i = 0; i < size_t{1} << (depth_ - table->local_depth); ++i) directory_[first + i] = table;
  }

  void replace(MapTable* table, size_t capacity) {
    MapTable* const bigger = new_table(capacity, table->local_depth, table->index);
    move_entries(table, [bigger](uint64_t) { return bigger; });
    install(bigger);
  }

  void split(MapTable* table) {
    if (table->local_depth == depth_) double_directory();
    const uint32_t depth = table->local_depth + 1;
    MapTable* const left = new_table(kMaxCapacity, depth, table->index);
    MapTable* const right = new_table(kMaxCapacity, depth, table->index + (int64_t{1} << (depth_ - depth)));
    move_entries(table, [&](uint64_t hash) { return (hash >> (64 - depth) & 1) != 0 ? right : left; });
    install(left);
    install(right);
  }

  void double_directory() {
    auto** const wider = new MapTable*[places() * 2];
    each_table([&](MapTable* table) {
      const size_t run = size_t{1} << (depth_ - table->local_depth);
      table->index *= 2;
      for (size_t i = 0; i < run * 2; ++i) wider[static_cast<size_t>(table->index) + i] = table;
    });
    if (directory_ != &single_) delete[] directory_;
    directory_ = wider;
    ++depth_;
  }

  // Of a table in the directory. Either there is one table, or all have kMaxCapacity.
  struct Shape {
    uint32_t group_mask;
    uint32_t slots_at;  // from the table's start
  };
  static Shape shape_of(MapTable& table) {
    return {static_cast<uint32_t>(table.group_mask()),
            static_cast<uint32_t>(table.slots - reinterpret_cast<char*>(&table))};
  }

  [[no_unique_address]] Type type_;
  MapWriters writers_;
  uint32_t depth_ = 0;  // the directory has 2^depth_ places
  Shape shape_;
  size_t used_ = 0;
  uint64_t seed_;
  uint64_t clears_ = 0;
  MapTable* single_ = nullptr;
  MapTable** directory_ = &single_;
};

}  // namespace reprise::rt
