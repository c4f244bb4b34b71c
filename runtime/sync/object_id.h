// From the name of a synchronisation object to what the seam wants. Any thread.
#pragma once

#include <reprise/detail/seam_hook.h>
#include "runtime/sched/proc.h"
#include "runtime/seam/decision.h"

namespace reprise::rt {

inline seam::ObjectId id_of(const ObjectName& name) { return {.name = name.get(), .offset = 0}; }

// Announces an operation on a named object. The name is asked for only if a policy is installed.
inline void announce(seam::OpKind op, const ObjectName& name, bool write) {
  if (!seam_attends()) return;
  if (seam_active) return seam_point(op, id_of(name), write);
  preempt_point();
}

}  // namespace reprise::rt
