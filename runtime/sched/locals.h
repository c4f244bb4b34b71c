// Values of goroutines: what <reprise/go_local.h> stands on.
//
// Each GoLocal has a number; a goroutine keeps a table of values by number, made at the first set. The
// values of a goroutine are destroyed when it ends, latest made first, on the goroutine: destructors may
// park, and may make new values, which are destroyed in turn.
//
// Thread safety: the current goroutine's own. Fatal on a thread that runs no goroutine.
#pragma once

#include <cstdint>

namespace reprise::rt {

struct G;

// A new number. In order of creation. Any thread.
uint32_t new_local_key();
// The current goroutine's value; null if it has none yet.
void* local_find(uint32_t key);
// REQUIRES: it has none. Takes over `value`.
void local_set(uint32_t key, void* value, void (*destroy)(void*));
// The current goroutine ends.
void locals_destroy(G* gp);

}  // namespace reprise::rt
