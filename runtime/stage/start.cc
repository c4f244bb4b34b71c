// Where the stage begins: reprise-stage TAPE_FD REPORT_FD [--exec PATH] [-- PROGRAM ARGS...]
//
// The order below carries weight: the control page before anything can fail with a verdict, the
// program's image before handlers (its start may touch signals), arming last, since from then on
// every system call outside the stage's text is a trap.
#include <elf.h>
#include <linux/prctl.h>

#include "runtime/stage/child_output.h"
#include "runtime/stage/clocks.h"
#include "runtime/stage/descriptors.h"
#include "runtime/stage/gate.h"
#include "runtime/stage/outputs.h"
#include "runtime/stage/process.h"
#include "runtime/stage/raw.h"
#include "runtime/stage/report.h"
#include "runtime/stage/signals.h"
#include "runtime/stage/start_state.h"
#include "runtime/stage/tape_map.h"
#include "runtime/stage/text.h"

extern "C" {
[[noreturn]] void stage_jump(uint64_t sp, uint64_t pc);
[[noreturn]] void stage_main(long* sp);
// A debugger breaks here to load the program's symbols: all is mapped, nothing has run.
void at_jump();
}

namespace reprise::stage {

Mode mode = Mode::off;
tape::Control* control = nullptr;
int tape_fd = -1;
int report_fd = 2;
int stage_fd = -1;

namespace {

struct Invocation {
  long tape = -1, report = -1;
  const char* path = nullptr;  // --exec: differs from argv[0]
  char** argv = nullptr;
  char** envp = nullptr;
  const uint64_t* auxv = nullptr;
};

long number(const char* text) {
  long value = 0;
  if (!*text) return -1;
  for (; *text; ++text) {
    if (*text < '0' || *text > '9' || value > 1 << 20) return -1;
    value = value * 10 + (*text - '0');
  }
  return value;
}

[[noreturn]] void refuse(const char* why) {
  Line line;
  line << "reprise-stage: " << why << "\n";
  say(line.text);
  raw(SYS_exit_group, 64);
  __builtin_unreachable();
}

Invocation parse(long* sp) {
  const long argc = sp[0];
  auto** argv = reinterpret_cast<char**>(sp + 1);
  Invocation in;
  in.envp = argv + argc + 1;
  char** p = in.envp;
  while (*p) ++p;
  in.auxv = reinterpret_cast<uint64_t*>(p + 1);
  if (argc < 3) refuse("it is started by the reprise command");
  in.tape = number(argv[1]);
  in.report = number(argv[2]);
  if (in.tape < 0 || in.report < 0) refuse("it is started by the reprise command");
  int i = 3;
  if (i + 1 < argc && equal(argv[i], "--exec")) {
    in.path = argv[i + 1];
    i += 2;
  }
  if (i + 1 < argc && equal(argv[i], "--")) in.argv = argv + i + 1;
  if (in.argv && !in.path) in.path = in.argv[0];
  return in;
}

uint64_t value_of(const uint64_t* auxv, uint64_t type) {
  for (; auxv[0]; auxv += 2) {
    if (auxv[0] == type) return auxv[1];
  }
  return 0;
}

void take_descriptors(const Invocation& in) {
  report_fd = move_high(in.report);
  tape_fd = move_high(in.tape);
  constexpr int kPathOnly = 0x200000;  // O_PATH
  long own = raw(SYS_open, "/proc/self/exe", kPathOnly);
  if (own < 0) own = raw(SYS_open, value_of(in.auxv, AT_EXECFN), kPathOnly);  // no /proc: a bare chroot
  stage_fd = own < 0 ? -1 : move_high(own);
}

void load(const Invocation& in) {
  if (!live()) return start_from_tape();
  if (!in.argv) fail(Verdict::bad_start, "no program is given");
  const char* wrong = start_program(in.path, in.argv, in.envp, in.auxv);
  if (!wrong) return;
  Text(control->message, sizeof control->message) << in.path << ": " << wrong;
  fail(Verdict::bad_start, nullptr);
}

}  // namespace
}  // namespace reprise::stage

__attribute__((noinline)) void at_jump() { asm volatile(""); }

void stage_main(long* sp) {
  using namespace reprise::stage;
  const Invocation in = parse(sp);
  take_descriptors(in);
  if (const char* wrong = map_tape()) refuse(wrong);
  mode = control->mode;
  if (control->events == 0) forget_descriptors();
  keep_child_pipes();
  pin_to_one_core();
  find_kernel_vdso(value_of(in.auxv, AT_SYSINFO_EHDR));
  Thread* t = new_thread();
  if (!t || !map_vdso() || !make_table()) fail(Verdict::bad_start, "the address space of the stage is taken");
  load(in);
  install_handlers();
  arm(*t);
  const Entry entry = program_entry();
  at_jump();
  stage_jump(entry.sp, entry.pc);
}
