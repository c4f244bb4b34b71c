// epoll, poll and select. They wait for this world's descriptors only: a set that has some of the kernel's
// too is refused, because nothing here can wait for both.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <time.h>

#include <algorithm>
#include <vector>

#include "runtime/sim/calls.h"
#include "runtime/sim/epoll.h"
#include "runtime/time/clock.h"

namespace reprise::sim {

namespace {

constexpr int64_t kMillisecond = 1'000'000;

int64_t ns_of(const timespec* time) {
  return time == nullptr ? kForever : time->tv_sec * 1'000'000'000 + time->tv_nsec;
}

long make_epoll(int flags) {
  auto made = std::make_shared<Epoll>();
  made->flags = O_RDWR;
  return install(std::move(made), (flags & EPOLL_CLOEXEC) != 0);
}

long epoll_wait_for(const Call& call, int64_t timeout_ns) {
  const FileRef file = file_of(call.fd(0));
  Epoll* epoll = file->epoll();
  if (epoll == nullptr || call.number(2) <= 0) return -EINVAL;
  return until_ready(*file, timeout_ns == 0, moment_after(timeout_ns), [&]() -> long {
    const int count = epoll->harvest(call.at<epoll_event>(1), call.number(2));
    return count != 0 ? count : -EAGAIN;
  });
}

long none_is_zero(long result) { return result == -EAGAIN ? 0 : result; }

// Fills revents; how many are not empty.
long scan(std::span<pollfd> polled) {
  long count = 0;
  for (pollfd& entry : polled) {
    entry.revents = 0;
    if (entry.fd < 0) continue;
    const FileRef file = file_of(entry.fd);
    const uint32_t wanted = static_cast<uint16_t>(entry.events) | POLLERR | POLLHUP;
    const uint32_t bits = file != nullptr ? file->ready() & wanted : uint32_t{POLLNVAL};
    entry.revents = static_cast<short>(bits);
    count += bits != 0;
  }
  return count;
}

void refuse_mixture(const Call& call, std::span<const pollfd> polled) {
  for (const pollfd& entry : polled) {
    if (entry.fd >= 0 && entry.fd < kFirstDescriptor) {
      unsupported(call.name, "descriptors of both worlds in one set");
    }
  }
}

long poll_set(const Call& call, std::span<pollfd> polled, int64_t timeout_ns) {
  refuse_mixture(call, polled);
  const int64_t until = moment_after(timeout_ns);
  for (;;) {
    const long count = scan(polled);
    if (count != 0 || timeout_ns == 0) return count;
    std::vector<FileRef> held;
    std::vector<File*> files;
    for (const pollfd& entry : polled) {
      FileRef file = entry.fd >= 0 ? file_of(entry.fd) : nullptr;
      if (file == nullptr || std::find(files.begin(), files.end(), file.get()) != files.end()) continue;
      files.push_back(file.get());
      held.push_back(std::move(file));
    }
    if (!wait_for(files, until)) return scan(polled);
  }
}

// select by way of poll, bits as the kernel has them.
struct Sets {
  fd_set* at[3];
  static constexpr short kAsked[3] = {POLLIN, POLLOUT, POLLPRI};
  static constexpr short kTold[3] = {POLLIN | POLLHUP | POLLERR, POLLOUT | POLLERR, POLLPRI};
};

std::vector<pollfd> polled_of(const Sets& sets, int count) {
  std::vector<pollfd> polled;
  for (int fd = 0; fd < count; ++fd) {
    short asked = 0;
    for (int i = 0; i < 3; ++i) {
      if (sets.at[i] != nullptr && FD_ISSET(fd, sets.at[i])) asked |= Sets::kAsked[i];
    }
    if (asked != 0) polled.push_back({fd, asked, 0});
  }
  return polled;
}

long select_in(const Call& call, int64_t timeout_ns) {
  if (call.number(0) < 0) return -EINVAL;
  const Sets sets{{call.at<fd_set>(1), call.at<fd_set>(2), call.at<fd_set>(3)}};
  std::vector<pollfd> polled = polled_of(sets, std::min(call.number(0), FD_SETSIZE));
  const long result = poll_set(call, polled, timeout_ns);
  if (result < 0) return result;
  long count = 0;
  for (const pollfd& entry : polled) {
    if ((entry.revents & POLLNVAL) != 0) return -EBADF;
    for (int i = 0; i < 3; ++i) {
      if ((entry.events & Sets::kAsked[i]) == 0) continue;
      if ((entry.revents & Sets::kTold[i]) != 0) {
        ++count;
      } else {
        FD_CLR(entry.fd, sets.at[i]);
      }
    }
  }
  return count;
}

}  // namespace

long do_epoll_create(const Call& call) { return call.number(0) > 0 ? make_epoll(0) : -EINVAL; }
long do_epoll_create1(const Call& call) { return make_epoll(call.number(0)); }

long do_epoll_ctl(const Call& call) {
  const FileRef instance = file_of(call.fd(0));
  Epoll* epoll = instance->epoll();
  if (epoll == nullptr) return -EINVAL;
  const int fd = call.fd(2);
  const FileRef file = file_of(fd);
  if (file == nullptr && fd >= 0 && fd < kFirstDescriptor) unsupported("epoll_ctl", "a descriptor of the kernel's");
  if (file == nullptr) return -EBADF;
  if (file == instance) return -EINVAL;
  const auto* event = call.at<epoll_event>(3);
  switch (call.number(1)) {
    case EPOLL_CTL_ADD: return -epoll->add(file, fd, event->events, event->data.u64);
    case EPOLL_CTL_MOD: return -epoll->modify(fd, event->events, event->data.u64);
    case EPOLL_CTL_DEL: return -epoll->remove(fd);
    default: return -EINVAL;
  }
}

long do_epoll_wait(const Call& call) {
  const int timeout_ms = call.number(3);
  return none_is_zero(epoll_wait_for(call, timeout_ms < 0 ? kForever : timeout_ms * kMillisecond));
}

long do_epoll_pwait2(const Call& call) { return none_is_zero(epoll_wait_for(call, ns_of(call.at<timespec>(3)))); }

long do_poll(const Call& call) {
  const int timeout_ms = call.number(2);
  return poll_set(call, {call.at<pollfd>(0), call.size(1)}, timeout_ms < 0 ? kForever : timeout_ms * kMillisecond);
}

long do_ppoll(const Call& call) {
  return poll_set(call, {call.at<pollfd>(0), call.size(1)}, ns_of(call.at<timespec>(2)));
}

long do_select(const Call& call) {
  const auto* time = call.at<timeval>(4);
  return select_in(call, time == nullptr ? kForever : time->tv_sec * 1'000'000'000 + time->tv_usec * 1000);
}

long do_pselect(const Call& call) { return select_in(call, ns_of(call.at<timespec>(4))); }

}  // namespace reprise::sim
