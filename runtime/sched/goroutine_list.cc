// Describes the list of goroutines to readers outside (runtime/seam/goroutine_list.h).
#include "runtime/sched/goroutine_list.h"

#include <cstddef>
#include <cstdio>

#include "runtime/sched/sched.h"
#include "runtime/sched/site.h"

namespace reprise::rt {

namespace {

const char* status_text(GStatus status) {
  switch (status) {
    case GStatus::idle: return seam::kStatusIdle;
    case GStatus::runnable: return "runnable";
    case GStatus::running: return seam::kStatusRunning;
    case GStatus::syscall: return "syscall";
    case GStatus::waiting: return seam::kStatusWaiting;
    case GStatus::dead: return seam::kStatusDead;
  }
  return "";
}

constexpr uint32_t kStatuses = static_cast<uint32_t>(GStatus::dead) + 1;
constexpr uint32_t kReasons = static_cast<uint32_t>(WaitReason::finished) + 1;

// Offsets in a G, which is no standard-layout type; every compiler that we know has them all the same.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Winvalid-offsetof"
void put_offsets(seam::GoroutineList& list) {
  list.next = offsetof(G, alllink);
  list.goid = offsetof(G, goid);
  list.parent_goid = offsetof(G, parent_goid);
  list.spawn_site = offsetof(G, spawn_site);
  list.status = offsetof(G, status);
  list.wait_reason = offsetof(G, wait_reason);
  list.locked = offsetof(G, locked_m);
  list.system = offsetof(G, system);
  constexpr uint32_t kContext = offsetof(G, ctx);
  list.sp = kContext + GOBUF_SP;
  list.pc = kContext + GOBUF_PC;
  list.bp = kContext + GOBUF_BP;
  list.stack_lo = kContext + G_STACK_LO;
  list.stack_hi = kContext + G_STACK_HI;
}
#pragma GCC diagnostic pop

seam::GoroutineList described() {
  seam::GoroutineList list;
  static_assert(kStatuses <= sizeof list.status_texts / sizeof list.status_texts[0]);
  static_assert(kReasons <= sizeof list.reason_texts / sizeof list.reason_texts[0]);
  put_offsets(list);
  list.first = reinterpret_cast<uint64_t>(&sched.allgs);
  list.site_base = pc_of(1) - 1;
  for (uint32_t i = 0; i < kStatuses; ++i) {
    std::snprintf(list.status_texts[i], sizeof list.status_texts[i], "%s",
                  status_text(static_cast<GStatus>(i)));
  }
  for (uint32_t i = 0; i < kReasons; ++i) {
    std::snprintf(list.reason_texts[i], sizeof list.reason_texts[i], "%s",
                  wait_reason_text(static_cast<WaitReason>(i)));
  }
  return list;
}

}  // namespace

const seam::GoroutineList* goroutine_list() {
  static const seam::GoroutineList list = described();
  return &list;
}

}  // namespace reprise::rt
