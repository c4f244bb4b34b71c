// Boot: what the program started with, and in what order the runtime came up.
//
// Written once by m0 before any goroutine runs, read-only afterwards.
#pragma once

#include <cstdint>
#include <string_view>

#include "runtime/stage/abi.h"

namespace reprise::rt {

// The steps of schedinit, in the reference's order; those without a subject yet are not here.
enum class BootStep : uint8_t {
  none, args, osinit, lock_init, sigsave, stackinit, mallocinit, cpuinit, alginit, mcommoninit, modulesinit, goargs,
  parsedebugvars, gcinit, seaminit, procresize, done,
};
BootStep boot_step();

// The stage's table in a controlled run, null in a program started directly.
const stage::Table* stage_table();

int boot_argc();
char** boot_argv();
uint64_t boot_random();  // from the kernel's AT_RANDOM; never 0
int32_t ncpu();
uint64_t page_bytes();

// REPRISE_DEBUG, parsed: name=value pairs separated by commas.
struct DebugVars {
  int32_t schedtrace_ms = 0;      // schedtrace=N: a line about the scheduler every N ms
  bool asyncpreemptoff = false;   // asyncpreemptoff=1: goroutines give way at scheduling points only
  int32_t slice_us = 0;           // slice_us=N: sysmon's 10 ms, for tests; 0: as they are
};
const DebugVars& debug_vars();

// REPRISE_TRACEBACK: whose stacks an unrecovered panic or fatal error shows, as the reference's GOTRACEBACK.
enum class TracebackLevel : uint8_t {
  none,    // nobody's
  single,  // the goroutine's that failed
  all,     // every goroutine's
  crash,   // the same, and the process then dies of SIGABRT, for a core
};
TracebackLevel traceback_level();

// What the processor offers and REPRISE_DEBUG=cpu.NAME=off has not taken away.
struct CpuFeatures {
  bool aes = false, avx = false, avx2 = false, avx512f = false, bmi2 = false, popcnt = false,
       sse42 = false, erms = false;
};
const CpuFeatures& cpu();

// Ends the program before it started: one line to stderr, status 64.
[[noreturn]] void boot_usage_error(std::string_view message);

}  // namespace reprise::rt
