// What a policy is asked: the kinds of decision, what may be chosen, and the names that both carry.
//
// Names carry no address and survive other schedules: a goroutine's is a hash of its parent's name
// and its index among the parent's children, an object's is the name of the goroutine that made
// it, its index among that goroutine's objects, and an offset.
#pragma once

#include <bit>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

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
  interrupt,  // counted flavour: where the computation that runs is preempted next. draw(): 64 random
              // bits, which the runtime turns into ticks and instructions, or kUnbounded: a matter of
              // time. Not logged: what comes of it is (tape::kPreempt)
};
inline constexpr size_t kDecisionKinds = 11;
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

// A place in the program: offset in its executable of where an operation returns to. The program's own code, not a
// library's or the runtime's. 0: unknown, or not looked for: of operations and waits only policies
// that want events are told (Policy::wants_events).
using Site = uint64_t;

struct Candidate {
  GoId goroutine;
  uint64_t goid = 0;        // sequence number in this run, for people and for ties
  uint64_t ready_step = 0;  // the step at which it became a candidate: first in, first out. Becoming
                            // ready is a step of its own, so that no two have the same
  OpKind op = OpKind::resume;
  Site site = 0;
  std::span<const Access> accesses;
};

// A 64-bit digest of whom a candidate is and what it will do; a set's is the sum of its members'.
constexpr uint64_t digest_of(GoId goroutine, uint64_t goid, OpKind op) {
  return std::rotl((goroutine.lo ^ static_cast<uint64_t>(op) << 32 ^ goid) * 0x9e3779b97f4a7c15, 29) *
         0xbf58476d1ce4e5b9;
}

// Where candidates come from that are not in a list yet. In order of goroutine id, as everywhere.
class CandidateSource {
 public:
  virtual void list(Candidate* to) const = 0;  // as many as Candidates::size() says
  virtual size_t oldest() const = 0;           // index of the default choice (default_choice.h)

 protected:
  ~CandidateSource() = default;
};

// Where a list is made that a decision did not have. Grows and is never freed: it lives as long as the
// run.
struct CandidateRoom {
  Candidate* at = nullptr;
  size_t capacity = 0;

  Candidate* of(size_t size) {
    if (size <= capacity) return at;
    delete[] at;
    at = new Candidate[capacity = 2 * size];
    return at;
  }
};

// The candidates of a decision: a span, or as good as one. Whoever asks may have only their number at
// hand; then the list is made at the first look at it, so that a policy which needs no more than
// size() pays for no more. Valid as long as the decision is.
class Candidates {
 public:
  Candidates() = default;
  template <class List>
    requires(std::is_convertible_v<const List&, std::span<const Candidate>>)
  Candidates(const List& list) : list_(list), size_(list_.size()) {}
  // With the sum of digest_of() over the list, for whoever keeps it.
  Candidates(std::span<const Candidate> list, uint64_t digest)
      : list_(list), size_(list.size()), digest_(digest), has_digest_(true) {}
  Candidates(const CandidateSource& source, size_t size, uint64_t digest)
      : size_(size), digest_(digest), has_digest_(true), source_(&source) {}

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  std::span<const Candidate> list() const { return list_.size() == size_ ? list_ : made(); }
  const Candidate& operator[](size_t i) const { return list()[i]; }
  const Candidate& back() const { return list().back(); }
  auto begin() const { return list().begin(); }
  auto end() const { return list().end(); }

  uint64_t digest() const {
    if (has_digest_) return digest_;
    uint64_t sum = 0;
    for (const Candidate& c : list()) sum += digest_of(c.goroutine, c.goid, c.op);
    return sum;
  }
  const CandidateSource* source() const { return source_; }  // null: there is a list
  // Where the list is to be made. Without, in a room that all decisions share.
  void keep_in(CandidateRoom* room) { room_ = room; }

 private:
  // Here, and not in a .cc, because a user's policy links nothing of Reprise.
  std::span<const Candidate> made() const {
    static constinit CandidateRoom shared;
    Candidate* const room = (room_ != nullptr ? room_ : &shared)->of(size_);
    source_->list(room);
    return list_ = {room, size_};
  }

  mutable std::span<const Candidate> list_;
  size_t size_ = 0;
  uint64_t digest_ = 0;
  bool has_digest_ = false;
  const CandidateSource* source_ = nullptr;
  CandidateRoom* room_ = nullptr;
};

struct Decision {
  DecisionKind kind;
  GoId chooser;             // the goroutine at whose step the decision falls; zero for the scheduler
  uint64_t step = 0;        // steps of the run so far
  Site site = 0;
  Candidates candidates;    // never empty for choose(), in order of goroutine id
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
