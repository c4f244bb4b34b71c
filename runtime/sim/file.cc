// Descriptors and waiting.
//
// Invariant: a Waiter is on the list of a File only while its goroutine is inside wait_for(). One P: from
// its entry into a list to its park nobody else runs, so no change is missed.
#include "runtime/sim/file.h"

#include <errno.h>

#include <algorithm>
#include <cstring>

#include "runtime/sched/proc.h"
#include "runtime/sim/epoll.h"
#include "runtime/sys/parking.h"
#include "runtime/time/clock.h"

namespace reprise::sim {

struct Waiter {
  rt::G* gp;
  bool woken = false;
  bool late = false;
};

namespace {

struct Descriptor {
  FileRef file;
  bool cloexec = false;
};
std::vector<Descriptor>& table = *new std::vector<Descriptor>;

void wake(Waiter* waiter) {
  if (waiter->woken) return;
  waiter->woken = true;
  rt::goready(waiter->gp);
}

void moment_came(void* arg, uint64_t, int64_t) {
  auto* waiter = static_cast<Waiter*>(arg);
  if (!waiter->woken) waiter->late = true;
  wake(waiter);
}

void drop(FileRef file) {
  if (--file->descriptors == 0) file->closed();
}

}  // namespace

// ---- Buffers ----------------------------------------------------------------------------------

char* Buffers::next(size_t* run) {
  while (offset_ == parts_[part_].iov_len) {
    ++part_;
    offset_ = 0;
  }
  *run = std::min(*run, parts_[part_].iov_len - offset_);
  return static_cast<char*>(parts_[part_].iov_base) + offset_;
}

void Buffers::consume(size_t size) {
  offset_ += size;
  total_ -= size;
}

void Buffers::put(const char* from, size_t size) {
  while (size > 0) {
    size_t run = size;
    char* to = next(&run);
    std::memcpy(to, from, run);
    consume(run);
    from += run;
    size -= run;
  }
}

void Buffers::take(char* to, size_t size) {
  while (size > 0) {
    size_t run = size;
    const char* from = next(&run);
    std::memcpy(to, from, run);
    consume(run);
    to += run;
    size -= run;
  }
}

// ---- File -------------------------------------------------------------------------------------

File::File() : object(rt::new_object_id()) {}

File::~File() {
  while (!watches.empty()) watches.back()->owner->remove(watches.back());
}

long File::read(Buffers&) { return -EINVAL; }
long File::write(Buffers&) { return -EINVAL; }

void File::changed(uint32_t bits) {
  for (Waiter* waiter : waiters) wake(waiter);
  for (Watch* watched : watches) watched->owner->note(watched, bits);
}

// ---- descriptors ------------------------------------------------------------------------------

int install(FileRef file, bool cloexec, int at_least) {
  const size_t first = static_cast<size_t>(std::max(at_least - kFirstDescriptor, 0));
  size_t at = first;
  while (at < table.size() && table[at].file != nullptr) ++at;
  if (at >= kMaxDescriptors) return -EMFILE;
  const int fd = kFirstDescriptor + static_cast<int>(at);
  install_at(std::move(file), cloexec, fd);
  return fd;
}

bool install_at(FileRef file, bool cloexec, int fd) {
  const int at = fd - kFirstDescriptor;
  if (at < 0 || at >= kMaxDescriptors) return false;
  if (table.size() <= static_cast<size_t>(at)) table.resize(static_cast<size_t>(at) + 1);
  close_descriptor(fd);
  ++file->descriptors;
  table[static_cast<size_t>(at)] = {std::move(file), cloexec};
  return true;
}

FileRef file_of(int fd) {
  const int at = fd - kFirstDescriptor;
  return at >= 0 && static_cast<size_t>(at) < table.size() ? table[static_cast<size_t>(at)].file : nullptr;
}

bool cloexec_of(int fd) { return table[static_cast<size_t>(fd - kFirstDescriptor)].cloexec; }
void set_cloexec(int fd, bool on) { table[static_cast<size_t>(fd - kFirstDescriptor)].cloexec = on; }

long close_descriptor(int fd) {
  FileRef file = file_of(fd);
  if (file == nullptr) return -EBADF;
  table[static_cast<size_t>(fd - kFirstDescriptor)] = {};
  forget_watches(*file, fd);
  drop(std::move(file));
  return 0;
}

void forget_descriptors() {
  for (size_t at = 0; at < table.size(); ++at) close_descriptor(kFirstDescriptor + static_cast<int>(at));
  table.clear();
}

void for_each_file(void (*f)(const FileRef& file)) {
  for (const Descriptor& descriptor : table) {
    if (descriptor.file != nullptr) f(descriptor.file);
  }
}

// ---- waiting ----------------------------------------------------------------------------------

int64_t moment_after(int64_t timeout_ns) {
  return timeout_ns < 0 ? kForever : rt::when_after(timeout_ns);
}

bool wait_for(std::span<File* const> files, int64_t until_ns) {
  if (!rt::on_goroutine()) unsupported("a call that waits", "only goroutines can wait, this is a thread");
  if (until_ns != kForever && until_ns <= rt::nanotime()) return false;
  Waiter waiter{rt::curg()};
  for (File* file : files) file->waiters.push_back(&waiter);
  rt::Timer timer(moment_came, &waiter);
  if (until_ns != kForever) rt::timer_start(&timer, until_ns, 0);
  rt::gopark(nullptr, nullptr, rt::WaitReason::io_wait);
  if (until_ns != kForever) rt::timer_stop(&timer);
  for (File* file : files) std::erase(file->waiters, &waiter);
  return !waiter.late;
}

void unsupported(std::string_view call, std::string_view what) {
  std::string text = "simulated world: " + std::string(call) + " is not supported";
  if (!what.empty()) text += ": " + std::string(what);
  rt::throw_(text);
}

}  // namespace reprise::sim
