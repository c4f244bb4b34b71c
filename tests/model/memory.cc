// The rules of memory.h.
//
// Invariants:
//   history is sorted by timestamp; a taken message's successor is the one that took it.
//   current is part of acquired; released is part of current.
#include "tests/model/memory.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace reprise::model {

namespace {

constexpr uint64_t kGap = uint64_t{1} << 32;  // room for 32 writes placed one before the other

[[noreturn]] void out_of_room(const char* what) {
  std::fprintf(stderr, "model: out of %s\n", what);
  std::abort();
}

}  // namespace

void Memory::reset() {
  for (int i = 0; i < count_; ++i) locations_[i].history.clear();
  for (ThreadState& state : threads_) state = {};
  sequential_ = {};
  count_ = 0;
  next_id_ = 1;
  used_ = 0;
  threads_[kMain].current.clock.at[kMain] = 1;
}

int Memory::add_location(uint64_t value) {
  if (count_ == kMaxLocations) out_of_room("locations");
  const int place = count_++;
  Location& where = locations_[place];
  where.name = "x" + std::to_string(place);
  Message* m = add_message(where, 0, kGap, value);
  m->view = threads_[kMain].current;
  see(kMain, place, *m);
  return place;
}

void Memory::start_thread(int thread) {
  ThreadState& state = threads_[thread];
  state.current = threads_[kMain].current;
  state.current.clock.at[thread] = 1;
  state.acquired = state.current;
  state.released = {};
}

void Memory::join_all(int threads) {
  for (int i = 0; i < threads; ++i) take_over(kMain, threads_[i].current);
}

Message* Memory::add_message(Location& where, size_t index, uint64_t at, uint64_t value) {
  if (used_ == pool_.size()) pool_.push_back(new Message);
  Message* m = pool_[used_++];
  m->value = value;
  m->at = at;
  m->id = next_id_++;
  m->taken = false;
  m->view = {};
  m->path = {};
  where.history.insert(where.history.begin() + static_cast<ptrdiff_t>(index), m);
  return m;
}

uint64_t Memory::floor_of(int thread, int place, Order order) const {
  const uint64_t own = threads_[thread].current.seen[place];
  return sequential(order) ? std::max(own, sequential_.seen[place]) : own;
}

const std::vector<Message*>& Memory::readable(int thread, int place, Order order, uint32_t fresh) {
  const ThreadState& state = threads_[thread];
  const uint64_t floor = floor_of(thread, place, order);
  const auto& history = locations_[place].history;
  found_.clear();
  for (auto it = history.rbegin(); it != history.rend() && (*it)->at >= floor; ++it) {
    Message* m = *it;
    if (m->id < fresh) continue;
    const bool worn = m != history.back() && state.last_read[place] == m->id &&
                      state.repeats[place] >= stale_limit_;
    if (!worn) found_.push_back(m);
  }
  return found_;
}

void Memory::see(int thread, int place, const Message& message) {
  ThreadState& state = threads_[thread];
  state.current.seen[place] = std::max(state.current.seen[place], message.at);
  state.acquired.seen[place] = std::max(state.acquired.seen[place], message.at);
}

void Memory::read(int thread, int place, Message* message, Order order) {
  ThreadState& state = threads_[thread];
  see(thread, place, *message);
  state.acquired.join(message->view, count_);
  if (acquires(order)) state.current.join(message->view, count_);
  if (sequential(order)) sequential_.seen[place] = std::max(sequential_.seen[place], message->at);
  const bool again = state.last_read[place] == message->id;
  state.repeats[place] = static_cast<uint16_t>(again ? state.repeats[place] + 1 : 1);
  state.last_read[place] = message->id;
}

const std::vector<Message*>& Memory::predecessors(int thread, int place, Order order) {
  const uint64_t floor = floor_of(thread, place, order);
  const auto& history = locations_[place].history;
  found_.clear();
  for (auto it = history.rbegin(); it != history.rend() && (*it)->at >= floor; ++it) {
    if (!(*it)->taken) found_.push_back(*it);
  }
  return found_;
}

Message* Memory::write(int thread, int place, Message* after, uint64_t value, Order order) {
  Location& where = locations_[place];
  const auto it = std::find(where.history.begin(), where.history.end(), after);
  const size_t index = static_cast<size_t>(it - where.history.begin()) + 1;
  uint64_t at = after->at + kGap;
  if (index < where.history.size()) at = after->at + (where.history[index]->at - after->at) / 2;
  if (at == after->at) out_of_room("timestamps");
  Message* m = add_message(where, index, at, value);
  see(thread, place, *m);
  ThreadState& state = threads_[thread];
  if (sequential(order)) sequential_.seen[place] = std::max(sequential_.seen[place], m->at);
  m->view = releases(order) ? state.current : state.released;
  m->view.seen[place] = std::max(m->view.seen[place], m->at);
  return m;
}

Message* Memory::modify(int thread, int place, Message* read_from, uint64_t value, Order order) {
  read(thread, place, read_from, order);
  Message* m = write(thread, place, read_from, value, order);
  read_from->taken = true;
  m->view.join(read_from->view, count_);  // the release sequence goes on
  return m;
}

void Memory::fence(int thread, Order order) {
  ThreadState& state = threads_[thread];
  if (acquires(order)) state.current.join(state.acquired, count_);
  if (sequential(order)) {
    state.current.join_seen(sequential_, count_);
    sequential_.join_seen(state.current, count_);
    state.acquired.join_seen(state.current, count_);
  }
  if (releases(order)) state.released = state.current;
}

void Memory::tick(int thread) { ++threads_[thread].current.clock.at[thread]; }

}  // namespace reprise::model
