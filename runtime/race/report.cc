// Reports of races.
//
// Made on g0, whose heap is the runtime's: symbols are looked up there, and nothing of it shows in the
// program's memory. A thread of the program's own has no g0 and makes its reports where it is.
#include "runtime/race/report.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "runtime/panic/report.h"
#include "runtime/panic/traceback.h"
#include "runtime/race/access.h"
#include "runtime/race/clock.h"
#include "runtime/race/detector.h"
#include "runtime/race/memory.h"
#include "runtime/race/places.h"
#include "runtime/race/suppressions.h"
#include "runtime/sched/fibers.h"
#include "runtime/sched/schedules.h"
#include "runtime/sched/seam.h"
#include "runtime/sched/site.h"

namespace reprise::race {
namespace {

struct Who {  // both 0: nobody
  uint64_t goid, thread;
};

struct Birth {
  uint64_t when;
  Who who, parent;
  seam::Site site;  // of a goroutine
  uint32_t place;   // of a thread
  uint32_t before;  // who was in the slot before
};

constexpr uint32_t kMaxBirths = 1u << 24;
constexpr size_t kMaxPairs = 1 << 16;

Birth* births = nullptr;
uint32_t next_birth = 1;
uint32_t* last_birth = nullptr;  // by slot

struct Pair {
  uint64_t a, b;  // instructions, the smaller first
};
Pair* pairs = nullptr;
size_t pair_count = 0;

int exit_code = 66;
bool halts = false;

uint64_t instruction_of(uint32_t place) {
  uint64_t pc = 0;
  stack_of(place, {&pc, 1});
  return pc;
}

// True the first time.
bool is_new(uint32_t place, uint32_t past) {
  const uint64_t x = instruction_of(place), y = instruction_of(past);
  const Pair pair{std::min(x, y), std::max(x, y)};
  for (size_t i = 0; i < pair_count; ++i) {
    if (pairs[i].a == pair.a && pairs[i].b == pair.b) return false;
  }
  if (pair_count == kMaxPairs) return false;
  pairs[pair_count++] = pair;
  return true;
}

const Birth* birth_of(uint64_t when) {
  uint32_t at = last_birth[Epoch::slot(when)];
  while (at != 0 && births[at].when > when) at = births[at].before;
  return at != 0 ? &births[at] : nullptr;
}

std::string name_of(const Who& who) {
  return who.thread != 0 ? "thread " + std::to_string(who.thread) : "goroutine " + std::to_string(who.goid);
}

std::string name_of(const Birth* birth) {
  return birth != nullptr ? name_of(birth->who) : "a goroutine that is not known any more";
}

constexpr size_t kMaxShown = 32;

Stack frames_of(uint32_t place) {
  uint64_t pcs[kMaxShown];
  const size_t count = stack_of(place, pcs);
  Stack stack;
  for (size_t i = 0; i < count; ++i) {
    rt::each_source_frame(pcs[i], false, [](const rt::SourceFrame& frame, void* arg) {
      static_cast<Stack*>(arg)->push_back(frame);
    }, &stack);
  }
  return stack;
}

std::string text_of(const Stack& stack) {
  std::string text;
  for (const bool all : {false, true}) {
    for (const rt::SourceFrame& frame : stack) {
      if (all || !rt::is_runtime_frame(frame)) text += rt::frame_text(frame);
    }
    if (!text.empty()) return text;
  }
  return "\t(no frames)\n";
}

const char* verb_of(uint8_t how) {
  if ((how & kFree) != 0) return "free";
  if ((how & kPlain) == 0) return (how & kWrites) != 0 ? "atomic write" : "atomic read";
  return (how & kWrites) != 0 ? "write" : "read";
}

std::string capital(std::string text) {
  text[0] = static_cast<char>(std::toupper(text[0]));
  return text;
}

std::string created_text(const Birth* birth) {
  if (birth == nullptr || (birth->site == 0 && birth->place == 0)) return "";
  if (birth->parent.goid == 0 && birth->parent.thread == 0) return "";
  const std::string text = "\n" + capital(name_of(birth->who)) + " created by " + name_of(birth->parent) + " at:\n";
  if (birth->place != 0) return text + text_of(frames_of(birth->place));
  Stack stack;
  rt::each_source_frame(rt::pc_of(birth->site), false, [](const rt::SourceFrame& frame, void* arg) {
    static_cast<Stack*>(arg)->push_back(frame);
  }, &stack);
  return text + text_of(stack);
}

std::string top_of(const Stack& stack) {
  for (const rt::SourceFrame& frame : stack) {
    if (!rt::is_runtime_frame(frame)) return frame.function + " (line " + std::to_string(frame.line) + ")";
  }
  return "?";
}

struct Race {
  Task* task;
  uint64_t address;
  uint32_t place;
  uint8_t how;
  const Past* past;
};

// The heading names no address of the process's: the same race has the same one in every run.
std::string heading_of(const Race& race, const Stack& now, const Stack& then) {
  return std::string("data race: ") + verb_of(race.how) + " in " + top_of(now) + ", previous " +
         verb_of(race.past->how()) + " in " + top_of(then);
}

std::string report_of(const Race& race, const Stack& now, const Stack& then) {
  const Birth* const me = birth_of(race.task->now);
  const Birth* const other = birth_of(race.past->when);
  char at[32];
  std::snprintf(at, sizeof at, "0x%012llx", static_cast<unsigned long long>(race.address));
  return std::string("==================\nWARNING: DATA RACE\n") + capital(verb_of(race.how)) + " at " + at + " by " +
         name_of(me) + ":\n" + text_of(now) + "\nPrevious " + verb_of(race.past->how()) + " at " + at + " by " +
         name_of(other) + ":\n" + text_of(then) + created_text(me) + created_text(other) + "==================\n";
}

uint64_t reported = 0;

// Symbols are looked up by one at a time, and a thread that waits for a file lets others run.
constinit rt::Lock report_lock{rt::LockRank::race_report};

// Its heading; empty if it is suppressed.
std::string write_report(const Race& race) {
  report_lock.lock();
  const Stack now = frames_of(race.place), then = frames_of(race.past->place);
  std::string heading;
  if (!suppressed(now) && !suppressed(then)) {
    ++reported;
    heading = heading_of(race, now, then);
    if (rt::schedule_hooks.dying != nullptr) rt::schedule_hooks.dying(seam::Outcome::Kind::failed, heading);
    std::fflush(stdout);
    rt::report_text(report_of(race, now, then));
  }
  report_lock.unlock();
  return heading;
}

void report_apart(void* arg) {
  const std::string heading = write_report(*static_cast<const Race*>(arg));
  if (heading.empty() || (rt::schedule_hooks.dying == nullptr && !halts)) return;
  rt::seam_finish({seam::Outcome::Kind::failed, exit_code, heading});
  _exit(exit_code);
}

// Behind all other functions of atexit, since it was registered first.
void at_exit() {
  if (reported == 0 || exit_code == 0) return;
  std::fflush(nullptr);
  const std::string text = "Found " + std::to_string(reported) + " data race(s)\n";
  rt::report_text(text);
  _exit(exit_code);
}

[[noreturn]] void bad_setting(const std::string& setting) {
  rt::report_text("reprise: REPRISE_RACE: " + setting + ": not report=0|1, suppressions=FILE, exitcode=N or halt=0|1\n");
  _exit(64);
}

void apply(const std::string& setting) {
  const size_t equals = setting.find('=');
  const std::string name = setting.substr(0, equals);
  const std::string value = equals == std::string::npos ? "" : setting.substr(equals + 1);
  const bool is_bool = value == "0" || value == "1";
  if (name == "report" && is_bool) {
    detecting = value == "1";
  } else if (name == "halt" && is_bool) {
    halts = value == "1";
  } else if (name == "exitcode" && !value.empty() && value.find_first_not_of("0123456789") == std::string::npos &&
             value.size() <= 3 && std::stoi(value) <= 255) {
    exit_code = std::stoi(value);
  } else if (name == "suppressions") {
    std::string error;
    if (!read_suppressions(value, &error)) {
      rt::report_text("reprise: REPRISE_RACE: " + error + "\n");
      _exit(64);
    }
  } else {
    bad_setting(setting);
  }
}

void read_settings(void*) {
  const char* text = std::getenv("REPRISE_RACE");
  if (text == nullptr) return;
  std::string rest = text;
  while (!rest.empty()) {
    const size_t comma = rest.find(',');
    apply(rest.substr(0, comma));
    rest = comma == std::string::npos ? "" : rest.substr(comma + 1);
  }
}

}  // namespace

void report_init() {
  births = reserve_array<Birth>(kMaxBirths);
  last_birth = reserve_array<uint32_t>(kMaxSlots);
  pairs = reserve_array<Pair>(kMaxPairs);
  std::atexit(at_exit);
  rt::systemstack(read_settings, nullptr);
}

void report_forget() {
  for (uint32_t i = 1; i < next_birth; ++i) last_birth[Epoch::slot(births[i].when)] = 0;
  next_birth = 1;
  pair_count = 0;
}

void note_birth(const Task* task, Task* parent) {
  if (next_birth == kMaxBirths) return;
  uint32_t& last = last_birth[task->slot];
  Birth& birth = births[next_birth];
  birth = {task->now, {0, task->thread}, {}, 0, 0, last};
  if (parent != nullptr) birth.parent = {parent->gp != nullptr ? parent->gp->goid : 0, parent->thread};
  if (const rt::G* gp = task->gp) {
    birth.who.goid = gp->goid;
    if (parent == nullptr) birth.parent.goid = gp->parent_goid;
    birth.site = gp->spawn_site;
  } else if (parent != nullptr) {
    const uint64_t creation = rt::pc_of(REPRISE_PROGRAM_SITE());
    if (creation != 0) birth.place = place_of(parent, reinterpret_cast<const void*>(creation));
  }
  last = next_birth++;
}

bool report_race(Task* task, uint64_t address, uint32_t place, uint8_t how, const Past& past) {
  if (!is_new(place, past.place)) return false;
  Race race{task, address, place, how, &past};
  if (task->thread != 0) {
    report_apart(&race);
  } else {
    rt::systemstack(report_apart, &race);
  }
  return true;
}

}  // namespace reprise::race
