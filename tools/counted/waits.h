// What of libc's and the standard library's may park a goroutine, by assembler name: what both compilers' warnings
// of a kept thread_local go by.
#pragma once

#include <algorithm>
#include <iterator>
#include <string_view>

inline bool waits_in_libc(std::string_view name) {
  static constexpr std::string_view kWaits[] = {
      "pthread_mutex_lock", "pthread_cond_wait", "pthread_cond_timedwait", "pthread_cond_clockwait",
      "pthread_rwlock_rdlock", "pthread_rwlock_wrlock", "pthread_join", "sem_wait", "sem_timedwait",
      "nanosleep", "clock_nanosleep", "sleep", "usleep", "sched_yield",
      "_ZNSt18condition_variable4waitERSt11unique_lockISt5mutexE", "_ZNSt6thread4joinEv"};
  return std::find(std::begin(kWaits), std::end(kWaits), name) != std::end(kWaits);
}
