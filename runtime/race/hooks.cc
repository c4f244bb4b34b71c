// What compilers call before each access with -fsanitize=thread: __tsan_read4 and so on, in place of
// ThreadSanitizer's library. Atomic operations: atomics.cc.
//
// The names and arguments are GCC's and clang's. Without a policy each returns at its first branch.
#include <cstring>

#include "runtime/race/access.h"
#include "runtime/race/same_epoch.h"
#include "runtime/race/task.h"

namespace race = reprise::race;

namespace {

// A place in the stack of whoever calls. No frame is made for it.
[[gnu::always_inline]] inline uint64_t stack_here() {
  uint64_t at;
  asm("mov %%rsp, %0" : "=r"(at));
  return at;
}

[[gnu::always_inline]] inline void look(const void* at, size_t bytes, uint8_t how, const void* pc) {
  race::access(reinterpret_cast<uint64_t>(at), bytes, how, pc, stack_here());
}

// The same for an access of 1, 2, 4 or 8 bytes, which lies in one cell if it is aligned.
[[gnu::always_inline]] inline void glance(const void* at, size_t bytes, uint8_t how, const void* pc) {
  const auto address = reinterpret_cast<uint64_t>(at);
  if ((address & (bytes - 1)) != 0) return look(at, bytes, how, pc);
  const race::What what = race::what(address, bytes, how);
  if (!race::adds_nothing(address, what, pc, stack_here())) race::access_cell(address, what, pc, stack_here());
}

}  // namespace

#define REPRISE_HOOK(name, bytes, how) \
  void name(void* at) { (bytes <= 8 ? glance : look)(at, bytes, how, __builtin_return_address(0)); }
#define REPRISE_HOOKS(bytes)                                        \
  REPRISE_HOOK(__tsan_read##bytes, bytes, race::kRead)              \
  REPRISE_HOOK(__tsan_write##bytes, bytes, race::kWrite)            \
  REPRISE_HOOK(__tsan_read_write##bytes, bytes, race::kWrite)       \
  REPRISE_HOOK(__tsan_volatile_read##bytes, bytes, race::kRead)     \
  REPRISE_HOOK(__tsan_volatile_write##bytes, bytes, race::kWrite)
#define REPRISE_UNALIGNED_HOOKS(bytes)                                        \
  REPRISE_HOOK(__tsan_unaligned_read##bytes, bytes, race::kRead)              \
  REPRISE_HOOK(__tsan_unaligned_write##bytes, bytes, race::kWrite)            \
  REPRISE_HOOK(__tsan_unaligned_read_write##bytes, bytes, race::kWrite)       \
  REPRISE_HOOK(__tsan_unaligned_volatile_read##bytes, bytes, race::kRead)     \
  REPRISE_HOOK(__tsan_unaligned_volatile_write##bytes, bytes, race::kWrite)

extern "C" {

REPRISE_HOOKS(1)
REPRISE_HOOKS(2)
REPRISE_HOOKS(4)
REPRISE_HOOKS(8)
REPRISE_HOOKS(16)
REPRISE_UNALIGNED_HOOKS(2)
REPRISE_UNALIGNED_HOOKS(4)
REPRISE_UNALIGNED_HOOKS(8)
REPRISE_UNALIGNED_HOOKS(16)

void __tsan_read_range(void* at, size_t bytes) { look(at, bytes, race::kRead, __builtin_return_address(0)); }
void __tsan_write_range(void* at, size_t bytes) { look(at, bytes, race::kWrite, __builtin_return_address(0)); }

// The store of a constructor or destructor is one only if it changes anything: destroying an object of the
// class itself races with nobody.
void __tsan_vptr_update(void** at, void* value) {
  if (*at != value) look(at, sizeof(void*), race::kWrite, __builtin_return_address(0));
}
void __tsan_vptr_read(void** at) { look(at, sizeof(void*), race::kRead, __builtin_return_address(0)); }

void* __tsan_memcpy(void* to, const void* from, size_t bytes) {
  look(from, bytes, race::kRead, __builtin_return_address(0));
  look(to, bytes, race::kWrite, __builtin_return_address(0));
  return std::memcpy(to, from, bytes);
}
void* __tsan_memmove(void* to, const void* from, size_t bytes) {
  look(from, bytes, race::kRead, __builtin_return_address(0));
  look(to, bytes, race::kWrite, __builtin_return_address(0));
  return std::memmove(to, from, bytes);
}
void* __tsan_memset(void* to, int value, size_t bytes) {
  look(to, bytes, race::kWrite, __builtin_return_address(0));
  return std::memset(to, value, bytes);
}

// `pc`: where the function returns to. Kept for the stacks of reports.
void __tsan_func_entry(void* pc) {
  const auto stack = reinterpret_cast<uint64_t>(__builtin_frame_address(0));
  race::Task* const task = race::running_task(stack);
  if (task == nullptr) return;
  if (stack < task->lowest) task->lowest = stack;
  if (task->depth < race::kMaxFrames) task->frames[task->depth] = {reinterpret_cast<uint64_t>(pc), 0, 0};
  ++task->depth;
}

void __tsan_func_exit() {
  race::Task* const task = race::running_task(reinterpret_cast<uint64_t>(__builtin_frame_address(0)));
  if (task != nullptr && task->depth != 0) --task->depth;
}

}  // extern "C"
