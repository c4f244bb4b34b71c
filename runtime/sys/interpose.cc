// Checks that the program's locks are ours, and names their holders.
#include "runtime/sys/interpose.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <string>

#include "runtime/time/timer.h"

namespace reprise::rt {

// A goroutine's id is marked by a bit that no thread's has. Both are numbers in order of creation,
// of first use for threads.
uint32_t lock_owner_id() {
  constexpr uint32_t kGoroutine = 1u << 30;
  if (on_goroutine())
    return kGoroutine | (static_cast<uint32_t>(curg()->goid) & (kGoroutine - 1));
  static std::atomic<uint32_t> threads{0};
  static thread_local uint32_t id __attribute__((tls_model("initial-exec"))) = 0;
  if (id == 0) id = threads.fetch_add(1, std::memory_order_relaxed) + 1;
  return id;
}

void sleep_between_attempts() {
  constexpr int64_t kNanoseconds = 100'000;
  time_sleep(kNanoseconds);
}

#ifdef REPRISE_SANITIZED

// One symbol of the file, so that an archive's member is linked.
void interposeinit() {
  if (dlsym(RTLD_DEFAULT, "pthread_create") != reinterpret_cast<void*>(&pthread_create)) {
    throw_("pthread_create is not the executable's: is another one preloaded?");
  }
}

#else

void interposeinit() {
  // One symbol of each file: naming it here also links the file.
  const struct {
    const char* name;
    void* ours;
  } kSymbols[] = {
      {"pthread_mutex_lock", reinterpret_cast<void*>(&pthread_mutex_lock)},
      {"pthread_cond_wait", reinterpret_cast<void*>(&pthread_cond_wait)},
      {"pthread_rwlock_rdlock", reinterpret_cast<void*>(&pthread_rwlock_rdlock)},
      {"pthread_create", reinterpret_cast<void*>(&pthread_create)},
      {"pthread_once", reinterpret_cast<void*>(&pthread_once)},
      {"sem_wait", reinterpret_cast<void*>(&sem_wait)},
      {"syscall", reinterpret_cast<void*>(&syscall)},
      {"nanosleep", reinterpret_cast<void*>(&nanosleep)},
      {"pthread_sigmask", reinterpret_cast<void*>(&pthread_sigmask)},
      {"flockfile", reinterpret_cast<void*>(&flockfile)},
      {"timer_create", reinterpret_cast<void*>(&timer_create)},
      {"setuid", reinterpret_cast<void*>(&setuid)},
  };
  for (const auto& symbol : kSymbols)
    if (dlsym(RTLD_DEFAULT, symbol.name) != symbol.ours)
      throw_(std::string(symbol.name) + " is not the executable's: is another one preloaded?");
}

#endif  // REPRISE_SANITIZED

}  // namespace reprise::rt
