// CPU time of threads comes from /proc/PID/task/TID/schedstat, whose first number is nanoseconds on a
// processor. Where it cannot be read (no /proc) nothing is watched.
#include "replay/watchdog.h"

#include <dirent.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <string>

namespace reprise::trace {
namespace {

constexpr uint64_t kLookEveryNs = 100'000'000;

uint64_t monotonic_ns() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(t.tv_nsec);
}

std::map<pid_t, uint64_t> cpu_times(pid_t pid) {
  std::map<pid_t, uint64_t> out;
  const std::string tasks = "/proc/" + std::to_string(pid) + "/task";
  DIR* dir = opendir(tasks.c_str());
  if (!dir) return out;
  while (const dirent* entry = readdir(dir)) {
    const pid_t tid = std::atoi(entry->d_name);
    uint64_t ns = 0;
    if (tid > 0 && std::ifstream(tasks + "/" + entry->d_name + "/schedstat") >> ns) out[tid] = ns;
  }
  closedir(dir);
  return out;
}

}  // namespace

void Watchdog::start(tape::Control& control, pid_t child, uint64_t limit_ns) {
  control_ = &control;
  child_ = child;
  limit_ns_ = limit_ns;
}

void Watchdog::look() {
  if (!control_) return;
  const uint64_t now = monotonic_ns();
  if (now < next_look_ns_) return;
  next_look_ns_ = now + kLookEveryNs;
  // Relaxed: a number that grows; nothing is read because of it.
  const uint64_t events = std::atomic_ref(control_->events).load(std::memory_order_relaxed);
  if (events != events_) {
    events_ = events;
    cpu_ns_.clear();
    return;
  }
  if (!cpu_ns_.empty()) return ask_spinning_thread();
  cpu_ns_ = cpu_times(child_);
}

void Watchdog::ask_spinning_thread() {
  for (const auto& [tid, ns] : cpu_times(child_)) {
    const auto before = cpu_ns_.find(tid);
    const uint64_t since = before == cpu_ns_.end() ? 0 : before->second;
    if (ns - since < limit_ns_) continue;
    // Release: the stage reads it in the handler of the signal that follows.
    std::atomic_ref(control_->watchdog_asks).store(tape::kKeepsWaiting, std::memory_order_release);
    syscall(SYS_tgkill, child_, tid, tape::kWatchdogSignal);
    cpu_ns_.clear();  // if it goes on, it has the whole limit again
    return;
  }
}

}  // namespace reprise::trace
