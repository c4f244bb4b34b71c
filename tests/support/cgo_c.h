/* What tests/support/cgo_c.c has: C that is called, calls back, blocks, jumps, and has threads of its own.
 *
 * Thread safety: one user of c_catches_jump at a time. */
#pragma once

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

int c_add(int a, int b); /* leaves a in errno */
int c_read_byte(int fd); /* blocks; -1 at the end */
void c_calls(void (*f)(void*), void* arg);

struct c_cleanup {
  void (*f)(void*);
  void* arg;
};
/* Calls f, and then, or when an unwinding leaves it, the cleanup. */
void c_calls_with_cleanup(void (*f)(void*), void* arg, struct c_cleanup* cleanup);
size_t c_deep(size_t bytes); /* uses so much stack */

int c_catches_jump(void (*f)(void*), void* arg); /* 1: f has led to c_jumps */
void c_jumps(void);

/* `count` threads (at most 16), each of which calls f(arg, its number, round) `rounds` times. */
struct c_pool;
struct c_pool* c_pool_start(int count, int rounds, void (*f)(void*, int, int), void* arg);
void c_pool_join(struct c_pool* pool);

#ifdef __cplusplus
}
#endif
