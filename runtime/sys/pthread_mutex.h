// The mutex operations that conditions need, without the announcements.
//
// Thread safety: as pthread_mutex_lock. Block the G on a goroutine, the thread elsewhere.
#pragma once

#include <pthread.h>

#include "runtime/sys/parking.h"

namespace reprise::rt {

// Plain mutexes only. 0, or an error of pthread_mutex_timedlock.
int mutex_lock(pthread_mutex_t* m, const Deadline* deadline);
int mutex_unlock(pthread_mutex_t* m);

// Any mutex: libc's where it is not ours.
int mutex_lock_any(pthread_mutex_t* m);
int mutex_unlock_any(pthread_mutex_t* m);

}  // namespace reprise::rt
