// Starting, asking, waiting, killing.
//
// The server is a process group of its own, so that a Ctrl-C reaches the parent alone and what runs leave
// behind can be ended with it. A run whose time is up is first asked to end by itself, by the stage, which
// then tells where every goroutine is; ten seconds later it is killed.
#include "tools/fuzz/fork_server.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "replay/observation.h"
#include "replay/watchdog.h"
#include "tools/cli/goroutines.h"
#include "tools/cli/outcome.h"

namespace reprise::fuzz {
namespace {

constexpr uint64_t kLookEveryNs = 20'000'000;
constexpr uint64_t kGraceNs = 10'000'000'000;
constexpr uint64_t kBootNs = 60'000'000'000;  // at least
constexpr off_t kMostOutput = 1 << 20;

uint64_t now_ns() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(t.tv_nsec);
}

template <typename T>
T load(T& word) { return std::atomic_ref<T>(word).load(std::memory_order_acquire); }
template <typename T>
void store(T& word, T value) { std::atomic_ref<T>(word).store(value, std::memory_order_release); }

void wake(uint32_t& word) { syscall(SYS_futex, &word, FUTEX_WAKE, INT32_MAX, nullptr, nullptr, 0); }

std::vector<char*> pointers(const std::vector<std::string>& strings) {
  std::vector<char*> out;
  for (const std::string& s : strings) out.push_back(const_cast<char*>(s.c_str()));
  out.push_back(nullptr);
  return out;
}

// Where what runs print is kept, if it is.
int open_output(bool kept) {
  if (!kept) return open("/dev/null", O_RDWR | O_CLOEXEC);
  const int file = memfd_create("reprise-output", MFD_CLOEXEC);
  if (file >= 0) fcntl(file, F_SETFL, O_APPEND);
  return file;
}

}  // namespace

ForkServer::ForkServer(ServerOptions options, const std::atomic<bool>& stop)
    : options_(std::move(options)), stop_(stop) {}

ForkServer::~ForkServer() {
  end_processes();
  if (output_ >= 0) close(output_);
}

void ForkServer::end_processes() {
  if (server_ <= 0) return;
  kill(-server_, SIGKILL);
  if (!gone_) waitpid(server_, &server_status_, 0);
  server_ = -1;
}

void ForkServer::set_control() {
  tape::Control& control = tape_.control();
  control.mode = options_.recorded ? tape::Mode::record : tape::Mode::run;
  control.seed = options_.seed;
  options_.policy.copy(control.policy, sizeof control.policy - 1);
  control.slice_ns = options_.slice_ns;
  control.options = options_.control_options;
  control.halt_wanted = 1;
  control.detached = 1;  // nobody makes room: a run that fills the tape goes on without
  control.read = -tape::kPrefixBytes;  // the end of the ring is taken
  control.forks.wanted = 1;
  control.forks.max_steps = options_.max_steps;
}

bool ForkServer::spawn(std::string* why) {
  const int report = fcntl(output_, F_DUPFD_CLOEXEC, 3);
  std::vector<std::string> words{options_.stage, std::to_string(tape_.fd()), std::to_string(report), "--"};
  words.insert(words.end(), options_.argv.begin(), options_.argv.end());
  std::vector<char*> argv = pointers(words), envp = pointers(options_.environment);
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  if (!options_.directory.empty()) posix_spawn_file_actions_addchdir_np(&files, options_.directory.c_str());
  if (options_.recorded) {
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  } else {
    posix_spawn_file_actions_adddup2(&files, output_, 0);
  }
  posix_spawn_file_actions_adddup2(&files, output_, 1);
  posix_spawn_file_actions_adddup2(&files, output_, 2);
  posix_spawn_file_actions_adddup2(&files, report, report);  // to itself: not closed by the exec
  posix_spawn_file_actions_adddup2(&files, tape_.fd(), tape_.fd());
  posix_spawnattr_t how;
  posix_spawnattr_init(&how);
  posix_spawnattr_setflags(&how, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&how, &none);
  posix_spawnattr_setsigdefault(&how, &all);
  const int failed = posix_spawn(&server_, argv[0], &files, &how, argv.data(), envp.data());
  posix_spawnattr_destroy(&how);
  posix_spawn_file_actions_destroy(&files);
  close(report);
  if (failed == 0) return true;
  server_ = -1;
  return *why = options_.stage + ": " + std::strerror(failed), false;
}

bool ForkServer::server_gone() {
  if (!gone_) gone_ = waitpid(server_, &server_status_, WNOHANG) == server_;
  return gone_;
}

bool ForkServer::start(std::string* why) {
  if (trace::Error e = tape_.create("", options_.tape_bytes, 64 << 10)) return *why = e.text(), false;
  if (options_.happenings != 0) {
    if (trace::Error e = trace::prepare_side(tape_, {}, options_.happenings, options_.deviations)) return *why = e.text(), false;
  }
  set_control();
  output_ = open_output(options_.recorded);
  if (output_ < 0) return *why = std::string("a file for output: ") + std::strerror(errno), false;
  if (!spawn(why)) return false;
  tape::Forks& forks = tape_.control().forks;
  const uint64_t began = now_ns();
  while (load(forks.reached) == 0) {
    const timespec limit{0, 2'000'000};
    syscall(SYS_futex, &forks.ended, FUTEX_WAIT, 0, &limit, nullptr, 0);
    if (stop_.load()) return *why = "stopped", false;
    const bool late = options_.timeout_ns != 0 && now_ns() - began > std::max(options_.timeout_ns, kBootNs);
    if (!late && (!server_gone() || load(forks.reached) != 0)) continue;
    const tape::Control& control = tape_.control();
    *why = late ? "the program does not come to its main"
                : "the program " + cli::describe(server_status_) + " before its main";
    if (control.message[0] != 0) *why += std::string(": ") + control.message;
    const std::string said = output();
    if (!said.empty()) *why += ":\n" + said;
    return false;
  }
  return true;
}

void ForkServer::begin_with(std::span<const tape::Record> decisions) {
  decisions = decisions.first(std::min<size_t>(decisions.size(), tape::kMostPrefix));
  std::memcpy(tape_.at(tape_.ring_bytes() - tape::kPrefixBytes), decisions.data(), decisions.size_bytes());
  tape_.control().forks.prefix = decisions.size();
}

void ForkServer::ask(uint64_t index) {
  tape::Forks& forks = tape_.control().forks;
  [[maybe_unused]] const int cut = ftruncate(output_, 0);  // a memory file of ours
  forks.run = index;
  std::atomic_ref(forks.asked).fetch_add(1, std::memory_order_seq_cst);
  wake(forks.asked);
}

void ForkServer::begin(uint64_t index) {
  index_ = index;
  began_ns_ = now_ns();
  ended_ = load(tape_.control().forks.ended);
  told_ = killed_ = false;
  goroutines_.clear();
  ask(index);
}

Run ForkServer::end() {
  if (await_end()) return result();
  Run lost;
  lost.index = index_;
  lost.end = stop_.load() ? Run::End::stopped : Run::End::lost;
  if (lost.end == Run::End::lost) lost.message = "the fork server " + cli::describe(server_status_) + "\n" + output();
  return lost;
}

bool ForkServer::await_end() {
  tape::Forks& forks = tape_.control().forks;
  trace::Watchdog spin;
  bool watched = false;
  while (load(forks.ended) == ended_) {
    const timespec limit{0, static_cast<long>(kLookEveryNs)};
    syscall(SYS_futex, &forks.ended, FUTEX_WAIT, ended_, &limit, nullptr, 0);
    if (load(forks.ended) != ended_) break;
    if (stop_.load() || server_gone()) return false;
    const int32_t child = load(forks.child);
    if (child <= 0) continue;
    if (!watched && options_.spin_ns != 0) spin.start(tape_.control(), child, options_.spin_ns);
    watched = true;
    spin.look();
    look_at_halted();
    end_overdue(child, now_ns() - began_ns_);
  }
  return true;
}

// The stage waits for this before it ends a run.
void ForkServer::look_at_halted() {
  tape::Control& control = tape_.control();
  if (load(control.halted) == 0) return;
  goroutines_ = cli::goroutine_report(load(control.forks.child), control, cli::Which::all);
  store(control.halted, 0u);
  wake(control.halted);
}

void ForkServer::end_overdue(pid_t child, uint64_t elapsed_ns) {
  if (options_.timeout_ns == 0 || elapsed_ns < options_.timeout_ns) return;
  tape::Control& control = tape_.control();
  if (!told_) {
    told_ = true;
    store(control.watchdog_asks, uint32_t{tape::kEndRun});
    syscall(SYS_tgkill, child, child, tape::kWatchdogSignal);
  } else if (elapsed_ns >= options_.timeout_ns + kGraceNs && !killed_) {
    killed_ = true;
    kill(child, SIGKILL);
  }
}

Run ForkServer::result() {
  const tape::Control& control = tape_.control();
  Run run;
  run.index = index_;
  run.end = control.forks.over ? Run::End::over : Run::End::finished;
  run.wait_status = control.forks.wait_status;
  run.verdict = control.verdict;
  run.overdue = told_;
  run.killed = killed_;
  run.had_children = control.had_children != 0;
  run.outcome = control.forks.outcome;
  const bool by_program = run.verdict == tape::Verdict::none || run.verdict == tape::Verdict::detached;
  run.message = by_program ? control.forks.message : control.message;
  run.goroutines = goroutines_;
  run.behaviour = control.forks.behaviour;
  run.steps = control.forks.steps;
  return run;
}

bool ForkServer::has_output() const {
  struct stat status {};
  return fstat(output_, &status) == 0 && status.st_size != 0;
}

std::string ForkServer::output() const {
  struct stat status {};
  if (output_ < 0 || fstat(output_, &status) != 0) return {};
  const off_t from = std::max<off_t>(0, status.st_size - kMostOutput);
  std::string text(static_cast<size_t>(status.st_size - from), '\0');
  const ssize_t n = pread(output_, text.data(), text.size(), from);
  text.resize(n > 0 ? static_cast<size_t>(n) : 0);
  return text;
}

}  // namespace reprise::fuzz
