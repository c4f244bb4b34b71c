// Reports about goroutines, in the reference's form.
#include "runtime/panic/report.h"

#include <unistd.h>

#include <cstdio>

#include "runtime/sched/sched.h"

namespace reprise::rt {

namespace {

std::string_view state_of(const G* gp) {
  switch (gp->status.load(std::memory_order_acquire)) {
    case GStatus::idle: return "idle";
    case GStatus::runnable: return "runnable";
    case GStatus::running: return "running";
    case GStatus::syscall: return "syscall";
    case GStatus::waiting: return wait_reason_text(gp->wait_reason);
    case GStatus::dead: return "dead";
  }
  return "?";
}

}  // namespace

void report_text(std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = write(STDERR_FILENO, text.data(), text.size());
    if (n <= 0) return;  // nobody reads it: nothing more can be said
    text.remove_prefix(static_cast<size_t>(n));
  }
}

void report_goroutine(const G* gp, std::string_view state) {
  char line[160];
  std::snprintf(line, sizeof line, "\ngoroutine %llu [%.*s]%s:\n",
                static_cast<unsigned long long>(gp->goid), static_cast<int>(state.size()),
                state.data(), gp->locked_m != nullptr ? ", locked to thread" : "");
  report_text(line);
}

void report_current() {
  if (const G* gp = curg()) report_goroutine(gp, "running");
}

void report_all(const G* except) {
  for (const G* gp = sched.allgs; gp != nullptr; gp = gp->alllink) {
    const GStatus status = gp->status.load(std::memory_order_acquire);
    if (gp == except || gp->system || status == GStatus::dead || status == GStatus::idle) continue;
    report_goroutine(gp, state_of(gp));
  }
}

}  // namespace reprise::rt
