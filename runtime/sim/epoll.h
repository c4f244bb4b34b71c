// Epoll: watches of files, and the queue of those that may be ready.
//
// As the kernel has it: a change queues the watch, a harvest asks the file what it is ready for now. A
// level-triggered watch that was reported goes to the end of the queue again, an edge-triggered one
// waits for the next change, a one-shot one for epoll_ctl.
//
// Thread safety: the world's. Ownership: a watch belongs to its instance; it holds no reference to its file,
// whose end ends it.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string_view>

#include "runtime/sim/file.h"

struct epoll_event;

namespace reprise::sim {

struct Watch {
  Epoll* owner;
  File* file;
  int fd;
  uint32_t events;
  uint64_t data;
  bool queued = false;
  bool spent = false;  // one-shot, and reported
};

class Epoll final : public File {
 public:
  ~Epoll() override;
  std::string_view kind() const override { return "epoll"; }
  uint32_t ready() const override;
  Epoll* epoll() override { return this; }

  int add(FileRef file, int fd, uint32_t events, uint64_t data);  // 0 or an errno
  int modify(int fd, uint32_t events, uint64_t data);
  int remove(int fd);
  void remove(Watch* watch);
  void note(Watch* watch, uint32_t bits);
  int harvest(epoll_event* to, int room);
  bool queued() const { return !queue_.empty(); }

 private:
  void enqueue(Watch* watch);

  std::map<int, std::unique_ptr<Watch>> watches_of_;
  std::deque<Watch*> queue_;
};

// The descriptor was closed: watches made through it end.
void forget_watches(File& file, int fd);

}  // namespace reprise::sim
