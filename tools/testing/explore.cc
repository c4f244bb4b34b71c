// The parent of an exploration: options, children, confirmation, the report.
//
// Invariants: the parent runs no body, so it stays as it was; a child is forked while a policy is
// installed, when one P and one thread do everything, so that it inherits nothing half done.
#include <reprise/explore.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <new>

#include "runtime/boot/boot.h"
#include "runtime/sched/here.h"
#include "runtime/sched/proc.h"
#include "runtime/sched/seam.h"
#include "runtime/seam/catalog.h"
#include "runtime/seam/fault_set.h"
#include "scheduler-policies/fair_suffix.h"
#include "scheduler-policies/fault_rate.h"
#include "tools/testing/child.h"
#include "tools/testing/trace.h"

namespace reprise {

namespace {

using testing::Answer;
using testing::Board;
using testing::ChildTask;

constexpr int kHangSeconds = 30;

[[noreturn]] void usage_error(const std::string& text) {
  rt::throw_("explore: " + text);
}

uint64_t number_from(const char* variable, uint64_t otherwise) {
  const char* text = std::getenv(variable);
  if (text == nullptr || *text == 0) return otherwise;
  char* end = nullptr;
  errno = 0;
  const uint64_t value = std::strtoull(text, &end, 0);
  if (errno != 0 || *end != 0) usage_error(std::string(variable) + "=" + text + " is no number");
  return value;
}

ExploreOptions from_environment(ExploreOptions options) {
  options.seed = number_from("REPRISE_SEED", options.seed);
  options.schedules = number_from("REPRISE_SCHEDULES", options.schedules);
  const uint64_t seconds = number_from("REPRISE_TIME", 0);
  if (seconds != 0) {
    options.time = std::chrono::seconds(seconds);
    if (std::getenv("REPRISE_SCHEDULES") == nullptr) options.schedules = UINT64_MAX;
  }
  if (const char* policy = std::getenv("REPRISE_POLICY")) options.policy = policy;
  return options;
}

std::unique_ptr<seam::Policy> policy_of(const ExploreOptions& options) {
  std::string error;
  auto policy = seam::make_policy(options.policy, options.seed, &error);
  if (policy == nullptr) usage_error(error);
  if (options.policy != "exhaustive") {
    policy = std::make_unique<seam::FaultRatePolicy>(std::move(policy), options.seed, options.fault_rate);
  }
  return std::make_unique<seam::FairSuffixPolicy>(std::move(policy), options.max_steps / 2);
}

testing::World world_of(const ExploreOptions& options) {
  testing::World world;
  if (options.world != "real" && options.world != "simulated") {
    usage_error("world \"" + options.world + "\": there are real and simulated");
  }
  world.simulated = options.world == "simulated";
  if (!seam::parse_faults(options.faults, &world.faults)) {
    usage_error("faults \"" + options.faults + "\": none, all, or some of net,partition,file");
  }
  if (world.faults != 0 && !world.simulated) usage_error("faults need the simulated world");
  return world;
}

// A board in memory that parent and children share.
class SharedBoard {
 public:
  SharedBoard() {
    const int sharing = rt::seam_active ? MAP_PRIVATE : MAP_SHARED;  // under the stage there are no children
    void* at = mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, sharing | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) usage_error("no memory to share with a child");
    board_ = static_cast<Board*>(at);  // zero pages are a Board
  }
  ~SharedBoard() { munmap(board_, sizeof(Board)); }
  SharedBoard(const SharedBoard&) = delete;
  SharedBoard& operator=(const SharedBoard&) = delete;
  Board* operator->() { return board_; }
  Board* get() { return board_; }

 private:
  Board* board_;
};

// While one lives the process has one P, on the main thread.
class OneP {
 public:
  OneP() : placeholder_({}) { rt::seam_set_policy_for_test(&placeholder_); }
  ~OneP() { rt::seam_set_policy_for_test(nullptr); }
  OneP(const OneP&) = delete;
  OneP& operator=(const OneP&) = delete;

 private:
  testing::FollowAnswers placeholder_;
};

void send_output_to(int fd) {
  dup2(fd, STDOUT_FILENO);
  dup2(fd, STDERR_FILENO);
}

// Forks, runs f in the child with its output sent to `output`, returns the wait status. A child that makes
// no progress is killed; *hung says so.
template <class F>
int in_child(Board* board, int output, bool* hung, F f) {
  fflush(stdout);
  fflush(stderr);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) usage_error(std::string("fork: ") + std::strerror(errno));
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    const rlimit none{0, 0};
    setrlimit(RLIMIT_CORE, &none);
    send_output_to(output);
    f();
    _exit(0);
  }
  const int watch = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  pollfd poller{watch, POLLIN, 0};
  uint64_t seen = UINT64_MAX;
  for (int idle = 0; watch >= 0 && poll(&poller, 1, 1000) == 0;) {
    const uint64_t now = board->run.load() * 0x9e3779b97f4a7c15 + board->log.count;
    idle = now == seen ? idle + 1 : 0;
    seen = now;
    if (idle < kHangSeconds) continue;
    *hung = true;
    kill(pid, SIGKILL);
    break;
  }
  if (watch >= 0) close(watch);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  return status;
}

// What killed the child, if it did not say itself.
void blame_status(Board* board, int status, bool hung) {
  if (board->kind != FailureKind::none) return;
  if (hung) return board->fail(FailureKind::hang, "no scheduling point for 30 s");
  if (WIFSIGNALED(status)) return board->fail(FailureKind::crash, strsignal(WTERMSIG(status)));
  if (WEXITSTATUS(status) == 0) {
    return board->fail(FailureKind::exited, "the body ended the process");
  }
  board->fail(FailureKind::exited, "the body ended the process with status " +
                                       std::to_string(WEXITSTATUS(status)));
}

std::vector<Answer> answers_of(const Board* board) {
  if (board->log.count > testing::AnswerLog::kRoom) return {};
  return {board->log.answers, board->log.answers + board->log.count};
}

std::string read_all(int fd) {
  std::string text;
  char buffer[4096];
  lseek(fd, 0, SEEK_SET);
  for (ssize_t n; (n = read(fd, buffer, sizeof buffer)) > 0;) text.append(buffer, static_cast<size_t>(n));
  return text;
}

std::string program_path() {
  char path[4096];
  const ssize_t size = readlink("/proc/self/exe", path, sizeof path);
  return size > 0 ? std::string(path, static_cast<size_t>(size)) : "PROGRAM";
}

// Writes the schedule's file; says how to run it.
void keep(const ExploreOptions& options, const std::vector<Answer>& answers, Failure* failure) {
  const char* given = std::getenv("REPRISE_FAILURES");
  const std::string folder = given != nullptr ? given : "reprise-failures";
  mkdir(folder.c_str(), 0777);
  std::string error;
  const std::string origin = "policy " + options.policy + " seed " + std::to_string(options.seed) +
                             " run " + std::to_string(failure->run);
  std::string file_name = options.name;
  std::replace(file_name.begin(), file_name.end(), '/', '.');  // of tests with parameters
  const std::string path = folder + "/" + file_name + ".schedule";
  if (!testing::write_schedule(path, {options.name, origin, answers}, &error)) {
    failure->report += error + "\n";
    return;
  }
  char* absolute = realpath(path.c_str(), nullptr);
  failure->file = absolute != nullptr ? absolute : path;
  std::free(absolute);
  failure->replay_command = "REPRISE_REPLAY=" + failure->file + " " + program_path();
  if (!options.replay_arguments.empty()) failure->replay_command += " " + options.replay_arguments;
}

class Explorer {
 public:
  Explorer(const ExploreOptions& options, const std::function<void()>& body,
           const ExploreFramework& framework)
      : options_(options), body_(body), framework_(framework) {
    task_ = {&options_, &body_, &framework_, board_.get(), 0, {}, world_of(options_)};
    task_.until = options_.time.count() == 0 ? std::chrono::steady_clock::time_point::max()
                                             : std::chrono::steady_clock::now() + options_.time;
  }

  Exploration run() {
    const int quiet = open("/dev/null", O_WRONLY | O_CLOEXEC);
    const OneP one_p;
    while (!over()) run_batch(quiet);
    close(quiet);
    Exploration result{board_->done, board_->finished, {}};
    if (board_->kind != FailureKind::none) {
      result.schedules = board_->run + 1;
      result.failure = options_.confirm ? confirmed() : unconfirmed();
    }
    return result;
  }

  Exploration replay(const std::string& path) {
    testing::ScheduleFile schedule;
    std::string error;
    if (!testing::read_schedule(path, &schedule, &error)) usage_error(error);
    if (schedule.name != options_.name) return {};
    if (rt::seam_active) {
      testing::repeat_recorded(task_, schedule.answers);
    } else {
      testing::repeat(task_, std::move(schedule.answers));
    }
    Exploration result{1, false, {}};
    if (board_->kind != FailureKind::none) {
      result.failure = {.kind = board_->kind, .message = board_->message, .confirmed = true, .file = path};
    }
    return result;
  }

 private:
  bool over() {
    return board_->kind != FailureKind::none || board_->finished || board_->done >= options_.schedules ||
           std::chrono::steady_clock::now() >= task_.until;
  }

  void run_batch(int output) {
    const uint64_t left = options_.schedules - board_->done;
    const uint64_t batch = options_.batch == 0 ? left : std::min(left, options_.batch);
    board_->run = board_->done;
    task_.last = board_->done + batch;
    bool hung = false;
    const int status =
        in_child(board_.get(), output, &hung, [&] { testing::search(task_, policy_of(options_)); });
    const bool time_up = std::chrono::steady_clock::now() >= task_.until;
    const bool whole = board_->finished || board_->done == task_.last || (time_up && status == 0);
    if (!whole) blame_status(board_.get(), status, hung);
  }

  Failure unconfirmed() {
    return {.kind = board_->kind, .message = board_->message, .run = board_->run};
  }

  Failure confirmed() {
    Failure failure = unconfirmed();
    const std::vector<Answer> answers = answers_of(board_.get());
    board_->kind = FailureKind::none;
    board_->finished = false;
    bool hung = false;
    const int output = memfd_create("report", MFD_CLOEXEC);
    const int status =
        in_child(board_.get(), output, &hung, [&] { testing::repeat(task_, answers); });
    if (!board_->finished) blame_status(board_.get(), status, hung);
    failure.confirmed = same_failure(failure);
    failure.report = read_all(output);
    close(output);
    keep(options_, answers, &failure);
    if (wants_trace(failure)) testing::record_trace(options_, &failure);
    return failure;
  }

  // A hang would have to be watched for as long again.
  bool wants_trace([[maybe_unused]] const Failure& failure) const {
#ifdef REPRISE_SANITIZED
    return false;
#else
    const char* const stage = std::getenv("REPRISE_STAGE");
    const bool wanted = options_.trace && (stage == nullptr || std::strcmp(stage, "0") != 0);
    return wanted && failure.confirmed && !failure.file.empty() && failure.kind != FailureKind::hang;
#endif
  }

  bool same_failure(const Failure& failure) {
    return board_->kind == failure.kind && failure.message == board_->message;
  }

  const ExploreOptions options_;
  const std::function<void()>& body_;
  const ExploreFramework& framework_;
  SharedBoard board_;
  ChildTask task_;
};

}  // namespace

std::string_view name_of(FailureKind kind) {
  constexpr std::string_view kNames[] = {"none", "panic", "fatal error", "crash", "failed expectation",
                                         "deadlock", "leak", "livelock", "hang", "exit", "race"};
  return kNames[static_cast<size_t>(kind)];
}

Exploration explore(const ExploreOptions& options, const std::function<void()>& body,
                    const ExploreFramework& framework) {
  if (rt::goroutine_here() == nullptr) {
    usage_error("not called on a goroutine. The program's main must be that of REPRISE_MAIN; for tests link reprise_gtest_main in place of "
                "GTest::gtest_main");
  }
  const char* const path = std::getenv("REPRISE_REPLAY");
  if (rt::seam_active && (path == nullptr || rt::stage_table() == nullptr)) {
    usage_error("the program is under a policy already: start it directly");
  }
  Explorer explorer(from_environment(options), body, framework);
  if (path != nullptr) return explorer.replay(path);
  return explorer.run();
}

Exploration explore(const ExploreOptions& options, const std::function<void()>& body) {
  return explore(options, body, {});
}

std::string describe(const ExploreOptions& given, const Exploration& exploration) {
  const ExploreOptions options = from_environment(given);
  const std::string tried = std::to_string(exploration.schedules) + " schedules of " + options.policy +
                            ", seed " + std::to_string(options.seed);
  if (!exploration.failure) {
    return exploration.finished ? "no failure; all there are: " + tried : "no failure in " + tried;
  }
  const Failure& failure = *exploration.failure;
  std::string text = std::string(name_of(failure.kind)) + ": " + failure.message + "\nafter " + tried + "\n";
  if (!failure.confirmed) {
    text += "not confirmed: a fresh process does not fail in this schedule, so it depends on the schedules "
            "before it, or on something that no policy decides\n";
  }
  text += failure.report;
  if (!failure.replay_command.empty()) text += "once more: " + failure.replay_command + "\n";
  if (!failure.trace_trouble.empty()) text += "no trace: " + failure.trace_trouble + "\n";
  if (failure.trace.empty()) return text;
  text += "trace:   " + failure.trace + "\nreplay:  reprise replay " + failure.trace + "\nexplain: reprise explain " + failure.trace;
  text += "\nshrink:  reprise shrink " + failure.trace + " -o " + failure.trace.substr(0, failure.trace.size() - 4) + ".min.rpz\n";
  return text;
}

}  // namespace reprise
