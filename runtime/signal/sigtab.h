// What the runtime does with each signal's action in the kernel (reference: sigtable, sigenable, sigdisable).
//
// Thread safety: the caller's lock.
#pragma once

#include <cstdint>

namespace reprise::rt {

// Bits of the signals that a channel may have (<reprise/signal.h> says which not).
extern const uint64_t kNotifiable;

// Comes to sigsend() from now on; blocked at the program's start or not.
void sigenable(int signal);
// The action of before the first sigenable() or sigignore() again.
void sigdisable(int signal);
void sigignore(int signal);
bool sigignored(int signal);
// Of all threads that wait for signals one must be willing: unblocks in this thread what the process was
// started with blocked, of these bits.
void unblock_inherited(uint64_t bits);

// As Go names them; null if it has no name.
const char* signame(int signal);

}  // namespace reprise::rt
