// Where the runtime tells the checked flavour what it does: what orders goroutines, and whose memory is
// whose.
//
// A program compiled with -fsanitize=thread and linked with reprise_race sets race_hooks before any goroutine
// runs; in every other program it is null, and each place that asks has one branch, most of them on the slow
// path that a policy takes anyway. The hooks do nothing without a policy.
//
// Thread safety: called by whoever holds the baton; thread_starts(null) and what threads without one call only takes note of them. They never park, and allocate from memory of their own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "runtime/sched/g_m_p.h"
#include "runtime/seam/decision.h"

namespace reprise::rt {

struct hchan;

// What happened to a channel. `other` is the goroutine that waited, where an element went past the buffer.
enum class ChanStep : uint8_t { push, pop, send_direct, recv_direct, close, recv_closed };

struct RaceHooks {
  void (*begin_schedule)();                     // of an exploration: forget everything
  // A scheduling point was announced; it has not been taken yet. The operation follows it.
  // gp null: a thread of the program's own.
  void (*point)(G* gp, seam::OpKind op, std::span<const seam::Access> accesses);
  // Names an access to memory that was a point of quick_points.h's: what it is to, and where it comes from.
  void (*name_access)(G* gp, uint64_t address, const void* pc, seam::ObjectId* object, seam::Site* site);
  void (*born)(G* gp);                          // its creator builds the argument on its stack
  void (*spawned)(G* gp);                       // by the current goroutine, or on g0
  void (*ended)(G* gp);
  void (*woken)(G* gp);                         // by the current goroutine, or on g0
  void (*timer_fires)(seam::ObjectId timer);    // g0: what follows is its doing
  void (*timer_fired)();
  void (*chan)(ChanStep step, const hchan* c, G* other);  // under the channel's lock
  void (*release)(const void* object);          // what the current goroutine did so far comes before
  void (*acquire)(const void* object);          //   what follows this
  // A goroutine has done what the current thread had announced (sched/foreign.h); `done` is what it released.
  void (*done_for_thread)(const void* done);
  // Threads of the program's own. What stands for one comes from its maker; null: nobody looks at it.
  void* (*thread_made)();
  void (*thread_starts)(void* thread);          // on it, first of all
  void (*thread_over)(void* thread);            // the current goroutine or thread has joined it, or could not make it
};
extern const RaceHooks* race_hooks;

inline void race_chan(ChanStep step, const hchan* c, G* other = nullptr) {
  if (__builtin_expect(race_hooks != nullptr, 0)) race_hooks->chan(step, c, other);
}
inline void race_release(const void* object) {
  if (__builtin_expect(race_hooks != nullptr, 0)) race_hooks->release(object);
}
inline void race_acquire(const void* object) {
  if (__builtin_expect(race_hooks != nullptr, 0)) race_hooks->acquire(object);
}

// Announces an access to memory, as seam_point() does other operations; `site` is where the program is.
// REQUIRES: a policy; on a goroutine, holding no runtime lock.
void seam_memory_point(seam::OpKind op, const seam::Access& access, seam::Site site);

}  // namespace reprise::rt
