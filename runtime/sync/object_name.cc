// Names of synchronisation objects, and the scheduling points of inline operations.
//
// A name is a property of the goroutine that made the object where there is one. An object of
// static storage, made before the runtime starts, is named by the goroutine that first uses it:
// the same in every run with the same schedule, which is all that it can be without an address.
#include <reprise/detail/seam_hook.h>
#include "runtime/sched/proc.h"
#include "runtime/sync/object_id.h"

namespace reprise::rt {

void ObjectName::name_at_birth() {
  if (curg() == nullptr) return;
  // Relaxed: the object is not shared yet.
  name_.store(new_object_id().name, std::memory_order_relaxed);
}

uint64_t ObjectName::name_at_first_use() const {
  uint64_t none = 0;
  const uint64_t name = new_object_id().name;
  // Relaxed: only the value counts. The loser's name is dropped; its index stays used.
  return name_.compare_exchange_strong(none, name, std::memory_order_relaxed) ? name : none;
}

void point_slow(PointKind kind, const ObjectName& object) {
  if (!seam_active) return preempt_point();
  switch (kind) {
    case PointKind::atomic_load: return seam_point(seam::OpKind::atomic_load, id_of(object), false);
    case PointKind::atomic_store: return seam_point(seam::OpKind::atomic_store, id_of(object), true);
    case PointKind::atomic_rmw: return seam_point(seam::OpKind::atomic_rmw, id_of(object), true);
    case PointKind::once: return seam_point(seam::OpKind::once, id_of(object), true);
  }
}

}  // namespace reprise::rt
