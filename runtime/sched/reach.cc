// Marking by words.
//
// Invariant: a block or stack that was reached is in marked_, or flagged, and is in to_read_ or was read.
#include "runtime/sched/reach.h"

#include <algorithm>
#include <cstring>

#include "runtime/cgo/cgo.h"
#include "runtime/chan/sudog.h"

namespace reprise::rt {

namespace {

// Programs keep things in the sixteen bits that no address needs.
constexpr uintptr_t kAddressBits = (uintptr_t{1} << 48) - 1;

// Whether the address lies in what a waiting goroutine left for its waker.
bool in_wait_record(const G* gp, uintptr_t address) {
  if (gp->status.load(std::memory_order_relaxed) != GStatus::waiting) return false;
  for (const Sudog* sg = gp->waiting; sg != nullptr; sg = sg->waitlink) {
    if (address - reinterpret_cast<uintptr_t>(sg) < sizeof(Sudog)) return true;
  }
  return false;
}

}  // namespace

void Reach::add(const G* gp) {
  uintptr_t from = gp->gcbuilding ? reinterpret_cast<uintptr_t>(gp->entry_arg) : gp->ctx.sched.sp;
  if (from < gp->ctx.stack_lo || from >= gp->ctx.stack_hi) from = goroutine_above_c(from);  // parked in C's code
  if (from < gp->ctx.stack_lo || from >= gp->ctx.stack_hi) from = gp->ctx.stack_lo;
  stacks_.push_back({gp->ctx.stack_lo, Range(from, gp->ctx.stack_hi), gp});
}

void Reach::expect(uintptr_t begin, uintptr_t end) { objects_.push_back({Range(begin, end)}); }

void Reach::seal() {
  std::sort(objects_.begin(), objects_.end(), [](const Object& a, const Object& b) { return a.range.begin() < b.range.begin(); });
  const auto same = [](const Object& a, const Object& b) { return a.range.begin() == b.range.begin(); };
  objects_.erase(std::unique(objects_.begin(), objects_.end(), same), objects_.end());
  std::sort(stacks_.begin(), stacks_.end(), [](const StackOf& a, const StackOf& b) { return a.lo < b.lo; });
}

Reach::StackOf* Reach::stack_at(uintptr_t address) {
  auto next = std::upper_bound(stacks_.begin(), stacks_.end(), address, [](uintptr_t a, const StackOf& s) { return a < s.lo; });
  if (next == stacks_.begin()) return nullptr;
  StackOf& stack = *--next;
  return address < stack.used.end() + sizeof(G) ? &stack : nullptr;
}

void Reach::look_at_stack(StackOf* stack, uintptr_t address) {
  if (stack == nullptr || stack->reached || !stack->used.contains(address)) return;
  if (in_wait_record(stack->gp, address)) return;
  stack->reached = true;
  to_read_.push_back(stack->used);
}

Reach::Object* Reach::object_at(uintptr_t address) {
  if (objects_.empty() || address < objects_.front().range.begin() || address >= objects_.back().range.end()) return nullptr;
  const auto next = std::upper_bound(objects_.begin(), objects_.end(), address,
                                     [](uintptr_t a, const Object& o) { return a < o.range.begin(); });
  Object& object = *std::prev(next);
  return object.range.contains(address) ? &object : nullptr;
}

void Reach::look(uintptr_t word, bool behind_end) {
  const uintptr_t address = word & kAddressBits;
  if (in_stacks(address)) {
    if (!behind_end) look_at_stack(stack_at(address), address);  // behind one is a G
    return;
  }
  Object* const object = behind_end ? nullptr : object_at(address);
  if (object != nullptr) object->reached = true;
  if (blocks_ == nullptr || !blocks_->contains(reinterpret_cast<const void*>(address))) return;
  const mem::Arena::Block block = blocks_->block_at(address);
  if (block.bytes != 0 && marked_.insert(block.begin).second) to_read_.push_back({block.begin, block.begin + block.bytes});
}

// Memory as such, whatever its type.
static uintptr_t word_at(uintptr_t address) {
  uintptr_t word;
  std::memcpy(&word, reinterpret_cast<const void*>(address), sizeof word);
  return word;
}

void Reach::look_at_bytes(uintptr_t from, uintptr_t end) {
  for (uintptr_t at = from; at < end; ++at) {
    const uintptr_t word = word_at(at);
    look(word, false);
    look(word - 1, true);
  }
}

// Most of large memory was never written.
void Reach::read(Range range) {
  constexpr uintptr_t kWord = sizeof(uintptr_t);
  const uintptr_t first = (range.begin() + kWord - 1) / kWord * kWord, end = range.end() / kWord * kWord;
  if (first >= end) return;
  if (care_ == Care::bytes && range.begin() + kWord <= end) look_at_bytes(range.begin(), first);
  for (uintptr_t at = first; at < end; at += kWord) {
    const uintptr_t word = word_at(at);
    const bool last = at + kWord == end;
    if (care_ == Care::words || last) {
      if (word != 0) look(word, false);
      if (care_ == Care::bytes) look(word - 1, true);
    } else if (word != 0 || word_at(at + kWord) != 0) {
      look_at_bytes(at, at + kWord);
    }
  }
}

void Reach::follow() {
  while (!to_read_.empty()) {
    const Range range = to_read_.back();
    to_read_.pop_back();
    read(range);
  }
}

void Reach::scan(uintptr_t begin, uintptr_t end) {
  read(Range(begin, end));
  follow();
}

void Reach::scan_goroutine(const G* gp) {
  StackOf* const stack = stack_at(gp->ctx.stack_lo);
  if (!stack->reached) {
    stack->reached = true;
    to_read_.push_back(stack->used);
  }
  scan(reinterpret_cast<uintptr_t>(gp), reinterpret_cast<uintptr_t>(gp) + sizeof(G));
}

bool Reach::reached(const void* object) {
  const auto address = reinterpret_cast<uintptr_t>(object);
  if (in_stacks(address)) {
    const StackOf* const stack = stack_at(address);
    return stack == nullptr || stack->reached;
  }
  if (const Object* const known = object_at(address); known != nullptr) return known->reached;
  if (blocks_ == nullptr || !blocks_->contains(object)) return true;
  const mem::Arena::Block block = blocks_->block_at(address);
  return block.bytes == 0 || marked_.contains(block.begin);
}

}  // namespace reprise::rt
