// How long the collector stopped the world: a histogram, four buckets to each doubling.
//
// A pause begins when the stop is asked for and ends when the others may run again, as the reference counts it. Native mode; in
// controlled modes nothing is stopped, and nothing is counted.
//
// Thread safety: pause_note() by the one driver; the rest any thread, exact while the world is stopped.
#pragma once

#include <reprise/mem.h>

#include <cstdint>

namespace reprise::rt {

void pause_note(int64_t ns);
void pauses_add(MemStats* stats);

}  // namespace reprise::rt
