// Names of memory for policies, without addresses: an allocation's is its maker and index, a stack's is its
// goroutine, a global's is its module. Others are named by who touched them first.
//
// Thread safety: the baton.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/race/shadow.h"
#include "runtime/race/task.h"
#include "runtime/seam/decision.h"

namespace reprise::race {

void objects_init();
void objects_forget();  // with forget_all()

seam::ObjectId object_of(Task* task, Cell* cell, uint64_t address);

// The block belongs to `task` (null: to nobody yet) until somebody else touches it; what was known of its
// bytes is forgotten.
void mark_block(Task* task, uint64_t address, size_t bytes);
// Forgets what is known of a range.
void clear_range(uint64_t address, size_t bytes);

// Where an instruction lies in the executable; 0 if elsewhere.
seam::Site code_site(const void* pc);

inline uint64_t thread_pointer() {
  uint64_t tp;
  asm("mov %%fs:0, %0" : "=r"(tp));
  return tp;
}
extern uint64_t thread_local_below;  // the thread pointer: how much of it is modules' variables

// Lies in the static thread-local block, where errno is too, that goroutines of this thread share. A thread of the
// program's own has its to itself.
inline bool is_thread_local(const Task* task, uint64_t address) {
  if (task->thread != 0) return false;
  constexpr uint64_t kThreadBlock = 4096;  // libc's own part, from the thread pointer up
  return address - (thread_pointer() - thread_local_below) < thread_local_below + kThreadBlock;
}

}  // namespace reprise::race
