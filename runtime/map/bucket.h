// The bucket map of the reference (8.1): 2^B buckets of eight slots with a byte of hash each, and chains of overflow.
//
// The low B bits of a hash choose the bucket, the top eight tell most slots apart without a look at the key. At more than 6.5
// entries a bucket a map of twice the size is begun; if there are about as many overflow buckets as buckets, one of the
// same size, which packs them. Every write then *evacuates* one or two old buckets, the one that it needs and the next in
// line; until all are, reading looks into the old bucket if that is not evacuated yet. An old bucket goes to the bucket of
// the same number (X) or, in a map of twice the size, also to that plus the old size (Y).
//
// An iterator goes over the array that the map had when it began. Entries that have been evacuated from there are looked up
// in the map, so that a deleted one is not seen; their keys stay for that in the old slot while there are iterators
// (Kept states). One that began during growth takes from an old bucket that is not evacuated those entries that will come
// to its bucket. Keys that differ from themselves (NaN) cannot be looked up: they are shown where they were, and go to
// X or Y by the lowest bit of their byte, because their hash is another each time.
//
// Departures: a slot is key and value side by side, not eight keys and then eight values; overflow buckets are
// counted exactly where the reference estimates by chance; arrays are counted references, not collected.
//
// Thread safety, exceptions and what Type has: as swiss.h, whose face this is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>

#include "runtime/map/hash.h"
#include "runtime/map/references.h"
#include "runtime/map/writers.h"
#include "runtime/sched/proc.h"

namespace reprise::rt {

inline constexpr size_t kBucketSlots = 8;

// States of a slot below those of hashes. The lowest bit of evacuated ones says Y.
inline constexpr uint8_t kTopEmptyRest = 0;  // and so are all behind it, overflow included
inline constexpr uint8_t kTopEmptyOne = 1;
inline constexpr uint8_t kTopEvacuatedX = 2;
inline constexpr uint8_t kTopEvacuatedY = 3;
inline constexpr uint8_t kTopEvacuatedEmpty = 4;
inline constexpr uint8_t kTopKeptX = 6;  // evacuated, the key is still there
inline constexpr uint8_t kTopKeptY = 7;
inline constexpr uint8_t kTopLeast = 8;

inline uint8_t tophash(uint64_t hash) {
  const auto top = static_cast<uint8_t>(hash >> 56);
  return top < kTopLeast ? static_cast<uint8_t>(top + kTopLeast) : top;
}

struct MapBucket {
  uint8_t top[kBucketSlots];
  MapBucket* overflow;

  bool evacuated() const { return top[0] > kTopEmptyOne && top[0] < kTopLeast; }
};

template <class Type>
class BucketMapCore {
  // 2^B buckets.
  struct Array {
    MapReferences refs;
    uint32_t b = 0;
    char* first = nullptr;

    size_t size() const { return size_t{1} << b; }
  };

 public:
  explicit BucketMapCore(size_t hint, Type type = {}) : type_(type), seed_(map_seed()) {
    uint32_t b = 0;
    while (over_load_factor(hint, b)) ++b;
    if (b != 0) array_ = new_array(b);
  }
  BucketMapCore(const BucketMapCore&) = delete;
  BucketMapCore& operator=(const BucketMapCore&) = delete;
  ~BucketMapCore() {
    release(old_);
    release(array_);
  }

  size_t size() const { return count_; }

  // The slot of the key, or null. Valid until the next write.
  void* find(const void* key) const {
    writers_.check_none("concurrent map read and map write");
    return count_ == 0 ? nullptr : find_hashed(key, type_.hash(key, seed_));
  }

  // The slot of the key; a new one is built by make(slot), from raw memory, and if that throws nothing changed.
  template <class Make>
  void* put(const void* key, Make make) {
    const uint64_t hash = type_.hash(key, seed_);
    const MapWriters::Writing writing(writers_);
    if (array_ == nullptr) array_ = new_array(0);
    for (;;) {
      MapBucket* const bucket = bucket_to_write(hash);
      const Place place = place_for(bucket, key, tophash(hash));
      if (place.found) return slot(place.bucket, place.index);
      if (old_ == nullptr && (over_load_factor(count_ + 1, array_->b) || too_many_overflow())) {
        begin_growth();
        continue;
      }
      return insert(bucket, place, hash, make);
    }
  }

  bool erase(const void* key) {
    writers_.check_none("concurrent map writes");
    if (count_ == 0) return false;
    const uint64_t hash = type_.hash(key, seed_);
    const MapWriters::Writing writing(writers_);
    MapBucket* const bucket = bucket_to_write(hash);
    const Place place = place_for(bucket, key, tophash(hash));
    if (!place.found) return false;
    type_.destroy(slot(place.bucket, place.index));
    place.bucket->top[place.index] = kTopEmptyOne;
    shorten(bucket, place);
    --count_;
    return true;
  }

  void clear() {
    const MapWriters::Writing writing(writers_);
    ++clears_;
    empty(old_);
    empty(array_);
    release(old_);
    old_ = nullptr;
    count_ = 0;
  }

  // Goes over the entries in an order drawn at its start. May outlive writes, not the map.
  class Iterator {
   public:
    explicit Iterator(BucketMapCore& map)
        : map_(map), base_(retain(map.array_)), old_base_(retain(map.old_)), clears_(map.clears_) {
      const uint64_t random = seam_draw();
      if (base_ == nullptr) return;
      start_ = random & (base_->size() - 1);
      bucket_ = start_;
      offset_ = random >> 61;
    }
    Iterator(const Iterator&) = delete;
    Iterator& operator=(const Iterator&) = delete;
    ~Iterator() {
      map_.release(walked_);
      map_.release(old_base_);
      map_.release(base_);
    }

    // The next entry's slot, or null at the end.
    void* next() {
      map_.writers_.check_none("concurrent map iteration and map write");
      while (at_ != nullptr || enter_bucket()) {
        while (i_ < kBucketSlots) {
          if (void* const found = entry((i_++ + offset_) % kBucketSlots)) return found;
        }
        at_ = at_->overflow;
        i_ = 0;
      }
      return nullptr;
    }

   private:
    static constexpr size_t kNoCheck = ~size_t{0};

    // False: it was the last.
    bool enter_bucket() {
      if (base_ == nullptr || (bucket_ == start_ && wrapped_)) return false;
      Array* from = base_;
      check_ = kNoCheck;
      // Growth to this size is going on, and may not have reached this bucket.
      if (map_.old_ != nullptr && base_->b == map_.array_->b &&
          !map_.at(*map_.old_, bucket_ & (map_.old_->size() - 1))->evacuated()) {
        from = map_.old_;
        if (!map_.same_size_growth()) check_ = bucket_;
      }
      retain(from);
      map_.release(walked_);
      walked_ = from;
      at_ = map_.at(*from, bucket_ & (from->size() - 1));
      i_ = 0;
      if (++bucket_ == base_->size()) {
        bucket_ = 0;
        wrapped_ = true;
      }
      return true;
    }

    // What there is to see in a slot: its entry, that as it is now elsewhere, or nothing.
    void* entry(size_t i) {
      const uint8_t top = at_->top[i];
      if (top < kTopKeptX) return nullptr;
      void* const slot = map_.slot(at_, i);
      const bool strange = !map_.type_.equal(slot, slot);
      if (check_ != kNoCheck && bucket_of(slot, top, strange) != check_) return nullptr;
      if (top >= kTopLeast) return slot;
      if (strange) return Type::keeps_strange && clears_ == map_.clears_ ? slot : nullptr;
      return map_.count_ == 0 ? nullptr : map_.find_hashed(slot, map_.type_.hash(slot, map_.seed_));
    }

    // Where growth takes the entry of an old bucket.
    size_t bucket_of(const void* slot, uint8_t top, bool strange) const {
      const size_t newbit = base_->size() / 2;
      if (strange) return (check_ & (newbit - 1)) | ((top & 1) != 0 ? newbit : 0);
      return map_.type_.hash(slot, map_.seed_) & (base_->size() - 1);
    }

    BucketMapCore& map_;
    Array* base_;              // gone over
    Array* old_base_;          // that the map grew from when this began: what is evacuated from it keeps its keys
    Array* walked_ = nullptr;  // that `at_` is in
    MapBucket* at_ = nullptr;
    uint64_t clears_;
    size_t start_ = 0, bucket_ = 0;  // the first; the next to enter
    size_t offset_ = 0;
    size_t i_ = 0;
    size_t check_ = kNoCheck;  // entries for this bucket only
    bool wrapped_ = false;
  };

 private:
  // Of the type, which need not be known to the compiler.
  size_t align() const { return type_.slot_align > alignof(MapBucket) ? type_.slot_align : alignof(MapBucket); }
  size_t aligned(size_t bytes) const { return (bytes + align() - 1) / align() * align(); }
  size_t slots_at() const { return aligned(sizeof(MapBucket)); }
  size_t bucket_bytes() const { return aligned(slots_at() + kBucketSlots * type_.slot_size); }

  MapBucket* at(const Array& array, size_t i) const {
    return reinterpret_cast<MapBucket*>(array.first + i * bucket_bytes());
  }

  struct Place {
    MapBucket* bucket;  // null: the chain is full
    size_t index;
    bool found;
  };

  void* slot(MapBucket* bucket, size_t i) const {
    return reinterpret_cast<char*>(bucket) + slots_at() + i * type_.slot_size;
  }

  static bool over_load_factor(size_t count, uint32_t b) {
    return count > kBucketSlots && count > 13 * ((size_t{1} << b) / 2);
  }
  bool too_many_overflow() const { return overflows_ >= size_t{1} << (array_->b < 15 ? array_->b : 15); }
  bool same_size_growth() const { return old_->b == array_->b; }

  // ---- searching ----

  void* find_hashed(const void* key, uint64_t hash) const {
    MapBucket* bucket = at(*array_, hash & (array_->size() - 1));
    if (old_ != nullptr) {
      MapBucket* const old = at(*old_, hash & (old_->size() - 1));
      if (!old->evacuated()) bucket = old;
    }
    const uint8_t top = tophash(hash);
    for (; bucket != nullptr; bucket = bucket->overflow) {
      for (size_t i = 0; i < kBucketSlots; ++i) {
        if (bucket->top[i] == top && type_.equal(slot(bucket, i), key)) return slot(bucket, i);
        if (bucket->top[i] == kTopEmptyRest) return nullptr;
      }
    }
    return nullptr;
  }

  // Where the key is in a chain, or may go.
  Place place_for(MapBucket* bucket, const void* key, uint8_t top) const {
    Place free{nullptr, 0, false};
    for (; bucket != nullptr; bucket = bucket->overflow) {
      for (size_t i = 0; i < kBucketSlots; ++i) {
        if (bucket->top[i] == top && type_.equal(slot(bucket, i), key)) return {bucket, i, true};
        if (bucket->top[i] > kTopEmptyOne) continue;
        if (free.bucket == nullptr) free = {bucket, i, false};
        if (bucket->top[i] == kTopEmptyRest) return free;
      }
    }
    return free;
  }

  // ---- writing ----

  MapBucket* bucket_to_write(uint64_t hash) {
    const size_t bucket = hash & (array_->size() - 1);
    if (old_ != nullptr) {
      evacuate(bucket & (old_->size() - 1));
      if (old_ != nullptr) evacuate(evacuated_);
    }
    return at(*array_, bucket);
  }

  template <class Make>
  void* insert(MapBucket* bucket, Place place, uint64_t hash, Make make) {
    if (place.bucket == nullptr) place = {add_overflow(bucket), 0, false};
    void* const fresh = slot(place.bucket, place.index);
    make(fresh);
    place.bucket->top[place.index] = tophash(hash);
    ++count_;
    return fresh;
  }

  MapBucket* add_overflow(MapBucket* bucket) {
    while (bucket->overflow != nullptr) bucket = bucket->overflow;
    auto* const fresh = static_cast<MapBucket*>(::operator new(bucket_bytes(), std::align_val_t{align()}));
    std::memset(fresh, 0, sizeof *fresh);
    bucket->overflow = fresh;
    ++overflows_;
    return fresh;
  }

  // A slot has become free: if none behind it is full, it and the free ones before it end searches.
  void shorten(MapBucket* first, Place place) {
    MapBucket* bucket = place.bucket;
    size_t i = place.index;
    const bool last = i + 1 == kBucketSlots;
    if (last ? bucket->overflow != nullptr && bucket->overflow->top[0] != kTopEmptyRest
             : bucket->top[i + 1] != kTopEmptyRest) {
      return;
    }
    for (;;) {
      bucket->top[i] = kTopEmptyRest;
      if (i == 0) {
        if (bucket == first) return;
        MapBucket* before = first;
        while (before->overflow != bucket) before = before->overflow;
        bucket = before;
        i = kBucketSlots;
      }
      if (bucket->top[--i] != kTopEmptyOne) return;
    }
  }

  // ---- growing ----

  void begin_growth() {
    const bool bigger = over_load_factor(count_ + 1, array_->b);
    Array* const fresh = new_array(array_->b + bigger);
    old_ = array_;
    array_ = fresh;
    evacuated_ = 0;
    overflows_ = 0;
  }

  struct Destination {
    MapBucket* bucket;
    size_t index = 0;
  };

  void evacuate(size_t bucket) {
    if (!at(*old_, bucket)->evacuated()) evacuate_chain(bucket);
    if (bucket != evacuated_) return;
    while (evacuated_ < old_->size() && at(*old_, evacuated_)->evacuated()) ++evacuated_;
    if (evacuated_ != old_->size()) return;
    release(old_);
    old_ = nullptr;
  }

  void evacuate_chain(size_t number) {
    Destination to[2] = {{at(*array_, number)}, {at(*array_, (number + old_->size()) & (array_->size() - 1))}};
    const bool keep = !old_->refs.single();
    for (MapBucket* bucket = at(*old_, number); bucket != nullptr; bucket = bucket->overflow) {
      for (size_t i = 0; i < kBucketSlots; ++i) {
        if (bucket->top[i] <= kTopEmptyOne) {
          bucket->top[i] = kTopEvacuatedEmpty;
        } else {
          bucket->top[i] = evacuate_slot(slot(bucket, i), bucket->top[i], to, keep);
        }
      }
    }
  }

  // Returns the slot's state from now on.
  uint8_t evacuate_slot(void* from, uint8_t top, Destination (&to)[2], bool keep) {
    bool y = false;
    if (!same_size_growth()) {
      const uint64_t hash = type_.hash(from, seed_);
      const bool strange = keep && !type_.equal(from, from);
      y = strange ? (top & 1) != 0 : (hash & old_->size()) != 0;
      if (strange) top = tophash(hash);
    }
    Destination& place = to[y];
    if (place.index == kBucketSlots) place = {add_overflow(place.bucket)};
    place.bucket->top[place.index] = top;
    void* const fresh = slot(place.bucket, place.index++);
    if (!keep) {
      type_.relocate(fresh, from);
      return y ? kTopEvacuatedY : kTopEvacuatedX;
    }
    type_.relocate_keeping_key(fresh, from);
    return y ? kTopKeptY : kTopKeptX;
  }

  // ---- arrays ----

  Array* new_array(uint32_t b) const {
    const size_t head = aligned(sizeof(Array));
    auto* const array = new (::operator new(head + (bucket_bytes() << b), std::align_val_t{align()})) Array;
    array->b = b;
    array->first = reinterpret_cast<char*>(array) + head;
    for (size_t i = 0; i < array->size(); ++i) std::memset(at(*array, i), 0, sizeof(MapBucket));
    return array;
  }

  static Array* retain(Array* array) {
    if (array != nullptr) array->refs.add();
    return array;
  }

  template <class F>
  void each_slot(Array& array, F f) const {
    for (size_t n = 0; n < array.size(); ++n) {
      for (MapBucket* bucket = at(array, n); bucket != nullptr; bucket = bucket->overflow) {
        for (size_t i = 0; i < kBucketSlots; ++i) f(slot(bucket, i), bucket->top[i]);
      }
    }
  }

  // Of clear(): entries go, keys that are kept for iterators stay until those end.
  void empty(Array* array) {
    if (array == nullptr) return;
    each_slot(*array, [this](void* entry, uint8_t& top) {
      if (top >= kTopLeast) type_.destroy(entry);
      if (top >= kTopLeast || top == kTopEmptyOne) top = kTopEmptyRest;
    });
  }

  void release(Array* array) {
    if (array == nullptr || !array->refs.drop()) return;
    each_slot(*array, [this](void* entry, uint8_t top) {
      if (top >= kTopLeast) type_.destroy(entry);
      else if (top >= kTopKeptX) type_.destroy_kept(entry);
    });
    for (size_t n = 0; n < array->size(); ++n) {
      for (MapBucket* bucket = at(*array, n)->overflow; bucket != nullptr;) {
        MapBucket* const next = bucket->overflow;
        ::operator delete(bucket, std::align_val_t{align()});
        bucket = next;
      }
    }
    ::operator delete(array, std::align_val_t{align()});
  }

  [[no_unique_address]] Type type_;
  MapWriters writers_;
  size_t count_ = 0;
  uint64_t seed_;
  uint64_t clears_ = 0;
  size_t overflows_ = 0;   // of array_
  size_t evacuated_ = 0;   // old buckets before this one are
  Array* array_ = nullptr;
  Array* old_ = nullptr;   // not null while growing
};

}  // namespace reprise::rt
