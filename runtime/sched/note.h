// Notes: one thread sleeps until another has something for it (the reference's note).
//
// The protocol is in note_word.h. One sleeper, and one wake-up for each sleep; the sleep clears the note.
//
// Thread safety: any thread. Blocks the M. Writes errno never (runtime/sys/syscall.h).
#pragma once

#include <atomic>
#include <cstdint>

#include "runtime/sched/note_word.h"

namespace reprise::rt {

using Note = std::atomic<uint32_t>;

// What the waker did before happens before the sleep returns.
void note_sleep(Note* note);
// The same for at most that long; false if nobody has set it. The note is clear afterwards.
bool note_sleep_for(Note* note, int64_t limit_ns);
void note_wakeup(Note* note);

}  // namespace reprise::rt
