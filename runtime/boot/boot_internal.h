// What the files of runtime/boot share: the state of boot, written by m0 alone.
#pragma once

#include "runtime/boot/boot.h"

namespace reprise::rt {

struct BootState {
  BootStep step = BootStep::none;
  const stage::Table* table = nullptr;
  int argc = 0;
  char** argv = nullptr;
  int (*app)(int, char**) = nullptr;
  int32_t ncpu = 1;
  int32_t procs = 1;
  uint64_t page_bytes = 4096;
  uint64_t random = 0;
  DebugVars debug;
  TracebackLevel traceback = TracebackLevel::single;
  CpuFeatures cpu;
};
extern BootState boot_state;

// Marks `to` as begun; fatal unless the step before it was `from`.
void boot_advance(BootStep from, BootStep to);

// The steps with code of their own.
void cpuinit();
void modulesinit();
void parsedebugvars();  // REPRISE_TRACEBACK too
int32_t parse_gomaxprocs();

// Runs the module init tasks in dependency order. On the main goroutine.
void doinit();

}  // namespace reprise::rt
