/* The C function of the case c_call: in a file of its own, so that no compiler sees through the call. */
#include "tools/bench/cases/c_function.h"

uint64_t bench_c_add(uint64_t a, uint64_t b) { return a + b; }
