// Running a trace's program again, each run under a scribe in a process of its own.
//
// A run that hangs is killed with all that it started: each worker leads a process group. Whoever ends this
// command by a signal ends the groups too.
#include "tools/cli/experiment.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>

#include "replay/trace_writer.h"
#include "runtime/seam/fault_set.h"
#include "tools/cli/command.h"
#include "tools/cli/launch.h"
#include "tools/cli/outcome.h"

namespace reprise::cli {
namespace {

using Clock = std::chrono::steady_clock;

// Process groups to be killed if this process is.
constexpr size_t kMaxJobs = 64;
std::atomic<pid_t> groups[kMaxJobs];

void kill_groups(int sig) {
  for (auto& group : groups)
    if (const pid_t pid = group.load()) kill(-pid, SIGKILL);
  signal(sig, SIG_DFL);
  raise(sig);
}

void catch_signals() {
  static const bool once = [] {
    for (const int sig : {SIGINT, SIGTERM, SIGHUP}) signal(sig, kill_groups);
    return true;
  }();
  static_cast<void>(once);
}

// What a worker tells beside the tape, in memory that both have.
struct Told {
  bool started;
  int wait_status;
  char error[512];
};

Told* shared_told() {
  void* at = mmap(nullptr, sizeof(Told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  return at == MAP_FAILED ? nullptr : static_cast<Told*>(at);
}

void tell_error(Told& told, const std::string& text) {
  std::strncpy(told.error, text.c_str(), sizeof told.error - 1);
}

void without_streams() {
  const int null = open("/dev/null", O_RDWR);
  for (const int fd : {0, 1, 2}) dup2(null, fd);
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
}

}  // namespace

struct Experiment::Worker {
  Worker() = default;
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  ~Worker() {
    if (told != nullptr) munmap(told, sizeof *told);
    if (watch >= 0) close(watch);
  }

  trace::TapeFile tape;
  Told* told = nullptr;
  std::string output;         // a trace to be made; empty: none
  trace::TraceReader* from = nullptr;  // a trace to be replayed; null: the program starts anew
  size_t slot = 0;
  pid_t pid = -1;
  int watch = -1;
  Clock::time_point until;
};

Experiment::Experiment(trace::TraceReader& reader, std::string stage, std::string pack_root, Options options)
    : reader_(reader), stage_(std::move(stage)), pack_root_(std::move(pack_root)), options_(options) {
  options_.jobs = std::clamp<unsigned>(options_.jobs, 1, kMaxJobs);
  if (options_.limit_s == 0) {
    const double recorded = reader_.footer() ? static_cast<double>(reader_.footer()->duration_ns) / 1e9 : 0;
    options_.limit_s = 10 + 3 * recorded;
  }
  catch_signals();
  const trace::Header& header = reader_.header();
  if (options_.anew || !pack_root_.empty() || (header.options & tape::kStrict) != 0) return;
  tape::Control control{};
  set_control(control, tape::Mode::run);
  served_ = std::make_unique<ServedRuns>(header, stage_, control.options, options_.jobs, options_.limit_s, options_.watchdog_s);
}

void Experiment::set_control(tape::Control& control, tape::Mode mode) const {
  const trace::Header& header = reader_.header();
  const std::string policy = mode == tape::Mode::replay ? header.policy : "steered";
  policy.copy(control.policy, sizeof control.policy - 1);
  pack_root_.copy(control.file_root, sizeof control.file_root - 1);
  control.mode = mode;
  control.seed = header.seed;
  control.slice_ns = kSliceMicroseconds * 1000;
  control.options = (header.options & (tape::kStrict | tape::kStrictClock | seam::kWorldOptions)) | option(tape::kReplayQuiet, true);
}

namespace {

// The worker's own work, up to the end of the program.
class Scribing {
 public:
  Scribing(trace::TapeFile& tape, Told& told) : tape_(tape), told_(told) {}

  // `from`: a trace to be replayed; null: the program of `header` starts anew, recorded to `output` if that
  // is not empty.
  void run(const std::string& stage, const trace::Header& header, double watchdog_s, const std::string& output,
           trace::TraceReader* from) {
    trace::TraceWriter writer;
    if (!output.empty()) {
      trace::Error failed = writer.open(output);
      if (!failed) failed = writer.begin(header);
      if (failed) return tell_error(told_, failed.text());
    }
    trace::Scribe scribe(tape_);
    scribe.watch(nanoseconds(watchdog_s));
    scribe.on_halt([](pid_t) {});
    if (!output.empty()) scribe.take_child_output();
    const int report = dup(2);
    std::string why;
    const std::vector<std::string> program = from != nullptr ? std::vector<std::string>{} : header.arguments;
    if (!scribe.start(stage_argv(stage, tape_, report, program), header.environment, report, &why)) {
      return tell_error(told_, why);
    }
    told_.started = true;
    const trace::RunEnd end =
        from != nullptr ? scribe.replay(*from) : scribe.record(output.empty() ? nullptr : &writer, header.redacted);
    told_.wait_status = end.wait_status;
    if (end.trace_error) tell_error(told_, end.trace_error.text());
    if (!output.empty()) finish(writer, end);
  }

 private:
  void finish(trace::TraceWriter& writer, const trace::RunEnd& end) {
    const tape::Control& control = tape_.control();
    trace::Footer footer;
    footer.wait_status = end.wait_status;
    footer.events = control.events;
    footer.fingerprint = control.fingerprint;
    footer.duration_ns = end.duration_ns;
    if (control.verdict == tape::Verdict::detached) footer.cut_off = "the program left the tape";
    if (trace::Error failed = writer.finish(footer)) tell_error(told_, failed.text());
  }

  trace::TapeFile& tape_;
  Told& told_;
};

}  // namespace

// Nothing if the worker runs; else what there is to say instead.
std::optional<Tried> Experiment::start(Worker& worker, const trace::Deviations& deviations,
                                       uint64_t happenings) {
  const auto failed = [](const std::string& text) {
    Tried tried;
    tried.error = text;
    return tried;
  };
  const trace::Header& header = reader_.header();
  trace::Error e = worker.tape.create("", trace::kRingBytes, 0);
  if (!e) e = trace::prepare_side(worker.tape, deviations, happenings);
  if (e) return failed(e.text());
  worker.told = shared_told();
  if (worker.told == nullptr) return failed("no memory to share with a worker");
  const bool replays = worker.from != nullptr;
  const tape::Mode fresh = worker.output.empty() ? tape::Mode::run : tape::Mode::record;
  set_control(worker.tape.control(), replays ? tape::Mode::replay : fresh);
  trace::Header next = header;
  next.policy = "steered";
  next.format_version = trace::kFormatVersion;
  next.tape_version = tape::kVersion;
  next.reprise_version = REPRISE_VERSION;
  next.options = worker.tape.control().options & ~uint32_t{tape::kReplayQuiet};
  std::fflush(nullptr);
  worker.pid = fork();
  if (worker.pid < 0) return failed(std::string("fork: ") + std::strerror(errno));
  if (worker.pid == 0) {
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (const int sig : {SIGINT, SIGTERM, SIGHUP}) signal(sig, SIG_DFL);
    without_streams();
    if (!replays && chdir(header.working_directory.c_str()) != 0) {
      tell_error(*worker.told, header.working_directory + ": " + std::strerror(errno));
      _exit(1);
    }
    worker.tape.control().parent_pid = getpid();
    Scribing scribing(worker.tape, *worker.told);
    scribing.run(stage_, next, options_.watchdog_s, worker.output, worker.from);
    _exit(0);
  }
  setpgid(worker.pid, worker.pid);
  groups[worker.slot] = worker.pid;
  worker.watch = static_cast<int>(syscall(SYS_pidfd_open, worker.pid, 0));
  worker.until = Clock::now() + std::chrono::milliseconds(static_cast<int64_t>(options_.limit_s * 1000));
  return std::nullopt;
}

Tried Experiment::finish(Worker& worker) {
  Tried tried;
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(worker.until - Clock::now()).count();
  pollfd poller{worker.watch, POLLIN, 0};
  int ready = 0;
  while ((ready = poll(&poller, 1, static_cast<int>(std::max<int64_t>(left, 0)))) < 0 && errno == EINTR) continue;
  tried.timed_out = ready == 0;
  if (tried.timed_out) kill(-worker.pid, SIGKILL);
  int status = 0;
  while (waitpid(worker.pid, &status, 0) < 0 && errno == EINTR) continue;
  kill(-worker.pid, SIGKILL);  // what the program left behind
  groups[worker.slot] = 0;
  tried.error = worker.told->error;
  if (!tried.error.empty() || tried.timed_out) return tried;
  if (!worker.told->started) return tried.error = "the run did not start", tried;
  tried.wait_status = worker.told->wait_status;
  tried.verdict = worker.tape.control().verdict;
  tried.events = worker.tape.control().events;
  tried.fingerprint = worker.tape.control().fingerprint;
  tried.seen = trace::observation_of(worker.tape);
  tried.ending = ending_of(tried.seen, tried.wait_status, worker.tape.control());
  return tried;
}

Tried Experiment::replay(uint64_t happenings) {
  Worker worker;
  reader_.rewind();
  worker.from = &reader_;
  const std::optional<Tried> failed = start(worker, {}, happenings);
  return failed ? *failed : finish(worker);
}

std::vector<Tried> Experiment::runs(const std::vector<trace::Deviations>& lists) {
  if (served_ != nullptr) {
    std::vector<Tried> out;
    if (served_->runs(lists, &out)) return out;
    served_.reset();
  }
  return runs_anew(lists);
}

bool Experiment::stop_serving() {
  const bool has_served = served_ != nullptr && served_->has_served();
  served_.reset();
  return has_served;
}

std::vector<Tried> Experiment::runs_anew(const std::vector<trace::Deviations>& lists) {
  std::vector<Tried> out(lists.size());
  for (size_t at = 0; at < lists.size(); at += options_.jobs) {
    const size_t size = std::min<size_t>(options_.jobs, lists.size() - at);
    std::vector<std::unique_ptr<Worker>> workers;
    std::vector<bool> running(size);
    for (size_t i = 0; i < size; ++i) {
      workers.push_back(std::make_unique<Worker>());
      workers[i]->slot = i;
      const std::optional<Tried> failed = start(*workers[i], lists[at + i], trace::kHappenings);
      running[i] = !failed;
      if (failed) out[at + i] = *failed;
    }
    for (size_t i = 0; i < size; ++i)
      if (running[i]) out[at + i] = finish(*workers[i]);
  }
  return out;
}

Tried Experiment::record(const trace::Deviations& deviations, const std::string& output, const Ending& like) {
  Worker worker;
  worker.output = output;
  const std::optional<Tried> failed = start(worker, deviations, trace::kHappenings);
  Tried tried = failed ? *failed : finish(worker);
  if (tried.error.empty() && !tried.timed_out && tried.ending.same_as(like)) return tried;
  unlink(output.c_str());
  unlink(trace::part_path(output).c_str());
  return tried;
}

}  // namespace reprise::cli
