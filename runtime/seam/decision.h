// What a policy is asked: the kinds of decision, what may be chosen, and the names that both carry.
//
// Names carry no address and survive other schedules: a goroutine's is a hash of its parent's name
// and its index among the parent's children, an object's is the name of the goroutine that made
// it, its index among that goroutine's objects, and an offset.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <span>

namespace reprise::seam {

enum class DecisionKind : uint8_t {
  run,      // which runnable goroutine goes next
  preempt,  // how many ticks until the goroutine then running must stop: draw(), the logged value
  select,   // which ready case of a select; Candidate::site is the case's index
  wake,     // which waiter of a mutex, condition, semaphore or closed channel first
  timer,    // which due timer fires, or none yet
  signal,   // which pending signal is delivered, to whom, or none yet
  poll,     // which ready descriptor is reported next, or no more
  gc,       // whether a cycle starts, which worker runs, assist or queue
  fault,    // whether this system call fails or comes up short, and how
  draw,     // 64 random bits: map seeds, iteration starts, the program's own randomness
};
inline constexpr size_t kDecisionKinds = 10;
const char* name_of(DecisionKind kind);

// What a goroutine is about to do. The accesses say to what.
enum class OpKind : uint8_t {
  start,       // its first instruction
  resume,      // whatever follows a wait that ended
  yield,       // nothing; it only gives way
  spawn, exit,
  chan_send, chan_recv, chan_close, chan_len,
  select,
  lock, unlock, try_lock, rlock, runlock,
  wait, signal, broadcast,          // condition variables
  acquire, release,                 // semaphores
  wg_add, wg_wait, once,
  atomic_load, atomic_store, atomic_rmw,
  timer_start, timer_stop, sleep,
  io_read, io_write, io_open, io_close, io_other,
  memory_read, memory_write,        // checked flavour
  stop,                             // the last candidate of a repeated choice: no more
};
const char* name_of(OpKind op);

struct GoId {
  uint64_t hi = 0, lo = 0;
  auto operator<=>(const GoId&) const = default;
};

struct ObjectId {
  uint64_t name = 0;    // hash of (maker's GoId, index)
  uint64_t offset = 0;
  auto operator<=>(const ObjectId&) const = default;
};

struct Access {
  ObjectId object;
  bool write = false;
};

// A place in the program: offset of an instruction in its executable or library, 0 if unknown.
using Site = uint64_t;

struct Candidate {
  GoId goroutine;
  uint64_t goid = 0;        // sequence number in this run, for people and for ties
  uint64_t ready_step = 0;  // the step at which it became a candidate: first in, first out
  OpKind op = OpKind::resume;
  Site site = 0;
  std::span<const Access> accesses;
};

struct Decision {
  DecisionKind kind;
  GoId chooser;             // the goroutine at whose step the decision falls; zero for the scheduler
  uint64_t step = 0;        // steps of the run so far
  Site site = 0;
  std::span<const Candidate> candidates;  // never empty for choose(), in order of goroutine id
};

// A step that happened, choice or not.
struct Event {
  enum class Kind : uint8_t { step, spawn, block, wake, exit } kind;
  GoId goroutine;           // who did it
  GoId other;               // spawn, wake: to whom
  uint64_t step = 0;
  OpKind op = OpKind::resume;
  Site site = 0;
  std::span<const Access> accesses;
};

}  // namespace reprise::seam
