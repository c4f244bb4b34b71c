/* A library that knows nothing of goroutines: threads that count together under a lock, and call back. */
#include <pthread.h>
#include <stdlib.h>

struct library {
  pthread_mutex_t lock;
  int total; /* lock */
  int rounds;
  int threads;
  void (*on_number)(void*, int thread, int number);
  void* arg;
  pthread_t ids[64];
};

struct worker {
  struct library* library;
  int thread;
};

static void* work(void* arg) {
  struct worker const worker = *(struct worker*)arg;
  struct library* const l = worker.library;
  free(arg);
  for (int i = 0; i < l->rounds; ++i) {
    pthread_mutex_lock(&l->lock);
    int const number = l->total++;
    pthread_mutex_unlock(&l->lock);
    l->on_number(l->arg, worker.thread, number);
  }
  return NULL;
}

struct library* library_open(int threads, int rounds, void (*on_number)(void*, int, int), void* arg) {
  struct library* const l = calloc(1, sizeof *l);
  if (l == NULL || threads > 64) abort();
  pthread_mutex_init(&l->lock, NULL);
  l->rounds = rounds;
  l->threads = threads;
  l->on_number = on_number;
  l->arg = arg;
  for (int i = 0; i < threads; ++i) {
    struct worker* const worker = malloc(sizeof *worker);
    *worker = (struct worker){l, i};
    if (pthread_create(&l->ids[i], NULL, work, worker) != 0) abort();
  }
  return l;
}

void library_visit(struct library* l, void (*visitor)(void*, int total), void* arg) {
  pthread_mutex_lock(&l->lock);
  int const total = l->total;
  pthread_mutex_unlock(&l->lock);
  visitor(arg, total);
}

void library_close(struct library* l) {
  for (int i = 0; i < l->threads; ++i) pthread_join(l->ids[i], NULL);
  pthread_mutex_destroy(&l->lock);
  free(l);
}
