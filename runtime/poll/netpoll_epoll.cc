// The poller's Linux half: one edge-triggered epoll instance and an eventfd that breaks a wait.
//
// Edge-triggered, because a descriptor is registered once for reading and writing alike, and what
// a goroutine does after it was woken (read until EAGAIN) re-arms it without a system call. The
// eventfd is edge-triggered too with a policy: each write is an edge, so it is never read. Without one
// several threads poll at once, and the edge could go to one that does not block; so there it is
// level-triggered, and read by the thread that blocked, whom the break is for.
//
// An event carries the PollDesc's address and its sequence number. A PollDesc is never unmapped; a
// number that is no longer the PollDesc's belongs to a descriptor closed since, and is dropped.
//
// Descriptors of a simulated world are watched by an instance of its own (runtime/sim/sim.h), whose events
// have the same form; the kernel is asked then only if somebody waits for what is the kernel's.
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <string>

#include "runtime/poll/netpoll.h"
#include "runtime/poll/ready_list.h"
#include "runtime/sched/fibers.h"
#include "runtime/sched/native.h"
#include "runtime/sched/proc.h"
#include "runtime/sim/sim.h"
#include "runtime/sys/syscall.h"

namespace reprise::rt {
namespace {

constexpr int kMaxEvents = 256;
constexpr int64_t kMaxWaitMs = 1'000'000'000;  // 11.5 days; the reference's ceiling

constinit Lock init_lock{LockRank::netpoll_init};
bool break_is_level = false;  // init_lock to write, before `inited`
std::atomic<bool> inited{false};
int epfd = -1;
int break_fd = -1;
// Set while a break is under way, so that a burst of them costs one system call.
std::atomic<uint32_t> netpollWakeSig{0};

constexpr uint64_t kBreakTag = 0;

// User addresses have 47 bits; the number takes the other sixteen.
uint64_t tag_of(PollDesc* pd) {
  return (reinterpret_cast<uint64_t>(pd) << 16) | pd->fdseq.load(std::memory_order_acquire);
}
PollDesc* desc_of(uint64_t tag) { return reinterpret_cast<PollDesc*>(tag >> 16); }

void add_break_fd() {
  epoll_event event{};
  break_is_level = !seam_active;
  event.events = break_is_level ? EPOLLIN : EPOLLIN | EPOLLET;
  event.data.u64 = kBreakTag;
  const long result = sys::call_kernel(SYS_epoll_ctl, epfd, EPOLL_CTL_ADD, break_fd, &event);
  if (result < 0) throw_("runtime: netpollinit: epoll_ctl failed with " + std::to_string(-result));
}

void make_instance() {
  epfd = static_cast<int>(sys::call_kernel(SYS_epoll_create1, EPOLL_CLOEXEC));
  if (epfd < 0) throw_("runtime: netpollinit: epoll_create1 failed with " + std::to_string(-epfd));
  break_fd = static_cast<int>(sys::call_kernel(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (break_fd < 0) throw_("runtime: netpollinit: eventfd failed with " + std::to_string(-break_fd));
  add_break_fd();
}

int timeout_ms(int64_t wait_ns) {
  if (wait_ns < 0) return -1;
  if (wait_ns == 0) return 0;
  // Rounded up: waking before the timer is due would poll again and again.
  return static_cast<int>(std::min((wait_ns - 1) / 1'000'000 + 1, kMaxWaitMs));
}

// Set when the kernel turned out not to have epoll_pwait2 (before 5.11), or a filter keeps it from us. Relaxed: a hint.
std::atomic<bool> whole_milliseconds{false};

// To the nanosecond, but for the kernel's timer slack: a sleep of 100 us would take a millisecond otherwise. With a policy the
// call is the one that records have, and time is virtual or of no account.
long wait_for_events(epoll_event* events, int64_t wait_ns) {
  if (wait_ns > 0 && !seam_active && !whole_milliseconds.load(std::memory_order_relaxed)) {
    constexpr int64_t kSecond = 1'000'000'000;
    const int64_t bounded = std::min(wait_ns, kMaxWaitMs * 1'000'000);
    const timespec limit{bounded / kSecond, bounded % kSecond};
    const long n = sys::call_kernel(SYS_epoll_pwait2, epfd, events, kMaxEvents, &limit, nullptr, 0);
    if (n != -ENOSYS && n != -EPERM) return n;
    whole_milliseconds.store(true, std::memory_order_relaxed);
  }
  return sys::call_kernel(SYS_epoll_wait, epfd, events, kMaxEvents, timeout_ms(wait_ns));
}

// Read before the flag falls: a break that comes between finds it up and is the one that ends here.
// An exchange, not a store: it reads what that break wrote, so what the break was for is seen by the
// look for work that follows. A store could be overtaken by that look, and the break be lost.
void handle_break(bool blocking) {
  if (break_is_level) {
    if (!blocking) return;
    uint64_t count;
    sys::ignoringEINTR([&] { return sys::call_kernel(SYS_read, break_fd, &count, sizeof count); });
  }
  netpollWakeSig.exchange(0, std::memory_order_acq_rel);
}

bool is_current(PollDesc* pd, uint64_t tag) {
  return static_cast<uint16_t>(tag) == pd->fdseq.load(std::memory_order_acquire);
}

// An error that only a scan of the descriptor could find. It must not be told of the next descriptor
// that uses this PollDesc; a late readiness may be, it only makes somebody look again.
void note_error(PollDesc* pd, uint64_t tag, bool error) {
  if (pd->event_err.load() == error) return;
  pd->lock.lock();
  if (is_current(pd, tag)) pd->event_err.store(error);
  pd->lock.unlock();
}

void handle(const epoll_event& event, bool blocking, ReadyList* list) {
  const uint64_t tag = event.data.u64;
  if (tag == kBreakTag) return handle_break(blocking);
  PollDesc* pd = desc_of(tag);
  happens_after(pd);
  if (!is_current(pd, tag)) return;
  const uint32_t bits = event.events;
  const bool read = bits & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR);
  const bool write = bits & (EPOLLOUT | EPOLLHUP | EPOLLERR);
  if (bits & (EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI)) pd->short_read_may_lie.store(true);
  note_error(pd, tag, bits == EPOLLERR);
  if (read || write) netpollready(list, pd, read, write);
}

}  // namespace

bool netpollinited() { return inited.load(std::memory_order_acquire); }

void netpollinit() {
  if (netpollinited()) return;
  init_lock.lock();
  if (!netpollinited()) {
    make_instance();
    inited.store(true, std::memory_order_release);
  }
  init_lock.unlock();
}

void netpollinit_before_fork() { init_lock.lock(); }
void netpollinit_after_fork() { init_lock.unlock(); }

void netpollreset() {
  sys::call_kernel(SYS_close, epfd);
  sys::call_kernel(SYS_close, break_fd);
  netpollWakeSig.store(0, std::memory_order_relaxed);
  make_instance();
}

int netpollopen(int fd, PollDesc* pd) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET;
  event.data.u64 = tag_of(pd);
  if (pd->simulated) return sim::watch(fd, event.events, event.data.u64);
  happens_before(pd);
  return static_cast<int>(-sys::call_kernel(SYS_epoll_ctl, epfd, EPOLL_CTL_ADD, fd, &event));
}

int netpollclose(int fd) {
  if (sim::owns(fd)) return sim::unwatch(fd);
  epoll_event event{};
  return static_cast<int>(-sys::call_kernel(SYS_epoll_ctl, epfd, EPOLL_CTL_DEL, fd, &event));
}

void netpoll_break() {
  if (!netpollinited() || netpollWakeSig.exchange(1, std::memory_order_acq_rel) != 0) return;
  const uint64_t one = 1;
  const long result = sys::ignoringEINTR([&] { return sys::call_kernel(SYS_write, break_fd, &one, 8); });
  if (result != 8) throw_("runtime: netpoll_break: write failed with " + std::to_string(-result));
}

void netpoll_platform(int64_t wait_ns, ReadyList* list) {
  epoll_event events[kMaxEvents];
  if (sim::world_open) {
    const int n = sim::take_events(events, kMaxEvents);
    for (int i = 0; i < n; ++i) handle(events[i], false, list);
    if (!netpoll_waits_for_kernel()) return;
    if (n > 0) wait_ns = 0;
  }
  for (;;) {
    const long n = wait_for_events(events, wait_ns);
    if (n == -EINTR) {
      // The caller's clock moved on and a signal may have readied a goroutine: let it look again.
      if (wait_ns != 0) return;
      continue;
    }
    if (n < 0) throw_("runtime: netpoll: epoll_wait failed with " + std::to_string(-n));
    for (long i = 0; i < n; ++i) handle(events[i], wait_ns != 0, list);
    return;
  }
}

}  // namespace reprise::rt
