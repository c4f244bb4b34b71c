// Pairs: which write each read saw, in this run and in all runs before, by object and place.
//
// A *place* is a kind of operation at a site of the program; 0 stands for the write that gave an object its
// initial value. Places and objects have numbers in the order in which they were first seen. Where goroutines
// only meet (wait groups, once) the order of arrival is no event; giving a lock back is a write, taking it a read.
//
// A pair *can be* if its write and its read were seen, by different goroutines. The initial value can be seen where the reader had
// not written before. Each place remembers the lock that
// its goroutine had taken last and still held, and where.
//
// Not thread-safe; a policy owns its own.
#pragma once

#include <cstdint>
#include <vector>

#include "scheduler-policies/flat_map.h"
#include "scheduler-policies/footprint.h"

namespace reprise::seam {

using PlaceId = uint32_t;

struct Pair {
  uint32_t object = 0;
  PlaceId write = 0, read = 0;
  bool operator==(const Pair&) const = default;
};

constexpr uint64_t bits_of(const Pair& p) {
  return mix((uint64_t{p.object} << 40) ^ (uint64_t{p.write} << 20) ^ p.read);
}

// An operation by numbers.
struct KnownOperation {
  GoId goroutine;
  OpKind op = OpKind::start;
  PlaceId place = 0;
  size_t count = 0;
  struct {
    uint32_t object;
    bool write;
  } touches[Operation::kMaxAccesses];
};

class Pairs {
 public:
  void begin_run();
  KnownOperation known(GoId goroutine, OpKind op, Site site, std::span<const Access> accesses);
  void happened(const KnownOperation& operation);

  // Of this run: the object's last write so far; a digest of the pairs that it showed; whether one of them
  // was new.
  PlaceId last_write(uint32_t object) const;
  uint64_t combination() const { return combination_; }
  bool showed_new() const { return showed_new_; }

  // Pairs that can be: those never shown, and all. At most kMaxListed of each.
  static constexpr size_t kMaxListed = 1024;
  const std::vector<Pair>& unseen();
  const std::vector<Pair>& possible();

  // The lock that an end of a pair is under, and where it is taken, as far as taking it counts as that end. `whole`: for the
  // write it does, also if the read is not under the same lock.
  struct Locks {
    uint32_t of_both = 0;  // object + 1
    uint32_t of_write = 0;
    PlaceId taken_for_read = 0, taken_for_write = 0;
  };
  Locks locks_of(const Pair& pair, bool whole) const;
  // Another number in each run, and whenever a place is found under another lock: until then locks and roles stay.
  uint64_t version() const { return version_; }

  // What an operation means for a pair.
  enum class Role : uint8_t { none, write, read, other_write };
  static Role role(const Pair& pair, const Locks& locks, const KnownOperation& operation);

 private:
  struct Doer {
    PlaceId place;
    GoId goroutine;       // the first that was seen there
    bool several = false; // others were
    bool first = false;   // it came before any write of the same goroutine
  };
  struct Object {
    std::vector<Doer> writes, reads;
    uint64_t run = 0;     // that the rest is of
    PlaceId last_write = 0;
    std::vector<GoId> writers;
  };
  struct Taken {
    uint32_t lock = 0;    // object + 1
    PlaceId place = 0;
    bool operator==(const Taken&) const = default;
  };
  struct Place {
    Taken under;          // the lock held there
  };
  struct PlaceKey {
    Site site = 0;
    OpKind op = OpKind::start;
    bool operator==(const PlaceKey&) const = default;
    friend constexpr uint64_t bits_of(const PlaceKey& k) {
      return mix(k.site * 64 + static_cast<uint64_t>(k.op));
    }
  };

  Object& renewed(uint32_t index);
  void add_doer(std::vector<Doer>& doers, const KnownOperation& operation, bool first);
  void show(const Pair& pair);
  void list();
  void list_of(uint32_t object);

  std::vector<Object> objects_;
  std::vector<Place> places_{1};
  FlatMap<ObjectId, uint32_t> object_at_;  // index + 1
  FlatMap<PlaceKey, PlaceId> place_at_;
  FlatMap<Pair, uint64_t> shown_;          // the last run that showed it
  std::vector<Pair> unseen_, possible_;
  bool listed_ = false;

  uint64_t run_ = 0;
  uint64_t version_ = 0;
  uint64_t combination_ = 0;
  bool showed_new_ = false;
  FlatMap<GoId, Taken> taken_;             // by goroutine, in this run
};

}  // namespace reprise::seam
