// The runtime's lock with its ranks checked, as in debug builds: linked into a program it takes the place
// of the library's.
#define REPRISE_CHECK_LOCKS 1
#include "runtime/sched/lock.cc"
