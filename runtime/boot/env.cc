// The environment: REPRISE_MAXPROCS, REPRISE_DEBUG and REPRISE_TRACEBACK, parsed strictly, and the processor's features.
//
// A value that is not understood ends the program before it starts, with one line and status 64: a
// misspelt switch that is silently ignored costs an afternoon.
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <unistd.h>

#include "asm/asm.h"
#include "runtime/boot/boot_internal.h"
#include "runtime/sched/sched.h"

namespace reprise::rt {

namespace {

constexpr int kExitUsage = 64;

struct CpuSwitch {
  std::string_view name;
  bool CpuFeatures::*feature;
};
constexpr CpuSwitch kCpuSwitches[] = {
    {"aes", &CpuFeatures::aes},         {"avx", &CpuFeatures::avx},
    {"avx2", &CpuFeatures::avx2},       {"avx512f", &CpuFeatures::avx512f},
    {"bmi2", &CpuFeatures::bmi2},       {"popcnt", &CpuFeatures::popcnt},
    {"sse42", &CpuFeatures::sse42},     {"erms", &CpuFeatures::erms},
};

bool parse_int(std::string_view text, int32_t low, int32_t high, int32_t* value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc{} && end == text.data() + text.size() && *value >= low && *value <= high;
}

[[noreturn]] void bad_debug(std::string_view item) {
  std::string text = "REPRISE_DEBUG: cannot parse \"";
  text.append(item);
  text += "\"; known are schedtrace=MS, asyncpreemptoff=0|1, slice_us=US, cpu.FEATURE=off";
  boot_usage_error(text);
}

// Calls f(name, value) for each name=value of REPRISE_DEBUG.
template <class F>
void each_debug_item(F f) {
  const char* text = std::getenv("REPRISE_DEBUG");
  std::string_view rest = text == nullptr ? "" : text;
  while (!rest.empty()) {
    const std::string_view item = rest.substr(0, rest.find(','));
    rest.remove_prefix(item.size() == rest.size() ? item.size() : item.size() + 1);
    const size_t equals = item.find('=');
    if (equals == std::string_view::npos) bad_debug(item);
    f(item, item.substr(0, equals), item.substr(equals + 1));
  }
}

CpuFeatures probed() {
  const uint32_t ecx1 = reprise_cpuid[0], ebx7 = reprise_cpuid[2];
  CpuFeatures found;
  found.aes = ecx1 >> 25 & 1;
  found.popcnt = ecx1 >> 23 & 1;
  found.sse42 = ecx1 >> 20 & 1;
  found.avx = reprise_vector_level >= 1;
  found.avx2 = found.avx && (ebx7 >> 5 & 1);
  found.avx512f = reprise_vector_level >= 2;
  found.bmi2 = ebx7 >> 8 & 1;
  found.erms = ebx7 >> 9 & 1;
  return found;
}

bool switch_off(std::string_view name) {
  for (const CpuSwitch& known : kCpuSwitches) {
    if (known.name != name) continue;
    boot_state.cpu.*known.feature = false;
    return true;
  }
  return false;
}

void parse_traceback() {
  const char* text = std::getenv("REPRISE_TRACEBACK");
  if (text == nullptr) return;
  constexpr std::string_view kNames[] = {"none", "single", "all", "crash"};  // in the order of TracebackLevel
  for (size_t i = 0; i < std::size(kNames); ++i) {
    if (kNames[i] != text) continue;
    boot_state.traceback = static_cast<TracebackLevel>(i);
    return;
  }
  boot_usage_error("REPRISE_TRACEBACK: expected none, single, all or crash, got \"" + std::string(text) + "\"");
}

}  // namespace

void cpuinit() {
  boot_state.cpu = probed();
  each_debug_item([](std::string_view item, std::string_view name, std::string_view value) {
    if (!name.starts_with("cpu.")) return;
    if (value != "off" || !switch_off(name.substr(4))) bad_debug(item);
  });
}

void parsedebugvars() {
  parse_traceback();
  each_debug_item([](std::string_view item, std::string_view name, std::string_view value) {
    int32_t number = 0;
    if (name.starts_with("cpu.")) return;
    if (name == "schedtrace" && parse_int(value, 1, 3'600'000, &number)) {
      boot_state.debug.schedtrace_ms = number;
    } else if (name == "asyncpreemptoff" && parse_int(value, 0, 1, &number)) {
      boot_state.debug.asyncpreemptoff = number != 0;
    } else if (name == "slice_us" && parse_int(value, 20, 10'000'000, &number)) {
      boot_state.debug.slice_us = number;
    } else {
      bad_debug(item);
    }
  });
}

int32_t parse_gomaxprocs() {
  const char* text = std::getenv("REPRISE_MAXPROCS");
  if (text == nullptr) return boot_state.ncpu;
  int32_t procs = 0;
  if (!parse_int(text, 1, kMaxProcs, &procs)) {
    boot_usage_error("REPRISE_MAXPROCS: expected a number from 1 to 1024, got \"" +
                     std::string(text) + "\"");
  }
  return procs;
}

const DebugVars& debug_vars() { return boot_state.debug; }
TracebackLevel traceback_level() { return boot_state.traceback; }
const CpuFeatures& cpu() { return boot_state.cpu; }

void boot_usage_error(std::string_view message) {
  std::fprintf(stderr, "reprise: %.*s\n", static_cast<int>(message.size()), message.data());
  std::fflush(stderr);
  _exit(kExitUsage);
}

}  // namespace reprise::rt
