// The stacks of C code: a reserved range, made accessible stack by stack, free ones on a list, but for one that lies ready.
//
// The one that lies ready spares a program that calls C from one thread at a time the lock, twice a call. It is taken and
// put by one exchange each, so that nothing can come between.
#include "runtime/cgo/cstack.h"

#include <sys/mman.h>

#include <atomic>

#include "runtime/sched/lock.h"
#include "runtime/sched/proc.h"

namespace reprise::rt {

namespace {

constexpr size_t kStacks = 10'000;  // as many as there may be threads
constexpr size_t kGuardBytes = 64 << 10;
constexpr size_t kTopBytes = 64;    // above where C begins: the call, and the next free stack

struct Top {
  CgoCall* call;
  Top* next;
};
static_assert(sizeof(Top) <= kTopBytes);

// lock: all but `base`, which is constant once set, and `ready`.
struct Stacks {
  Lock lock{LockRank::leaf};
  std::atomic<uint64_t> base{0};
  std::atomic<Top*> ready{nullptr};
  size_t made = 0;
  Top* free = nullptr;
};
constinit Stacks stacks;

Top* top_of(void* begin) { return static_cast<Top*>(begin); }

// REQUIRES: the lock.
uint64_t range() {
  if (const uint64_t base = stacks.base.load(std::memory_order_relaxed)) return base;
  void* const memory = mmap(nullptr, (kStacks + 1) * kCStackBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw_("cgocall: cannot reserve address space for stacks of C code");
  const uint64_t base = (reinterpret_cast<uint64_t>(memory) + kCStackBytes - 1) & ~(kCStackBytes - 1);
  // Release: whoever looks has a stack in it, or sees none.
  stacks.base.store(base, std::memory_order_release);
  return base;
}

// REQUIRES: the lock.
Top* new_stack() {
  const uint64_t base = range();
  if (stacks.made == kStacks) throw_("cgocall: more than 10000 calls into C at the same time");
  const uint64_t lo = base + stacks.made++ * kCStackBytes;
  if (mprotect(reinterpret_cast<void*>(lo + kGuardBytes), kCStackBytes - kGuardBytes, PROT_READ | PROT_WRITE) != 0) {
    throw_("cgocall: no memory for a stack of C code");
  }
  return reinterpret_cast<Top*>(lo + kCStackBytes - kTopBytes);
}

Top* get_locked() {
  stacks.lock.lock();
  Top* top = stacks.free;
  if (top != nullptr) stacks.free = top->next;
  else top = new_stack();
  stacks.lock.unlock();
  return top;
}

void put_locked(Top* top) {
  stacks.lock.lock();
  top->next = stacks.free;
  stacks.free = top;
  stacks.lock.unlock();
}

}  // namespace

void* cstack_get(CgoCall* call) {
  // Acquire, with the release below: what the last call left there is seen.
  Top* top = stacks.ready.exchange(nullptr, std::memory_order_acquire);
  if (top == nullptr) top = get_locked();
  top->call = call;
  return top;
}

void cstack_put(void* begin) {
  Top* const top = top_of(begin);
  top->call = nullptr;
  Top* none = nullptr;
  if (!stacks.ready.compare_exchange_strong(none, top, std::memory_order_release, std::memory_order_relaxed)) put_locked(top);
}

CgoCall* call_of_stack(const void* sp) {
  const uint64_t base = stacks.base.load(std::memory_order_acquire);
  const uint64_t offset = reinterpret_cast<uint64_t>(sp) - base;
  if (base == 0 || offset >= kStacks * kCStackBytes) return nullptr;
  const uint64_t end = base + (offset / kCStackBytes + 1) * kCStackBytes;
  return reinterpret_cast<Top*>(end - kTopBytes)->call;
}

}  // namespace reprise::rt
