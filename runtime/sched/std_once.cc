#include "runtime/sched/std_once.h"

#include <mutex>

namespace reprise::rt {

StdOnce std_once_here() { return {std::__once_callable, std::__once_call}; }

void put_std_once(StdOnce once) {
  std::__once_callable = once.callable;
  std::__once_call = once.call;
}

}  // namespace reprise::rt
