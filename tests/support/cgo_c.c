/* C for the tests of the bridge: compiled with unwind tables and cleanups (-fexceptions). */
#include "tests/support/cgo_c.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdlib.h>
#include <unistd.h>

int c_add(int a, int b) {
  errno = a;
  return a + b;
}

int c_read_byte(int fd) {
  char byte = 0;
  return read(fd, &byte, 1) == 1 ? byte : -1;
}

void c_calls(void (*f)(void*), void* arg) {
  f(arg);
}

static void run_cleanup(struct c_cleanup** cleanup) {
  (*cleanup)->f((*cleanup)->arg);
}

void c_calls_with_cleanup(void (*f)(void*), void* arg, struct c_cleanup* cleanup) {
  __attribute__((cleanup(run_cleanup))) struct c_cleanup* at_end = cleanup;
  (void)at_end;
  f(arg);
}

size_t c_deep(size_t bytes) {
  volatile char frame[4096];
  frame[0] = (char)bytes;
  return bytes <= sizeof frame ? (size_t)(frame[0] != 0) : sizeof frame + c_deep(bytes - sizeof frame) + (frame[0] & 0);
}

static jmp_buf place;

int c_catches_jump(void (*f)(void*), void* arg) {
  if (setjmp(place) == 0) {
    f(arg);
    return 0;
  }
  return 1;
}

void c_jumps(void) { longjmp(place, 1); }

struct c_pool {
  pthread_t threads[16];
  int count;
  int rounds;
  void (*f)(void*, int, int);
  void* arg;
};

struct c_worker {
  struct c_pool* pool;
  int number;
};

static void* work(void* arg) {
  struct c_worker* const worker = arg;
  for (int i = 0; i < worker->pool->rounds; ++i) worker->pool->f(worker->pool->arg, worker->number, i);
  free(worker);
  return NULL;
}

struct c_pool* c_pool_start(int count, int rounds, void (*f)(void*, int, int), void* arg) {
  struct c_pool* const pool = calloc(1, sizeof *pool);
  pool->count = count;
  pool->rounds = rounds;
  pool->f = f;
  pool->arg = arg;
  for (int i = 0; i < count; ++i) {
    struct c_worker* const worker = malloc(sizeof *worker);
    worker->pool = pool;
    worker->number = i;
    if (pthread_create(&pool->threads[i], NULL, work, worker) != 0) abort();
  }
  return pool;
}

void c_pool_join(struct c_pool* pool) {
  for (int i = 0; i < pool->count; ++i) pthread_join(pool->threads[i], NULL);
  free(pool);
}
