// Texts of the decision and operation kinds, as reports and `reprise show` print them.
#include "runtime/seam/decision.h"

namespace reprise::seam {

const char* name_of(DecisionKind kind) {
  static constexpr const char* kNames[kDecisionKinds] = {
      "run", "preempt", "select", "wake", "timer", "signal", "poll", "gc", "fault", "draw",
      "interrupt"};
  const auto index = static_cast<size_t>(kind);
  return index < kDecisionKinds ? kNames[index] : "unknown";
}

const char* name_of(OpKind op) {
  static constexpr const char* kNames[] = {
      "start",        "resume",      "yield",      "spawn",        "exit",       "chan_send",
      "chan_recv",    "chan_close",  "chan_len",   "select",       "lock",       "unlock",
      "try_lock",     "rlock",       "runlock",    "wait",         "signal",     "broadcast",
      "acquire",      "release",     "wg_add",     "wg_wait",      "once",       "atomic_load",
      "atomic_store", "atomic_rmw",  "timer_start", "timer_stop",  "sleep",      "io_read",
      "io_write",     "io_open",     "io_close",   "io_other",     "memory_read", "memory_write",
      "stop"};
  static_assert(sizeof(kNames) / sizeof(kNames[0]) == static_cast<size_t>(OpKind::stop) + 1);
  const auto index = static_cast<size_t>(op);
  return index <= static_cast<size_t>(OpKind::stop) ? kNames[index] : "unknown";
}

}  // namespace reprise::seam
