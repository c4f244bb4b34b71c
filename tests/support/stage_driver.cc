// Runs the stage without the reprise command: the tape is the recording.
//
//   stage_driver STAGE TAPE record [-m] [-c] [-v] -- PROGRAM ARGS...
//   stage_driver STAGE TAPE replay [-m] [-v]
//
// The ring is a sparse gigabyte, so that a whole run fits and nobody has to drain it; a replay
// starts from the beginning of the same ring. The last line of the report (stderr, or the file
// named by STAGE_REPORT) reads
//   MODE events N bytes N fingerprint X memory X verdict N exit N
// followed by the stage's message, if any. Ends as the program ended.
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "runtime/seam/tape.h"

namespace {

using reprise::tape::Control;
using reprise::tape::Mode;

constexpr uint64_t kRingBytes = 1ull << 30;

struct Arguments {
  const char* stage;
  const char* tape;
  bool replay = false;
  uint32_t options = 0;
  std::vector<char*> program;
};

[[noreturn]] void stop(const char* what) {
  std::perror(what);
  std::exit(64);
}

bool parse(int argc, char** argv, Arguments* out) {
  if (argc < 4) return false;
  out->stage = argv[1];
  out->tape = argv[2];
  out->replay = !std::strcmp(argv[3], "replay");
  int i = 4;
  for (; i < argc && argv[i][0] == '-' && std::strcmp(argv[i], "--"); ++i) {
    if (argv[i][1] == 'm') out->options |= reprise::tape::kHashMemory;
    if (argv[i][1] == 'c') out->options |= reprise::tape::kStrictClock;
    if (argv[i][1] == 'v') out->options |= reprise::tape::kVerbose;
  }
  for (++i; i < argc; ++i) out->program.push_back(argv[i]);
  out->program.push_back(nullptr);
  return out->replay || out->program.size() > 1;
}

Control* map_tape(const Arguments& arguments, int* fd) {
  const size_t size = reprise::tape::kControlBytes + kRingBytes;
  *fd = open(arguments.tape, O_RDWR | O_CREAT | (arguments.replay ? 0 : O_TRUNC), 0600);
  if (*fd < 0) stop(arguments.tape);
  if (!arguments.replay && ftruncate(*fd, static_cast<off_t>(size))) stop("ftruncate");
  void* at = mmap(nullptr, sizeof(Control), PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
  if (at == MAP_FAILED) stop("mmap");
  return static_cast<Control*>(at);
}

void prepare(Control* control, const Arguments& arguments) {
  if (!arguments.replay) {
    control->magic = reprise::tape::kMagic;
    control->version = reprise::tape::kVersion;
    control->ring_bytes = kRingBytes;
    std::strcpy(control->policy, "fair");
    control->seed = 1;
  }
  control->mode = arguments.replay ? Mode::replay : Mode::record;
  control->options = arguments.options;
  control->parent_pid = getpid();
  control->until_event = ~0ull;
  control->finished = arguments.replay;
  control->read = 0;
  control->events = control->fingerprint = control->memory_hash = control->input_bytes = 0;
  control->verdict = reprise::tape::Verdict::none;
  control->exit_status = -1;
  control->final = 0;
  control->message[0] = 0;
}

[[noreturn]] void become_stage(Arguments& arguments, int fd, int report) {
  std::string tape_fd = std::to_string(fd), report_fd = std::to_string(report);
  std::vector<char*> argv = {const_cast<char*>(arguments.stage), tape_fd.data(), report_fd.data()};
  char dashes[] = "--";
  if (!arguments.replay) argv.push_back(dashes);
  for (char* argument : arguments.program) argv.push_back(argument);
  execv(arguments.stage, argv.data());
  stop(arguments.stage);
}

void report(const Control* control, const Arguments& arguments, int fd, int status) {
  dprintf(fd,
          "%s events %" PRIu64 " bytes %" PRIu64 " fingerprint %016" PRIx64 " memory %016" PRIx64
          " verdict %u exit %d status %d%s%s\n",
          arguments.replay ? "replay" : "record", control->events, control->written,
          control->fingerprint, control->memory_hash, static_cast<unsigned>(control->verdict),
          control->exit_status, status, control->message[0] ? " " : "", control->message);
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  if (!parse(argc, argv, &arguments)) {
    std::fprintf(stderr, "usage: stage_driver STAGE TAPE record|replay [-m] [-v] [-- PROGRAM...]\n");
    return 64;
  }
  int fd;
  Control* control = map_tape(arguments, &fd);
  prepare(control, arguments);
  const char* path = std::getenv("STAGE_REPORT");
  const int report_fd = path ? open(path, O_WRONLY | O_CREAT | O_APPEND, 0600) : dup(2);
  unsetenv("STAGE_REPORT");
  const pid_t child = fork();
  if (child < 0) stop("fork");
  if (child == 0) become_stage(arguments, fd, report_fd);
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
  }
  report(control, arguments, report_fd, status);
  if (WIFEXITED(status)) return WEXITSTATUS(status);
  signal(WTERMSIG(status), SIG_DFL);
  raise(WTERMSIG(status));
  return 128 + WTERMSIG(status);
}
