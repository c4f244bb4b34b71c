// Reports of races: Go's text, on stderr, once for each pair of instructions.
//
// REPRISE_RACE, by commas: report=0 (nothing is looked for), suppressions=FILE, exitcode=N (66),
// halt=1 (the first race ends the program). In an exploration a race ends the schedule as a failure.
//
// Thread safety: the baton.
#pragma once

#include <cstdint>

#include "runtime/race/shadow.h"
#include "runtime/race/task.h"

namespace reprise::race {

void report_init();    // reads REPRISE_RACE
void report_forget();  // the next schedule
// A goroutine or thread was born: who it was in reports that come after its death. Null: of g0.
void note_birth(const Task* task, Task* parent);

// `past` and the task's access at `place` race. False: that was known.
bool report_race(Task* task, uint64_t address, uint32_t place, uint8_t how, const Past& past);

}  // namespace reprise::race
