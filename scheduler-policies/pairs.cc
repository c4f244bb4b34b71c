// Numbers for places and objects, and what is known of pairs.
#include "scheduler-policies/pairs.h"

#include <algorithm>
#include <utility>

namespace reprise::seam {
namespace {

bool meeting_point(OpKind op) { return op == OpKind::wg_add || op == OpKind::wg_wait || op == OpKind::once; }

bool takes_lock(OpKind op) { return op == OpKind::lock || op == OpKind::rlock; }
bool gives_lock(OpKind op) { return op == OpKind::unlock || op == OpKind::runlock; }

// Who takes a lock sees who gave it back.
bool reads(const KnownOperation& operation, bool announced_write) {
  const OpKind op = operation.op;
  return !announced_write || (op != OpKind::memory_write && op != OpKind::atomic_store && !gives_lock(op));
}
bool writes(const KnownOperation& operation, bool announced_write) {
  return announced_write && !takes_lock(operation.op);
}

}  // namespace

void Pairs::begin_run() {
  ++run_;
  ++version_;
  combination_ = 0;
  showed_new_ = false;
  taken_.clear();
}

KnownOperation Pairs::known(GoId goroutine, OpKind op, Site site, std::span<const Access> accesses) {
  KnownOperation known{goroutine, op, 0, 0, {}};
  if (accesses.empty() || meeting_point(op)) return known;
  PlaceId& place = place_at_.at({site, op});
  if (place == 0) {
    place = static_cast<PlaceId>(places_.size());
    places_.emplace_back();
  }
  known.place = place;
  for (const Access& access : accesses.first(std::min(accesses.size(), Operation::kMaxAccesses))) {
    uint32_t& at = object_at_.at(access.object);
    if (at == 0) {
      objects_.emplace_back();
      at = static_cast<uint32_t>(objects_.size());
    }
    known.touches[known.count++] = {at - 1, access.write};
  }
  return known;
}

void Pairs::add_doer(std::vector<Doer>& doers, const KnownOperation& operation, bool first) {
  auto at = std::find_if(doers.begin(), doers.end(), [&](const Doer& d) { return d.place == operation.place; });
  if (at == doers.end()) {
    listed_ = false;
    at = doers.insert(at, {operation.place, operation.goroutine});
  }
  if (at->goroutine != operation.goroutine && !std::exchange(at->several, true)) listed_ = false;
  if (first && !std::exchange(at->first, true)) listed_ = false;
}

// Starts the object's history where this is the first that this run does to it.
Pairs::Object& Pairs::renewed(uint32_t index) {
  Object& object = objects_[index];
  if (object.run != run_) {
    object.run = run_;
    object.last_write = 0;
    object.writers.clear();
  }
  return object;
}

void Pairs::show(const Pair& pair) {
  uint64_t& last = shown_.at(pair);
  if (last == run_) return;
  if (last == 0) {
    showed_new_ = true;
    listed_ = false;
  }
  last = run_;
  combination_ += bits_of(pair);
}

PlaceId Pairs::last_write(uint32_t object) const {
  return objects_[object].run == run_ ? objects_[object].last_write : 0;
}

void Pairs::happened(const KnownOperation& operation) {
  if (operation.count == 0) return;
  Taken& taken = taken_.at(operation.goroutine);
  if (Taken& under = places_[operation.place].under; taken.lock != 0 && under != taken) {
    under = taken;
    ++version_;
  }
  for (size_t i = 0; i < operation.count; ++i) {
    const auto& touch = operation.touches[i];
    Object& object = renewed(touch.object);
    const bool has_written =
        std::find(object.writers.begin(), object.writers.end(), operation.goroutine) != object.writers.end();
    if (reads(operation, touch.write)) {
      add_doer(object.reads, operation, !has_written);
      show({touch.object, object.last_write, operation.place});
    }
    if (writes(operation, touch.write)) {
      add_doer(object.writes, operation, !has_written);
      object.last_write = operation.place;
      if (!has_written) object.writers.push_back(operation.goroutine);
    }
  }
  if (takes_lock(operation.op)) taken = {operation.touches[0].object + 1, operation.place};
  if (gives_lock(operation.op) && taken.lock == operation.touches[0].object + 1) taken = {};
}

void Pairs::list_of(uint32_t index) {
  const Object& object = objects_[index];
  const auto add = [&](const Pair& pair) {
    if (possible_.size() < kMaxListed) possible_.push_back(pair);
    if (unseen_.size() < kMaxListed && shown_.find(pair) == nullptr) unseen_.push_back(pair);
  };
  if (object.writes.empty()) return;
  for (const Doer& read : object.reads) {
    if (read.first) add({index, 0, read.place});
    for (const Doer& write : object.writes) {
      if (read.several || write.several || read.goroutine != write.goroutine) add({index, write.place, read.place});
    }
  }
}

void Pairs::list() {
  if (std::exchange(listed_, true)) return;
  unseen_.clear();
  possible_.clear();
  for (uint32_t i = 0; i < objects_.size(); ++i) list_of(i);
}

const std::vector<Pair>& Pairs::unseen() {
  list();
  return unseen_;
}

const std::vector<Pair>& Pairs::possible() {
  list();
  return possible_;
}

Pairs::Locks Pairs::locks_of(const Pair& pair, bool whole) const {
  const Taken& at_read = places_[pair.read].under;
  const Taken& at_write = places_[pair.write].under;
  const bool one_lock = at_read.lock != 0 && at_read.lock == at_write.lock && at_read.place != at_write.place;
  return {one_lock ? at_read.lock : 0, whole ? at_write.lock : 0, at_read.place, at_write.place};
}

Pairs::Role Pairs::role(const Pair& pair, const Locks& locks, const KnownOperation& operation) {
  for (size_t i = 0; i < operation.count; ++i) {
    const auto& touch = operation.touches[i];
    if (touch.object == pair.object) {
      if (operation.place == pair.read) return Role::read;
      if (operation.place == pair.write) return Role::write;
      if (writes(operation, touch.write)) return Role::other_write;
    } else if (touch.object + 1 == locks.of_both) {
      if (operation.place == locks.taken_for_read) return Role::read;
      if (operation.place == locks.taken_for_write) return Role::write;
    } else if (touch.object + 1 == locks.of_write && operation.place == locks.taken_for_write) {
      return Role::write;
    }
  }
  return Role::none;
}

}  // namespace reprise::seam
