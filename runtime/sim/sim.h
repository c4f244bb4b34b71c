// The simulated world: what the rest of the runtime knows of it.
//
// While it is open, the program's descriptors are objects of this process: sockets, epoll instances and
// pipes that no kernel knows, with the kernel's semantics. What the network does to them (delays, resets,
// short reads) are decisions of the policy, so that a run is a function of its decisions, and a replay of
// one needs no input. Descriptors that were open before (stdin, stdout, stderr) stay the kernel's.
//
// A call of the runtime's comes in by sys::call(); one of libc's by a trap (trap.h). wants() says whether
// a call is this world's. One that is and cannot be served ends the program with its name: it never
// reaches the kernel silently.
//
// Thread safety: whoever holds the P, and there is one P (controlled modes). A wait parks the goroutine.
#pragma once

#include <cstdint>

#include "runtime/seam/decision.h"

struct epoll_event;

namespace reprise::sim {

// Takes the program's calls from now on. `faults`: seam::FaultSet. REQUIRES: a policy is installed or
// about to be.
void open_world(uint32_t faults);
// The program dies: calls go to the kernel again, so that it can say so. Any stack; allocates nothing.
void abandon_world();
// Forgets everything; calls go to the kernel again.
void close_world();
// An empty world, as after open_world(). Nobody waits in it.
void start_afresh();

extern bool world_open;

// ---- system calls ----

bool wants(long nr, const long* args);
// REQUIRES: wants(). The kernel's value: a result, or -errno. Parks the goroutine if the call waits.
long call(long nr, const long* args);

// ---- for the poller: an epoll instance without a descriptor ----

bool owns(int fd);
seam::ObjectId object_of(int fd);  // the connection's: both ends touch the same
int watch(int fd, uint32_t events, uint64_t data);  // 0 or an errno
int unwatch(int fd);
bool events_waiting();
int take_events(epoll_event* to, int room);

}  // namespace reprise::sim
