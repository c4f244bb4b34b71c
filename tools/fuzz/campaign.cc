// The jobs, and who tells them to stop.
#include "tools/fuzz/campaign.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <thread>

#include "runtime/seam/fault_set.h"
#include "scheduler-policies/rng.h"
#include "tools/cli/outcome.h"
#include "tools/fuzz/report.h"

namespace reprise::fuzz {
namespace {

constexpr uint64_t kTrustedRuns = 100;  // fewer say nothing about what is still unseen
constexpr uint64_t kMostKept = 64;       // schedules that do not fail, for the corpus, a campaign
constexpr uint64_t kCorpusStream = 1u << 31;  // not one of the streams
constexpr auto kLookEvery = std::chrono::milliseconds(50);

volatile sig_atomic_t interrupted = 0;

void on_interrupt(int) { interrupted = 1; }

// While one lives, Ctrl-C and SIGTERM end the campaign and not the process.
class Interrupts {
 public:
  Interrupts() {
    interrupted = 0;
    struct sigaction action {};
    action.sa_handler = on_interrupt;
    sigaction(SIGINT, &action, &former_[0]);
    sigaction(SIGTERM, &action, &former_[1]);
  }
  ~Interrupts() {
    sigaction(SIGINT, &former_[0], nullptr);
    sigaction(SIGTERM, &former_[1], nullptr);
  }
  Interrupts(const Interrupts&) = delete;
  Interrupts& operator=(const Interrupts&) = delete;

 private:
  struct sigaction former_[2] {};
};

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

std::string Campaign::program_name() const { return plan_.program.substr(plan_.program.rfind('/') + 1); }

// Far apart, so that campaigns with seeds next to each other share no stream.
uint64_t Campaign::seed_of(uint64_t stream) const { return plan_.seed + (stream << 32); }

// An exhaustive policy keeps its place in its own memory: there is one stream of it.
uint64_t Campaign::stream_length() const { return plan_.options.policy == "exhaustive" ? UINT64_MAX : kStream; }

std::optional<Campaign::Stream> Campaign::next_stream() {
  const uint64_t length = stream_length();
  const uint64_t nth = next_stream_.fetch_add(1);
  Stream stream{nth * plan_.shards + plan_.shard, 0, length};
  if (length == UINT64_MAX && stream.index != 0) return {};
  stream.first = stream.index == 0 ? 0 : stream.index * length;
  const uint64_t limit = plan_.options.schedules;
  if (limit == 0) return stream;
  if (stream.first >= limit) return {};
  stream.count = std::min(length, limit - stream.first);
  return stream;
}

void Campaign::stop(const char* why) {
  const std::lock_guard hold(mutex_);
  if (ended_by_ == nullptr) ended_by_ = why;
  stop_ = true;
}

void Campaign::give_up(const std::string& trouble) {
  stop("trouble");
  const std::lock_guard hold(mutex_);
  if (trouble_.empty()) trouble_ = trouble;
}

std::string Campaign::trace_path(const Failure& failure) const {
  return fmt::format("{}/{}-{:016x}.rpz", plan_.options.failures, program_name(), failure.signature);
}

// Null if this failure has been seen before.
Found* Campaign::claim(const Failure& failure, const Run& run, const Stream& stream) {
  const std::lock_guard hold(mutex_);
  const auto [at, fresh] = found_.try_emplace(failure.signature);
  if (!fresh) return ++at->second.times, nullptr;
  at->second = {failure, stream.first + run.index, seed_of(stream.index), run.index, 1, {}};
  return &at->second;
}

void Campaign::take(const Run& run, ForkServer& server, const Stream& stream, const Failure& failure) {
  Found* found = claim(failure, run, stream);
  if (found == nullptr) return;
  mkdir(plan_.options.failures.c_str(), 0777);
  Kept kept = keep(run, server, plan_.target, trace_path(failure));
  const std::lock_guard hold(mutex_);
  found->kept = std::move(kept);
  report::failure(*found, plan_);
}

// False: this stream is over.
bool Campaign::one(ForkServer& server, const Stream& stream, uint64_t index) {
  const Run run = server.run(index);
  switch (run.end) {
    case Run::End::stopped: return false;
    case Run::End::lost: return give_up(run.message), false;
    case Run::End::over: {
      const std::lock_guard hold(mutex_);
      finished_ = true;
      return false;
    }
    case Run::End::finished: break;
  }
  const std::optional<Failure> failure = failure_of(run, server, plan_.fail_when);
  note(run, server, failure ? &*failure : nullptr);
  if (failure) take(run, server, stream, *failure);
  if (enough()) return false;
  return !run.killed;  // it may have been killed inside its policy, whose memory the next run would use
}

bool Campaign::enough() {
  const char* why = nullptr;
  {
    const std::lock_guard hold(mutex_);
    const cli::FuzzOptions& o = plan_.options;
    if (o.stop_after != 0 && found_.size() >= o.stop_after) why = "enough failures";
    if (novelty_.runs() >= kTrustedRuns && novelty_.chance_of_new() < o.until_chance) why = "nothing new is likely";
  }
  if (why != nullptr) stop(why);
  return why != nullptr;
}

// Counts it, and puts it into the corpus if it is worth that.
void Campaign::note(const Run& run, const ForkServer& server, const Failure* failure) {
  const std::lock_guard hold(mutex_);
  const bool fresh = novelty_.add(run.behaviour);
  const bool fails_anew = failure != nullptr && !found_.contains(failure->signature);
  if (plan_.options.corpus.empty() || run.killed || (!fails_anew && (!fresh || kept_ >= kMostKept))) return;
  Schedule schedule{program_name(), run.behaviour, {}, decisions_on(server.tape())};
  if (failure != nullptr) schedule.failure = failure->kind + ": " + failure->message;
  if (failure == nullptr) ++kept_;
  std::string why;
  if (!corpus_.add(schedule, &why)) cli::say("warning: " + why + "; nothing more goes into the corpus");
}

bool Campaign::open_corpus(std::string* why) {
  if (plan_.options.corpus.empty()) return true;
  std::vector<std::string> warnings;
  if (!corpus_.open(plan_.options.corpus, program_name(), why, &warnings)) return false;
  for (const std::string& warning : warnings) cli::say("warning: " + warning);
  return true;
}

void Campaign::run_corpus() {
  if (corpus_.schedules().empty() || corpus_taken_.exchange(true)) return;
  ForkServer server(server_options(seed_of(kCorpusStream)), stop_);
  std::string why;
  if (!server.start(&why)) {
    if (!stop_) give_up(why);
    return;
  }
  const Stream stream{kCorpusStream, 0, corpus_.schedules().size()};
  for (uint64_t i = 0; i < stream.count && !stop_; ++i) {
    server.begin_with(corpus_.schedules()[i].decisions);
    if (!one(server, stream, i)) break;
  }
}

// Every fourth schedule begins as a random one of the corpus did, up to a random decision.
void Campaign::vary(ForkServer& server, const Stream& stream, uint64_t index) {
  const std::vector<Schedule>& known = corpus_.schedules();
  if (known.empty() || plan_.options.policy == "exhaustive") return;
  if (index % 4 != 3) return server.begin_with({});
  seam::Rng rng(seed_of(stream.index), index);
  const std::vector<tape::Record>& decisions = known[rng.below(known.size())].decisions;
  server.begin_with(std::span(decisions).first(rng.below(decisions.size() + 1)));
}

ServerOptions Campaign::server_options(uint64_t seed) const {
  ServerOptions options;
  options.argv = plan_.target.argv;
  options.stage = plan_.stage;
  options.environment = cli::environment();
  options.policy = plan_.own_library.empty() ? plan_.options.policy : plan_.own_library;
  options.seed = seed;
  options.max_steps = plan_.options.max_steps;
  options.slice_ns = cli::kSliceMicroseconds * 1000;
  options.control_options = cli::world_control(plan_.options) | seam::kEndsStuck;
  if (plan_.fail_when.any_leak) options.control_options |= seam::kSeesAllLeaks;
  options.tape_bytes = plan_.options.tape_mib << 20;
  options.timeout_ns = cli::nanoseconds(plan_.options.timeout_s);
  options.spin_ns = options.timeout_ns;
  return options;
}

bool Campaign::explore(const Stream& stream) {
  ForkServer server(server_options(seed_of(stream.index)), stop_);
  std::string why;
  if (!server.start(&why)) {
    if (!stop_) give_up(why);
    return false;
  }
  for (uint64_t index = 0; index < stream.count && !stop_; ++index) {
    vary(server, stream, index);
    if (!one(server, stream, index)) break;
  }
  return !stop_;
}

void Campaign::work() {
  run_corpus();
  while (!stop_) {
    const std::optional<Stream> stream = next_stream();
    if (!stream || !explore(*stream)) break;
  }
  --working_;
}

void Campaign::show_progress(double seconds) {
  const std::lock_guard hold(mutex_);
  fmt::print(stderr, "\r{}", report::progress(novelty_, found_.size(), seconds));
  std::fflush(stderr);
}

void Campaign::watch() {
  const bool terminal = isatty(STDERR_FILENO) != 0;
  auto shown = began_;
  while (working_ != 0) {
    std::this_thread::sleep_for(kLookEvery);
    const double seconds = seconds_since(began_);
    if (interrupted) stop("interrupted");
    if (plan_.options.seconds > 0 && seconds >= plan_.options.seconds) stop("time is over");
    if (!terminal || seconds_since(shown) < 0.5) continue;
    shown = std::chrono::steady_clock::now();
    show_progress(seconds);
  }
  if (terminal) fmt::print(stderr, "\r\033[K");
}

Summary Campaign::run() {
  const Interrupts interrupts;
  began_ = std::chrono::steady_clock::now();
  working_ = plan_.options.jobs;
  std::vector<std::thread> jobs;
  sigset_t ours, former;
  sigemptyset(&ours);
  sigaddset(&ours, SIGINT);
  sigaddset(&ours, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &ours, &former);
  for (unsigned i = 0; i < plan_.options.jobs; ++i) jobs.emplace_back([this] { work(); });
  pthread_sigmask(SIG_SETMASK, &former, nullptr);
  watch();
  for (std::thread& job : jobs) job.join();
  Summary summary;
  for (auto& [signature, found] : found_) summary.found.push_back(std::move(found));
  std::sort(summary.found.begin(), summary.found.end(),
            [](const Found& a, const Found& b) { return a.schedule < b.schedule; });
  summary.schedules = novelty_.runs();
  summary.distinct = novelty_.distinct();
  summary.chance = finished_ ? 0 : novelty_.chance_of_new();
  summary.from_corpus = corpus_.schedules().size();
  summary.to_corpus = corpus_.added();
  summary.seconds = seconds_since(began_);
  summary.ended_by = ended_by_ != nullptr ? ended_by_ : finished_ ? "all there are" : "as many as asked for";
  summary.trouble = trouble_;
  return summary;
}

}  // namespace reprise::fuzz
