// Places: a call stack of checked code and an instruction in it, as a number that a cell can hold.
//
// Places form a tree; each distinct one exists once. Kept from schedule to schedule. Thread safety: the baton.
#pragma once

#include <cstdint>
#include <span>

#include "runtime/race/task.h"

namespace reprise::race {

void places_init();

// Where the task is; `pc` is the return address of a hook. 0 if there are too many places.
uint32_t place_of(Task* task, const void* pc);
// The return addresses of a place, innermost first. Returns how many were written.
size_t stack_of(uint32_t place, std::span<uint64_t> pcs);

}  // namespace reprise::race
