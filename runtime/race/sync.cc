// Edges of happens-before.
//
// Objects are found by name, or by address where they have none, in one open table. `clock` is what was
// released there; `readers` what those released who held a lock for reading, which only writers take up. A
// channel has an object for each place in its buffer, as in Go's detector: the n-th send comes before the
// n-th receive, and that before the send that uses the place again. The counts are kept here, because an
// element that goes past the buffer still uses its turn.
#include "runtime/race/sync.h"

#include <algorithm>

#include "runtime/chan/chan.h"
#include "runtime/race/access.h"
#include "runtime/race/detector.h"
#include "runtime/race/memory.h"
#include "runtime/race/shadow.h"
#include "runtime/sched/proc.h"
#include "runtime/seam/names.h"

namespace reprise::race {
namespace {

using rt::ChanStep;
using seam::ObjectId;
using seam::OpKind;

struct Sync {
  uint64_t name, offset;
  uint32_t generation;
  Clock clock;
  Clock readers;
};

struct Turns {  // of a channel
  uint64_t sends, receives;
};

struct Place {  // of the table
  uint32_t generation;
  uint32_t index;  // of syncs
};

constexpr uint32_t kSyncs = 3u << 22;
constexpr uint64_t kPlaces = uint64_t{1} << 24;
constexpr uint64_t kAddressName = 0x41444452;
constexpr ObjectId kIo{0x494f, 0};  // what is written may be read at the other end of anything

Place* places = nullptr;
Sync* syncs = nullptr;
uint32_t sync_count = 0;
Turns* turns = nullptr;  // beside syncs
uint32_t recent[256];    // indexes of what was used lately: the table costs a page of memory for each object
Clock outside;           // of g0 while a timer fires; empty else

// Slots.
uint64_t* slot_clocks = nullptr;
uint32_t* ended_slots = nullptr;  // a ring, oldest first
uint64_t ended_first = 0, ended_last = 0;
uint32_t next_slot = 1;
uint64_t latest = 0;       // of all clocks ever
uint64_t first_clock = 0;  // that was the latest when the schedule began: so an epoch is of one schedule alone
constexpr uint32_t kFreshSlots = 64;  // as many deaths are told apart before a slot is used again

bool is_of(const Sync& sync, ObjectId object) {
  return sync.name == object.name && sync.offset == object.offset && sync.generation == generation;
}

uint32_t new_sync(ObjectId object) {
  if (sync_count == kSyncs) rt::throw_("race: too many synchronisation objects");
  turns[sync_count] = {};
  syncs[sync_count] = Sync{object.name, object.offset, generation, {}, {}};
  return sync_count++;
}

uint32_t look_up(ObjectId object) {
  uint64_t at = seam::mix(object.name + 0x9e3779b97f4a7c15 * object.offset) % kPlaces;
  for (; places[at].generation == generation; at = (at + 1) % kPlaces) {
    if (is_of(syncs[places[at].index], object)) return places[at].index;
  }
  places[at] = {generation, new_sync(object)};
  return places[at].index;
}

Sync& sync_of(ObjectId object) {
  const uint64_t key = object.name ^ object.offset >> 4 ^ object.offset;
  uint32_t& index = recent[(key ^ key >> 8) % std::size(recent)];
  if (!is_of(syncs[index], object)) index = look_up(object);
  return syncs[index];
}

uint32_t take_slot() {
  const uint64_t ended = ended_last - ended_first;
  if (ended > kFreshSlots || (ended != 0 && next_slot == kMaxSlots)) return ended_slots[ended_first++ % kMaxSlots];
  if (next_slot == kMaxSlots) rt::throw_("race: more than a million goroutines at once");
  slot_clocks[next_slot] = first_clock;
  return next_slot++;
}

void set_clock(Task* task, uint64_t clock) {
  latest = std::max(latest, clock);
  task->clock.set(task->slot, clock);
  task->now = Epoch::of(task->slot, clock);
}

// What follows is not known to whoever acquired what came before.
void tick(Task* task) { set_clock(task, Epoch::clock(task->now) + 1); }

void release_to(Task* task, Clock& clock) {
  clock.join(task->clock);
  tick(task);
}

void later(Task* task, ObjectId object, bool readers_too) {
  task->pending = object;
  task->has_pending = true;
  task->pending_readers = readers_too;
}

// A place of a buffer: what the last user did there comes before, and what this one did before the next.
void use_place(Task* task, ObjectId place) {
  Sync& sync = sync_of(place);
  if (task == nullptr) {
    sync.clock.join(outside);
    return;
  }
  task->clock.join(sync.clock);
  sync.clock.assign(task->clock);
  tick(task);
}

void meet(Task* a, Task* b) {
  order(a, b);
  order(b, a);
}

ObjectId channel_object(const rt::hchan* c, uint64_t place) {
  const uint64_t name = c->object.name != 0 ? c->object.name : reinterpret_cast<uint64_t>(c);
  return {name, c->object.offset + place};
}

}  // namespace

void sync_init() {
  places = reserve_array<Place>(kPlaces);
  syncs = reserve_array<Sync>(kSyncs);
  turns = reserve_array<Turns>(kSyncs);
  slot_clocks = reserve_array<uint64_t>(kMaxSlots);
  ended_slots = reserve_array<uint32_t>(kMaxSlots);
}

void sync_forget() {
  first_clock = latest;
  sync_count = 0;
  ended_first = ended_last = 0;
  next_slot = 1;
  outside = Clock{};
}

void start_clock(Task* task, Task* parent) {
  task->slot = take_slot();
  if (parent != nullptr) {
    settle(parent);
    task->clock.assign(parent->clock);
    tick(parent);
  } else {
    task->clock.assign(outside);
  }
  set_clock(task, slot_clocks[task->slot] + 1);
}

void end_clock(Task* task) {
  slot_clocks[task->slot] = Epoch::clock(task->now);
  ended_slots[ended_last++ % kMaxSlots] = task->slot;
  task->clock.clear();
  task->seen_relaxed.clear();
  task->fenced.clear();
}

void settle_pending(Task* task) {
  task->has_pending = false;
  Sync& sync = sync_of(task->pending);
  task->clock.join(sync.clock);
  if (task->pending_readers) task->clock.join(sync.readers);
}

void acquire_again(Task* task) {
  if (task->pending.name == 0) return;
  task->has_pending = true;
  settle(task);
}

void order(Task* from, Task* to) {
  if (from == nullptr || to == nullptr) {
    if (to != nullptr) to->clock.join(outside);
    return;
  }
  settle(from);
  release_to(from, to->clock);
}

void release(Task* task, ObjectId object) {
  settle(task);
  release_to(task, sync_of(object).clock);
}

void acquire(Task* task, ObjectId object) {
  settle(task);
  task->clock.join(sync_of(object).clock);
}

ObjectId object_at(const void* address) { return {kAddressName, reinterpret_cast<uint64_t>(address)}; }

void announced(Task* task, OpKind op, std::span<const seam::Access> accesses) {
  settle(task);
  // The header's atomic announces itself, and then does what checked code announces too.
  task->points_at_atomic =
      op == OpKind::atomic_load || op == OpKind::atomic_store || op == OpKind::atomic_rmw || op == OpKind::once;
  if (op == OpKind::io_write) return release(task, kIo);
  if (op == OpKind::io_read) return later(task, kIo, false);
  if (accesses.empty()) return;
  const ObjectId object = accesses[0].object;
  switch (op) {
    case OpKind::unlock: case OpKind::release: case OpKind::wg_add: case OpKind::signal:
    case OpKind::broadcast: case OpKind::timer_start:
      return release(task, object);
    case OpKind::runlock:
      return release_to(task, sync_of(object).readers);
    case OpKind::wait:
      // Its mutex is released next; who was chosen before it parked is not woken by anybody.
      task->condition = object;
      return;
    case OpKind::lock:
      if (task->condition.name != 0) acquire(task, task->condition);
      task->condition = {};
      return later(task, object, true);
    case OpKind::try_lock:
      return later(task, object, accesses[0].write);
    case OpKind::rlock: case OpKind::acquire: case OpKind::wg_wait:
      return later(task, object, false);
    default:
      return;
  }
}

void channel_step(Task* task, ChanStep step, const rt::hchan* c, Task* other) {
  if (task != nullptr) settle(task);
  Sync& closing = sync_of(channel_object(c, 0));
  Turns& turn = turns[&closing - syncs];
  const auto next = [c](uint64_t& count) { return channel_object(c, 1 + count++ % c->dataqsiz); };
  switch (step) {
    case ChanStep::push: return use_place(task, next(turn.sends));
    case ChanStep::pop: return use_place(task, next(turn.receives));
    case ChanStep::send_direct:
      if (c->dataqsiz == 0) return meet(task, other);
      use_place(task, next(turn.sends));
      return use_place(other, next(turn.receives));
    case ChanStep::recv_direct:
      if (c->dataqsiz == 0) return meet(task, other);
      use_place(task, next(turn.receives));
      return use_place(other, next(turn.sends));
    case ChanStep::close:
      if (task != nullptr) release_to(task, closing.clock);
      return;
    case ChanStep::recv_closed:
      if (task != nullptr) task->clock.join(closing.clock);
      return;
  }
}

void timer_fires(ObjectId timer) { outside.assign(sync_of(timer).clock); }
void timer_fired() { outside.clear(); }

// ---- atomic operations -----------------------------------------------------------------------------

void atomic_load(Task* task, uint64_t address, size_t bytes, bool acquires, const void* pc) {
  settle(task);
  const Clock& there = sync_of(object_at(reinterpret_cast<void*>(address))).clock;
  (acquires ? task->clock : task->seen_relaxed).join(there);
  look_at(task, address, bytes, kAtomicRead, pc);
}

// A store heads a release sequence of its own and ends the one before.
void atomic_store(Task* task, uint64_t address, size_t bytes, bool releases, const void* pc) {
  settle(task);
  look_at(task, address, bytes, kAtomicWrite, pc);
  Clock& there = sync_of(object_at(reinterpret_cast<void*>(address))).clock;
  there.assign(releases ? task->clock : task->fenced);
  if (releases) tick(task);
}

// A read-modify-write belongs to the release sequence that it finds.
void atomic_modify(Task* task, uint64_t address, size_t bytes, bool acquires, bool releases, const void* pc) {
  settle(task);
  Clock& there = sync_of(object_at(reinterpret_cast<void*>(address))).clock;
  (acquires ? task->clock : task->seen_relaxed).join(there);
  look_at(task, address, bytes, kAtomicWrite, pc);
  there.join(releases ? task->clock : task->fenced);
  if (releases) tick(task);
}

void atomic_fence(Task* task, bool acquires, bool releases) {
  settle(task);
  if (acquires) task->clock.join(task->seen_relaxed);
  if (!releases) return;
  task->fenced.assign(task->clock);
  tick(task);
}

}  // namespace reprise::race
