// Which calls fill one buffer, and the stage's buffers, one a thread, mapped at its first such call
// and as long as the longest read that is passed on whole: a longer one comes back short.
#include "runtime/stage/bounce.h"

#include <errno.h>
#include <sys/mman.h>

#include "runtime/stage/layout.h"
#include "runtime/stage/raw.h"

namespace reprise::stage {
namespace {

bool mapped[kMaxThreads + 1];  // by thread index; under the baton

// Bytes that one unit of the call's size and result stands for; 0: the call does not fill args[1].
long unit_of(long nr) {
  constexpr long kEpollEvent = 12;
  switch (nr) {
    case SYS_read:
    case SYS_pread64:
    case SYS_recvfrom: return 1;
    case SYS_epoll_wait:
    case SYS_epoll_pwait: return kEpollEvent;
    default: return 0;
  }
}

// 0 if there is no memory for it: the call then writes directly.
uint64_t buffer_of(uint32_t index) {
  if (index > kMaxThreads) return 0;
  const uint64_t at = kBounceBase + index * kBounceBytes;
  if (!mapped[index]) {
    const long got = raw(SYS_mmap, at, kBounceBytes, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    if (got != static_cast<long>(at)) return 0;
    mapped[index] = true;
  }
  return at;
}

}  // namespace

Bounce::Bounce(const Thread& t, long nr, long* args) {
  unit_ = unit_of(nr);
  if (threads_alive() == 1 || unit_ == 0 || args[1] == 0 || args[2] <= 0) return;
  const auto buffer = static_cast<long>(buffer_of(t.index));
  if (buffer == 0) return;
  place_ = args[1];
  buffer_ = buffer;
  const long most = static_cast<long>(kBounceBytes) / unit_;
  if (args[2] > most) args[2] = most;
  bytes_ = args[2] * unit_;
  args[1] = buffer_;
}

long Bounce::finish(long result) const {
  if (place_ == 0 || result <= 0) return result;
  // recvfrom with MSG_TRUNC answers more than the buffer holds.
  const long size = result > bytes_ / unit_ ? bytes_ : result * unit_;
  const bool written = guarded([&] {
    __builtin_memcpy(reinterpret_cast<void*>(place_), reinterpret_cast<const void*>(buffer_),
                     static_cast<size_t>(size));
  });
  return written ? result : -EFAULT;
}

}  // namespace reprise::stage
