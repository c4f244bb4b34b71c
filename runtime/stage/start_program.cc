// The loader: what execve does, at fixed places, so that two runs have the same addresses.
//
// The first stack is built as the kernel builds it, with four differences: AT_RANDOM is constant,
// the vdso is the stage's (the kernel's would let clock reads escape the tape), kAuxTable leads to
// the stage, and there is nothing of rseq. In
// replay the whole stack image comes from the tape, hence arguments, environment and auxiliary
// vector are the recorded ones whatever the machine says.
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "runtime/stage/clocks.h"
#include "runtime/stage/events.h"
#include "runtime/stage/gate.h"
#include "runtime/stage/layout.h"
#include "runtime/stage/load_elf.h"
#include "runtime/stage/raw.h"
#include "runtime/stage/report.h"
#include "runtime/stage/script.h"
#include "runtime/stage/signals.h"
#include "runtime/stage/start_state.h"
#include "runtime/stage/text.h"

namespace reprise::stage {
namespace {

StartState state;
Image executable, interpreter;

constexpr long kAuxRseqFeatureSize = 27, kAuxRseqAlign = 28;

uint64_t count(char** list) {
  uint64_t n = 0;
  while (list[n]) ++n;
  return n;
}

uint64_t string_bytes(char** list) {
  uint64_t bytes = 0;
  for (; *list; ++list) bytes += length(*list) + 1;
  return bytes;
}

// Writes pointers upwards and strings upwards, each in its own part of the stack.
class StackBuilder {
 public:
  StackBuilder(uint64_t words, uint64_t strings) : strings_(strings), words_(words) {}
  void word(uint64_t value) {
    *reinterpret_cast<uint64_t*>(words_) = value;
    words_ += 8;
  }
  uint64_t string(const char* text) {
    const uint64_t at = strings_;
    const size_t size = length(text) + 1;
    memcpy(reinterpret_cast<void*>(at), text, size);
    strings_ += size;
    return at;
  }
  void list(char** strings) {
    for (; *strings; ++strings) word(string(*strings));
    word(0);
  }
  uint64_t bytes(const uint8_t* data, size_t size) {
    const uint64_t at = strings_;
    memcpy(reinterpret_cast<void*>(at), data, size);
    strings_ += size;
    return at;
  }

 private:
  uint64_t strings_, words_;
};

// The kernel's entries that hold for the program too.
bool inherited(uint64_t type) {
  switch (type) {
    case AT_SYSINFO_EHDR:
    case AT_PLATFORM:
    case AT_BASE_PLATFORM:
    case kAuxRseqFeatureSize:
    case kAuxRseqAlign: return false;
    default: return true;
  }
}

uint64_t auxiliary_value(uint64_t type, uint64_t kernels, uint64_t random, uint64_t name) {
  switch (type) {
    case AT_PHDR: return executable.headers;
    case AT_PHNUM: return executable.header_count;
    case AT_PHENT: return sizeof(Elf64_Phdr);
    case AT_BASE: return interpreter.bias;
    case AT_ENTRY: return executable.entry;
    case AT_RANDOM: return random;
    case AT_EXECFN: return name;
    default: return kernels;
  }
}

uint64_t auxiliary_words(const uint64_t* auxv) {
  uint64_t n = 6;
  for (; auxv[0]; auxv += 2) n += inherited(auxv[0]) ? 2 : 0;
  return n;
}

// Returns the stack pointer of the first instruction; 0 if the arguments do not fit.
uint64_t build_stack(const char* path, char** argv, char** envp, const uint64_t* auxv) {
  constexpr uint8_t kRandom[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
  const uint64_t bytes = string_bytes(argv) + string_bytes(envp) + length(path) + 1 + sizeof kRandom;
  const uint64_t words = 1 + count(argv) + 1 + count(envp) + 1 + auxiliary_words(auxv);
  if (bytes + words * 8 > state.stack_bytes / 2) return 0;
  const uint64_t strings = (kStackEnd - 64 - bytes) & ~63ull;
  const uint64_t sp = (strings - words * 8) & ~15ull;
  StackBuilder stack(sp, strings);
  const uint64_t name = stack.string(path);
  const uint64_t random = stack.bytes(kRandom, sizeof kRandom);
  stack.word(count(argv));
  stack.list(argv);
  stack.list(envp);
  for (; auxv[0]; auxv += 2) {
    if (!inherited(auxv[0])) continue;
    stack.word(auxv[0]);
    stack.word(auxiliary_value(auxv[0], auxv[1], random, name));
  }
  stack.word(AT_SYSINFO_EHDR);
  stack.word(vdso_address());
  stack.word(kAuxTable);
  stack.word(table_address());
  stack.word(AT_NULL);
  stack.word(0);
  return sp;
}

// Whole pages between the two bounds; "unlimited" is the upper one.
uint64_t stack_limit() {
  rlimit limit = {};
  raw(SYS_getrlimit, RLIMIT_STACK, &limit);
  if (limit.rlim_cur <= kMinStackBytes) return kMinStackBytes;
  return limit.rlim_cur >= kMaxStackBytes ? kMaxStackBytes : page_down(limit.rlim_cur);
}

bool map_stack() {
  constexpr long kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_NORESERVE;
  const uint64_t base = kStackEnd - state.stack_bytes;
  return raw(SYS_mmap, base, state.stack_bytes, PROT_READ | PROT_WRITE, kFlags, -1, 0) == static_cast<long>(base);
}

// What ps shows, and what the program reads back by PR_GET_NAME: as execve would have set it.
void set_name(const char* path) {
  const char* base = path;
  for (const char* p = path; *p; ++p) {
    if (*p == '/') base = p + 1;
  }
  raw(SYS_prctl, PR_SET_NAME, base);
}

// gdb and ps find the program's auxiliary vector and arguments through the kernel. Needs no
// privilege; a kernel that refuses costs only them.
void tell_kernel(uint64_t sp) {
  auto* p = reinterpret_cast<uint64_t*>(sp) + 1;
  const uint64_t arguments = p[0];
  while (*p) ++p;
  const uint64_t environment = *++p ? *p : arguments;
  while (*p) ++p;
  uint64_t* const auxv = ++p;
  while (p[0]) p += 2;
  prctl_mm_map m = {};
  m.start_code = kExecutableBase;
  m.end_code = kExecutableBase + kPage;
  m.start_data = kExecutableBase + kPage;
  m.end_data = kExecutableBase + 2 * kPage;
  m.start_brk = m.brk = kBrkBase;
  m.start_stack = sp;
  m.arg_start = arguments;
  m.arg_end = m.env_start = environment;
  m.env_end = kStackEnd - 64;
  m.auxv = reinterpret_cast<decltype(m.auxv)>(auxv);
  m.auxv_size = reinterpret_cast<char*>(p + 2) - reinterpret_cast<char*>(auxv);
  m.exe_fd = ~0u;
  raw(SYS_prctl, PR_SET_MM, PR_SET_MM_MAP, &m, sizeof m, 0);
}

const char* load_files(long fd, long (*open_interpreter)()) {
  if (const char* wrong = load_elf(fd, kExecutableBase, &executable)) return wrong;
  if (!executable.interpreter[0]) return nullptr;
  const long linker = open_interpreter();
  if (linker < 0) return "its dynamic linker is not there";
  const char* wrong = load_elf(linker, kInterpreterBase, &interpreter);
  if (!wrong && live()) {
    identify(linker, &state.interpreter_file);
    state.interpreter_file.as_it_is = 1;
  }
  raw(SYS_close, linker);
  return wrong ? "its dynamic linker cannot be loaded" : nullptr;
}

void put_start(Thread& t) {
  char directory[4096] = {};
  raw(SYS_getcwd, directory, sizeof directory);
  const auto text = [](const char* s) { return Segment{reinterpret_cast<uint64_t>(s), static_cast<uint32_t>(length(s))}; };
  const auto file = [](FileIdentity& f) { return Segment{reinterpret_cast<uint64_t>(&f), f.bytes()}; };
  const Segment segments[] = {file(state.executable_file), file(state.interpreter_file), text(directory),
                              {state.sp, static_cast<uint32_t>(kStackEnd - state.sp)},
                              {reinterpret_cast<uint64_t>(&state), sizeof state}};
  put(t, tape::kStart, 0, 0, segments, 5);
}

void note_signals(Thread& t) {
  uint64_t mask = 0;
  raw(SYS_rt_sigprocmask, SIG_SETMASK, nullptr, &mask, 8);
  state.mask = t.mask = mask;
  for (int s = 1; s < kSignals; ++s) {
    Action action = {};
    raw(SYS_rt_sigaction, s, nullptr, &action, 8);
    if (action.handler == 1) state.ignored |= signal_bit(s);
  }
}

}  // namespace

StartState& start_state() { return state; }

const char* start_program(const char* path, char** argv, char** envp, const uint64_t* auxv) {
  Thread& t = first_thread();
  Script script;
  if (const char* wrong = follow_scripts(&path, &argv, &script)) return wrong;
  const long fd = raw(SYS_open, path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return fd == -ENOENT ? "there is no such file" : "it cannot be opened";
  identify(fd, &state.executable_file);
  state.executable_file.as_it_is = 1;
  Text(state.executable, sizeof state.executable) << state.executable_file.path;
  const char* wrong = load_files(fd, [] { return raw(SYS_open, executable.interpreter, O_RDONLY | O_CLOEXEC); });
  raw(SYS_close, fd);
  if (wrong) return wrong;
  state.stack_bytes = stack_limit();
  if (!map_stack()) return "its stack cannot be mapped";
  state.sp = build_stack(path, argv, envp, auxv);
  if (!state.sp) return "its arguments and environment are too long";
  state.pid = raw(SYS_getpid);
  state.tid = t.tid = raw(SYS_gettid);
  note_signals(t);
  put_start(t);
  set_name(path);
  tell_kernel(state.sp);
  return nullptr;
}

void start_from_tape() {
  Thread& t = first_thread();
  const Record* record = expect(t, tape::kStart, 0);
  if (record->segments != 5) fail(Verdict::broken, "the start on the tape is malformed");
  const Bytes recorded = segment(record, 4), image = segment(record, 3);
  if (recorded.size != sizeof state || image.size > kMinStackBytes) {
    fail(Verdict::bad_start, "the recording is of another version of the stage");
  }
  memcpy(&state, recorded.at, sizeof state);
  if (state.stack_bytes < kMinStackBytes || state.stack_bytes > kMaxStackBytes || image.size > state.stack_bytes) {
    fail(Verdict::broken, "the start on the tape is malformed");
  }
  const long fd = open_recorded(state.executable_file);
  if (load_files(fd, [] { return open_recorded(state.interpreter_file); })) {
    fail(Verdict::bad_start, "the executable or its dynamic linker cannot be loaded");
  }
  raw(SYS_close, fd);
  if (!map_stack()) fail(Verdict::bad_start, "the stack cannot be mapped");
  memcpy(reinterpret_cast<void*>(kStackEnd - image.size), image.at, image.size);
  t.mask = state.mask;
  t.tid = state.tid;
  for (int s = 1; s < kSignals; ++s) actions[s].handler = (state.ignored & signal_bit(s)) != 0;
  advance(0);
  set_name(state.executable);
  tell_kernel(state.sp);
}

Entry program_entry() { return {state.sp, interpreter.entry ? interpreter.entry : executable.entry}; }

long executable_status(const char* path) {
  struct stat status;
  uint8_t head[256];
  const long access = raw(SYS_faccessat2, AT_FDCWD, path, 1 /* X_OK */, AT_EACCESS);
  if (access < 0) return access;
  const long fd = raw(SYS_open, path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return fd;
  const bool regular = raw(SYS_fstat, fd, &status) == 0 && (status.st_mode & S_IFMT) == S_IFREG;
  const long n = raw(SYS_pread64, fd, head, sizeof head, 0);
  raw(SYS_close, fd);
  if (!regular) return -EACCES;
  return is_program(head, n) || (n > 2 && head[0] == '#' && head[1] == '!') ? 0 : -ENOEXEC;
}

}  // namespace reprise::stage
