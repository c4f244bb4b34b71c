// The scheduler's interface to the rest of the runtime: park, ready, spawn, yield, die.
//
// Everything here runs on a goroutine unless it says "g0". Blocking a goroutine blocks neither its
// M nor its P: another goroutine goes on.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <string_view>

#include "runtime/sched/g_m_p.h"

namespace reprise::rt {

// Parks the current goroutine. On g0, with the goroutine already `waiting`, calls
// unlockf(gp, lock); if that returns false the goroutine goes on at once. Null unlockf: nothing to
// commit. Returns after somebody's goready(). `traceback` wants the site of the user's call.
void gopark(bool (*unlockf)(G*, void*), void* lock, WaitReason reason);
// The same, releasing `lock` as the commit.
void goparkunlock(Lock* lock, WaitReason reason);
// Makes a waiting goroutine runnable. Any goroutine or g0; the caller may hold runtime locks.
void goready(G* gp);

struct SpawnOptions {
  size_t stack_bytes = 0;  // 0: the default, 256 KiB of address space
  bool system = false;     // the runtime's own: no deadlock and leak accounting
  // What the goroutine is named after where nobody runs that could be its parent, as when a timer
  // fires: the object that makes it, and how many it made before. Such names survive other schedules.
  const seam::ObjectId* maker = nullptr;
  uint64_t maker_index = 0;
};
// Starts a goroutine that calls fn(arg). It owns arg; if it never starts, drop(arg) is called.
G* newproc(void (*fn)(void*), void* arg, void (*drop)(void*) = nullptr, SpawnOptions options = {});
// The same, but in no queue, and making it is no scheduling point: for yield_to(). Native mode.
G* newproc_for_now(void (*fn)(void*), void* arg, SpawnOptions options);

// newproc in two halves, for a caller that builds the argument on the new goroutine's own stack and
// so allocates nothing: begin returns a goroutine whose entry_arg is `bytes` of room, start runs it,
// abandon gives it back (the argument could not be built).
G* newproc_begin(size_t bytes, size_t align, SpawnOptions options = {});
void newproc_start(G* gp, void (*fn)(void*), void (*drop)(void*) = nullptr);
void newproc_abandon(G* gp);

void gosched();                 // yields to the scheduler; stays runnable
// In place of whom the scheduler would choose: `next`, runnable and in no queue, goes on at once, and the caller after what is
// queued here. Native mode.
void yield_to(G* next);
[[noreturn]] void goexit();     // ends the current goroutine
int gomaxprocs(int n);          // sets if n > 0; returns the value before
uint64_t num_goroutine();       // user goroutines alive

void lock_os_thread();
void unlock_os_thread();

// Fatal errors and panics (runtime/panic). Both print Go-like text to stderr, exit status 2.
[[noreturn]] void throw_(std::string_view message);     // "fatal error: ...", cannot be recovered
[[noreturn]] void gopanic(std::string_view message);    // "panic: ..." then the goroutine's traceback

// Names of objects for policies: (current goroutine, its next index). Deterministic.
seam::ObjectId new_object_id();

// ---- the scheduling points ----
// Announces the next operation of this goroutine and lets the policy decide whether it goes on
// (controlled modes); one predicted branch in native mode, which leads to the slow path when somebody
// was asked to give way. Call it before the operation, holding no runtime lock. May switch goroutines.
void seam_point_slow(seam::OpKind op, std::span<const seam::Access> accesses);
extern bool seam_active;  // a policy is installed; set during boot, or by a test while the world stands

// Why scheduling points take their slow path: bits. Relaxed everywhere: a point that is missed is
// followed by another.
inline constexpr uint8_t kAttendPolicy = 1;   // seam_active
inline constexpr uint8_t kAttendPreempt = 2;  // native: some P should give way (preempt.cc)
extern std::atomic<uint8_t> seam_attention;
inline bool seam_attends() {
  return __builtin_expect(seam_attention.load(std::memory_order_relaxed) != 0, 0);
}

// Native mode's slow path: gives way if that was asked for. Does nothing on g0 and foreign threads.
void preempt_point();
// The same where a library may be the caller (locks of libc's): goes on on this thread, as after a signal,
// because the caller may be in the middle of something on a thread_local and knows of no scheduling point.
void preempt_point_on_thread();

inline void seam_point(seam::OpKind op, std::span<const seam::Access> accesses) {
  if (seam_attends()) seam_point_slow(op, accesses);
}
inline void seam_point(seam::OpKind op, seam::ObjectId object, bool write) {
  if (seam_attends()) {
    const seam::Access access{object, write};
    seam_point_slow(op, {&access, 1});
  }
}
// Chooses among candidates; built-in behaviour (index 0, or random as the reference has it, from
// the runtime's own generator) in native mode. Any stack; takes the decision on g0.
size_t seam_choose(seam::DecisionKind kind, const seam::Candidates& candidates);
// The same in controlled modes only; may answer seam::Policy::kDefault. REQUIRES: more than one.
size_t seam_ask(seam::DecisionKind kind, const seam::Candidates& candidates);
// 64 random bits, by decision in controlled modes.
uint64_t seam_draw();

}  // namespace reprise::rt
