// What the inline parts of the public headers need from the seam: whether a policy is installed,
// and the name of an object. Not for programs.
#pragma once

#include <atomic>
#include <cstdint>
#include <type_traits>

namespace reprise::rt {

// True once a policy is installed (controlled modes). Written during boot, before any goroutine
// exists (and by tests while the world stands); so a plain read is enough.
extern bool seam_active;
// Not 0: operations take the slow path, because of a policy or because somebody shall give way.
extern std::atomic<uint8_t> seam_attention;

// Which scheduling point an inline operation announces; one for one with seam::OpKind.
enum class PointKind : uint8_t { atomic_load, atomic_store, atomic_rmw, once };

// The name of a synchronisation object, given when the object is made if the runtime can do so
// then, else at first use (objects of static storage, made before the runtime starts).
//
// Thread safety: any goroutine. Two first uses at the same time agree on one name.
class ObjectName {
 public:
  constexpr ObjectName() {
    if (!std::is_constant_evaluated() && seam_active) name_at_birth();
  }
  ObjectName(const ObjectName&) = delete;
  ObjectName& operator=(const ObjectName&) = delete;

  // Never 0. Called in controlled modes only.
  uint64_t get() const {
    // Relaxed: the name stands alone, nothing is published with it.
    const uint64_t name = name_.load(std::memory_order_relaxed);
    return __builtin_expect(name != 0, 1) ? name : name_at_first_use();
  }

 private:
  void name_at_birth();
  uint64_t name_at_first_use() const;

  mutable std::atomic<uint64_t> name_{0};
};

// Announces an operation and lets the policy decide whether this goroutine goes on; in native mode,
// gives way if that was asked for.
void point_slow(PointKind kind, const ObjectName& object);

// What every operation asks first.
inline bool slow_path_wanted() {
  return __builtin_expect(seam_attention.load(std::memory_order_relaxed) != 0, 0);
}

inline void point(PointKind kind, const ObjectName& object) {
  if (slow_path_wanted()) point_slow(kind, object);
}

}  // namespace reprise::rt
