// Threads cancelled while they block in a call that was made often before, and one that exits by
// itself: their cleanup runs.
#include <pthread.h>
#include <semaphore.h>
#include <unistd.h>

#include <cstdio>

namespace {
int cleaned;
int ends[2];
sem_t ready;

void clean(void*) { ++cleaned; }

void* block(void*) {
  pthread_cleanup_push(clean, nullptr);
  char byte = 'x';
  for (int i = 0; i < 50; ++i) {
    if (write(ends[1], &byte, 1) != 1 || read(ends[0], &byte, 1) != 1) return nullptr;
  }
  sem_post(&ready);
  if (read(ends[0], &byte, 1) == 1) pthread_exit(nullptr);
  pthread_cleanup_pop(0);
  return nullptr;
}
}  // namespace

int main() {
  if (pipe(ends)) return 1;
  sem_init(&ready, 0, 0);
  int cancelled = 0;
  for (int i = 0; i < 3; ++i) {
    pthread_t thread;
    pthread_create(&thread, nullptr, block, nullptr);
    sem_wait(&ready);
    pthread_cancel(thread);
    void* result = nullptr;
    pthread_join(thread, &result);
    cancelled += result == PTHREAD_CANCELED;
  }
  std::printf("cancelled %d cleaned %d\n", cancelled, cleaned);
  return cancelled == 3 && cleaned == 3 ? 0 : 2;
}
