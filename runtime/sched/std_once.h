// What std::call_once keeps in two variables of the thread between its start and its function.
//
// libstdc++ writes there what to call, passes a proxy to pthread_once, and reads them in the function that the proxy
// calls, at the caller's place. Whoever runs on the thread while the caller waits in pthread_once may write its own. (Who is
// preempted at an instruction keeps the thread's variables: M::held, thread_block.h.)
#pragma once

namespace reprise::rt {

struct StdOnce {
  void* callable;
  void (*call)();
};

// Functions of their own: the addresses of the thread's variables must not be kept across a switch.
StdOnce std_once_here();
void put_std_once(StdOnce once);

}  // namespace reprise::rt
