/* What c_call calls, here and in the Go peer. Stateless, any thread. */
#pragma once

#include <stdint.h>

#ifdef __cplusplus
extern "C"
#endif
uint64_t bench_c_add(uint64_t a, uint64_t b);
