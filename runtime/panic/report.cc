// Reports about goroutines, in the reference's form.
//
// Frames of the runtime itself are left out, as the reference does, unless nothing else is there:
// above the user's code they are how it waits, below it how it was started.
#include "runtime/panic/report.h"

#include <unistd.h>

#include <cstdio>
#include <string>

#include "runtime/panic/panic.h"
#include "runtime/panic/traceback.h"
#include "runtime/sched/sched.h"
#include "runtime/sched/site.h"

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

constexpr size_t kMaxFrames = 100;

struct Printer {
  bool all = false;             // the runtime's frames too
  bool first_only = false;
  size_t printed = 0;
  uint64_t created_by = 0;      // the goroutine to name behind the function, if any
};

void print_frame(const SourceFrame& frame, void* arg) {
  auto& printer = *static_cast<Printer*>(arg);
  if (!printer.all && is_runtime_frame(frame)) return;
  if (printer.first_only && printer.printed != 0) return;
  ++printer.printed;
  report_text(frame_text(frame, printer.created_by));
}

// `exact`: the first is where the stack stopped; else all are return addresses.
void print_frames(std::span<const uint64_t> pcs, bool exact, bool elided) {
  for (const bool all : {false, true}) {
    Printer printer{.all = all};
    for (size_t i = 0; i < pcs.size(); ++i) each_source_frame(pcs[i], exact && i == 0, print_frame, &printer);
    if (elided) report_text("...additional frames elided...\n");
    if (printer.printed != 0) return;
  }
}

void print_stack(const Registers& start, StackBounds bounds) {
  static uint64_t pcs[kMaxFrames];
  const size_t count = unwind(start, bounds, pcs);
  print_frames({pcs, count}, true, count == kMaxFrames);
}

void print_creator(const G* gp) {
  if (gp->spawn_site == 0 || gp->parent_goid == 0) return;
  Printer printer{.first_only = true, .created_by = gp->parent_goid};
  each_source_frame(pc_of(gp->spawn_site), false, print_frame, &printer);
}

}  // namespace

void report_text(std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = write(STDERR_FILENO, text.data(), text.size());
    if (n <= 0) return;  // nobody reads it: nothing more can be said
    text.remove_prefix(static_cast<size_t>(n));
  }
}

static void report_header(const G* gp, std::string_view state) {
  char line[160];
  std::snprintf(line, sizeof line, "\ngoroutine %llu [%.*s]%s:\n",
                static_cast<unsigned long long>(gp->goid), static_cast<int>(state.size()),
                state.data(), gp->locked_count != 0 ? ", locked to thread" : "");
  report_text(line);
}

void report_goroutine(const G* gp, std::string_view state, const Registers* start) {
  report_header(gp, state);
  print_stack(start != nullptr ? *start : registers_of(gp->ctx.sched),
              {gp->ctx.stack_lo, gp->ctx.stack_hi});
  print_creator(gp);
}

void report_goroutine_at(const G* gp, std::span<const uint64_t> pcs) {
  report_header(gp, "running");
  print_frames(pcs, false, pcs.size() == PanicRecord::kMaxFrames);
  print_creator(gp);
}

static void report_running(const G* gp, RunningStack (*stack_of)(const G*)) {
  report_header(gp, "running");
  const RunningStack stack = stack_of != nullptr ? stack_of(gp) : RunningStack{};
  if (stack.registers == nullptr) {
    return report_text("\tgoroutine running on another thread; stack unavailable\n");
  }
  print_stack(*stack.registers, stack.bounds);
  print_creator(gp);
}

void report_current() {
  if (const G* gp = curg()) report_goroutine(gp, "running");
}

void report_all(const G* except, RunningStack (*stack_of)(const G*)) {
  const G* gp = sched.allgs.load(std::memory_order_acquire);
  for (; gp != nullptr; gp = gp->alllink.load(std::memory_order_acquire)) {
    const GStatus status = gp->status.load(std::memory_order_acquire);
    if (gp == except || gp->system || status == GStatus::dead || status == GStatus::idle) continue;
    if (status == GStatus::running) {
      report_running(gp, stack_of);
    } else {
      report_goroutine(gp, state_of(gp));
    }
  }
}

}  // namespace reprise::rt
