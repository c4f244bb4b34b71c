// Alarm: a timer that its own function may set again or stop.
//
// A runtime timer's function must do neither: it would wait for itself. So there are two in turn, and the one
// whose function runs is left alone until done().
//
// Thread safety: the world's. The function may destroy the Alarm, as a timer's may its timer.
#pragma once

#include <cstdint>

#include "runtime/time/timer.h"

namespace reprise::sim {

class Alarm {
 public:
  Alarm(void (*function)(void*), void* arg) : function_(function), arg_(arg) {}
  ~Alarm() { stop(); }
  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;

  void set(int64_t when_ns) {
    stop();
    rt::timer_start(firing_ == &first_ ? &second_ : &first_, when_ns, 0);
  }
  void stop() {
    if (firing_ != &first_) rt::timer_stop(&first_);
    if (firing_ != &second_) rt::timer_stop(&second_);
  }
  // The function is about to return. Not after it destroyed the Alarm, or if its return will.
  void done() { firing_ = nullptr; }

 private:
  static void first_fired(void* arg, uint64_t, int64_t) {
    auto* alarm = static_cast<Alarm*>(arg);
    alarm->firing_ = &alarm->first_;
    alarm->function_(alarm->arg_);
  }
  static void second_fired(void* arg, uint64_t, int64_t) {
    auto* alarm = static_cast<Alarm*>(arg);
    alarm->firing_ = &alarm->second_;
    alarm->function_(alarm->arg_);
  }

  void (*const function_)(void*);
  void* const arg_;
  rt::Timer* firing_ = nullptr;
  rt::Timer first_{first_fired, this}, second_{second_fired, this};
};

}  // namespace reprise::sim
