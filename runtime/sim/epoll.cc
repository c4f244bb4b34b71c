// Epoll instances. Watches are found by descriptor; the kernel also tells apart two files that had the same
// number one after the other while both live on (after dup): here the watch ends with the descriptor that
// made it, as it does there unless it was duplicated.
#include "runtime/sim/epoll.h"

#include <errno.h>
#include <sys/epoll.h>

#include <algorithm>

namespace reprise::sim {

namespace {

constexpr uint32_t kAlways = EPOLLERR | EPOLLHUP;

uint32_t ready_bits(const Watch& watch) {
  return watch.spent ? 0 : watch.file->ready() & (watch.events | kAlways);
}

}  // namespace

Epoll::~Epoll() {
  while (!watches_of_.empty()) remove(watches_of_.begin()->second.get());
}

uint32_t Epoll::ready() const {
  const bool any = std::any_of(queue_.begin(), queue_.end(), [](const Watch* w) { return ready_bits(*w) != 0; });
  return any ? uint32_t{EPOLLIN} | EPOLLRDNORM : 0;
}

void Epoll::enqueue(Watch* watch) {
  if (watch->queued) return;
  watch->queued = true;
  queue_.push_back(watch);
}

int Epoll::add(FileRef file, int fd, uint32_t events, uint64_t data) {
  if (watches_of_.contains(fd)) return EEXIST;
  if (!file->pollable()) return EPERM;
  auto watch = std::make_unique<Watch>(Watch{this, file.get(), fd, events, data});
  file->watches.push_back(watch.get());
  note(watch.get(), ~0u);
  watches_of_[fd] = std::move(watch);
  return 0;
}

int Epoll::modify(int fd, uint32_t events, uint64_t data) {
  const auto found = watches_of_.find(fd);
  if (found == watches_of_.end()) return ENOENT;
  Watch* watch = found->second.get();
  watch->events = events;
  watch->data = data;
  watch->spent = false;
  note(watch, ~0u);
  return 0;
}

int Epoll::remove(int fd) {
  const auto found = watches_of_.find(fd);
  if (found == watches_of_.end()) return ENOENT;
  remove(found->second.get());
  return 0;
}

void Epoll::remove(Watch* watch) {
  std::erase(watch->file->watches, watch);
  if (watch->queued) std::erase(queue_, watch);
  watches_of_.erase(watch->fd);
}

void Epoll::note(Watch* watch, uint32_t bits) {
  if ((bits & (watch->events | kAlways)) == 0 || ready_bits(*watch) == 0) return;
  enqueue(watch);
  changed(EPOLLIN | EPOLLRDNORM);
}

int Epoll::harvest(epoll_event* to, int room) {
  int count = 0;
  for (size_t looks = queue_.size(); looks > 0 && count < room; --looks) {
    Watch* watch = queue_.front();
    queue_.pop_front();
    watch->queued = false;
    const uint32_t bits = ready_bits(*watch);
    if (bits == 0) continue;
    epoll_event event{};
    event.events = bits;
    event.data.u64 = watch->data;
    to[count++] = event;
    if ((watch->events & EPOLLONESHOT) != 0) {
      watch->spent = true;
    } else if ((watch->events & EPOLLET) == 0) {
      enqueue(watch);
    }
  }
  return count;
}

void forget_watches(File& file, int fd) {
  for (size_t i = file.watches.size(); i-- > 0;) {
    Watch* watch = file.watches[i];
    if (watch->fd == fd) watch->owner->remove(watch);
  }
}

}  // namespace reprise::sim
