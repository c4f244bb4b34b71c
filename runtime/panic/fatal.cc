// Fatal errors and unrecovered panics: the reference's texts on stderr, exit status 2.
//
// Invariants: a report is printed once; a second fatal error while one is being printed prints one
// line and aborts. Everything here is safe on a broken heap up to the point where symbols are looked
// up, and the message is out before that.
#include "runtime/panic/fatal.h"

#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "asm/asm.h"
#include "runtime/boot/boot.h"
#include "runtime/panic/panic.h"
#include "runtime/panic/quit.h"
#include "runtime/panic/report.h"
#include "runtime/sched/fibers.h"
#include "runtime/sched/native.h"
#include "runtime/sched/schedules.h"
#include "runtime/sched/seam.h"
#include "runtime/sim/sim.h"

namespace reprise::rt {

namespace {

constexpr int kExitPanic = 2;

// Which thread reports, by where its thread-local block lies.
std::atomic<const void*> reporter{nullptr};

// Claims the right to report. Another thread that fails meanwhile waits for the end; a nested failure
// of the same thread ends the process at once.
void begin_dying(std::string_view message) {
  sim::abandon_world();
  if (!sched.dying.exchange(true)) {
    reporter.store(&reprise_tls_g, std::memory_order_relaxed);
    return;
  }
  if (reporter.load(std::memory_order_relaxed) != &reprise_tls_g) freeze();
  report_text("fatal error during a fatal error: ");
  report_text(message);
  report_text("\n");
  std::abort();
}

[[noreturn]] void end_dying(seam::Outcome::Kind kind, std::string_view message) {
  seam_finish({kind, kExitPanic, message});
  if (traceback_level() == TracebackLevel::crash) {
    signal(SIGABRT, SIG_DFL);
    std::abort();
  }
  _exit(kExitPanic);
}

struct Death {
  const char* heading;
  std::string_view message;
  seam::Outcome::Kind kind;
  PanicRecord* panic = nullptr;  // whose stack is meant, which is no longer there
};

void tell_explorer(seam::Outcome::Kind kind, std::string_view message) {
  if (schedule_hooks.dying != nullptr) schedule_hooks.dying(kind, message);
}

// On g0, with the goroutine's context saved by systemstack.
[[noreturn]] void report_death(void* arg) {
  const auto& death = *static_cast<const Death*>(arg);
  tell_explorer(death.kind, death.message);
  std::fflush(stdout);
  begin_dying(death.message);
  report_text(death.heading);
  report_text(death.message);
  report_text("\n");
  const TracebackLevel level = traceback_level();
  if (level != TracebackLevel::none) {
    if (death.panic != nullptr) {
      report_goroutine_at(curg(), frames_of(death.panic));
    } else {
      report_current();
    }
  }
  if (level >= TracebackLevel::all) report_others(curg());
  end_dying(death.kind, death.message);
}

[[noreturn]] void die(const Death& death) {
  if (getg() == nullptr || getm() == nullptr) report_death(const_cast<Death*>(&death));
  systemstack([](void* arg) { report_death(arg); }, const_cast<Death*>(&death));
  __builtin_trap();  // an instruction, or the return address would lie in the next function
}

}  // namespace

void throw_(std::string_view message) {
  die({"fatal error: ", message, seam::Outcome::Kind::crash});
}

void die_of_panic(std::string_view text) {
  const std::string all = panic_text(curg(), text);
  die({"panic: ", all, seam::Outcome::Kind::panic});
}

// The stack where it began is gone.
void die_of_panics(const G* gp) {
  const std::string all = panic_text(gp);
  die({"panic: ", all, seam::Outcome::Kind::panic, unrecovered(gp)});
}

// Without `which`: all of them.
[[noreturn]] static void die_asleep(std::string_view message, std::span<const G* const> which = {}) {
  std::fflush(stdout);
  begin_dying(message);
  report_text("fatal error: ");
  report_text(message);
  report_text("\n");
  for (const G* gp : which) report_goroutine(gp, wait_reason_text(gp->wait_reason));
  if (which.empty()) report_all(nullptr);
  end_dying(seam::Outcome::Kind::deadlock, message);
}

void deadlock() {
  die_asleep(num_goroutine() == 0 ? "no goroutines (main called goexit) - deadlock!" : "all goroutines are asleep - deadlock!");
}

void partial_deadlock() {
  constexpr std::string_view kMessage = "goroutines wait for each other's locks - deadlock!";
  tell_explorer(seam::Outcome::Kind::deadlock, kMessage);
  die_asleep(kMessage);
}

void stuck_goroutines(std::span<const G* const> stuck) {
  constexpr std::string_view kMessage = "goroutines can never run again - deadlock!";
  tell_explorer(seam::Outcome::Kind::deadlock, kMessage);
  die_asleep(kMessage, stuck);
}

void stack_overflow(G* gp, const Registers* at) {
  tell_explorer(seam::Outcome::Kind::crash, "stack overflow");
  char text[128];
  std::snprintf(text, sizeof text, "runtime: goroutine stack exceeds %zu-byte limit\n", gp->stack_bytes);
  begin_dying("stack overflow");
  report_text(text);
  report_text("fatal error: stack overflow\n");
  report_goroutine(gp, "running", at);
  end_dying(seam::Outcome::Kind::crash, "stack overflow");
}

}  // namespace reprise::rt
