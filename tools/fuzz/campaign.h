// A campaign: many schedules of one program, by several fork servers at once, until something says stop.
//
// Schedules are counted from 0 and come in streams of kStream. A stream is one fork server with a fresh
// policy of the stream's own seed, which learns from run to run; nothing passes from one stream to another.
// So what a schedule is follows from its number alone, however many jobs there are and however the streams
// are dealt out to shards: shard I of N takes every N-th stream.
//
// With a corpus, what it holds is run first, and of each stream every fourth schedule goes on from the middle of
// something that it holds: then the schedules depend on the corpus too.
//
// Thread safety: one thread calls run(); it starts the others and waits for them.
#pragma once

#include <atomic>
#include <chrono>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "tools/cli/command.h"
#include "tools/cli/launch.h"
#include "tools/fuzz/corpus.h"
#include "tools/fuzz/failure.h"
#include "tools/fuzz/fork_server.h"
#include "tools/fuzz/keep.h"
#include "tools/fuzz/novelty.h"

namespace reprise::fuzz {

struct Plan {
  cli::FuzzOptions options;
  cli::Target target;
  std::string program;       // as the user called it, for messages
  std::string stage;
  std::string own_library;   // the absolute path of a policy that is one; else empty
  FailWhen fail_when;
  uint64_t seed = 0;
  uint64_t shard = 0, shards = 1;
};

// A failure that was seen, the first of its signature.
struct Found {
  Failure failure;
  uint64_t schedule = 0;     // its number
  uint64_t seed = 0, run = 0;  // of its stream, and its place there
  uint64_t times = 1;        // how often it was seen
  Kept kept;
};

struct Summary {
  std::vector<Found> found;
  uint64_t schedules = 0, distinct = 0;
  uint64_t from_corpus = 0, to_corpus = 0;  // schedules
  double chance = 1;         // that the next schedule does something new
  double seconds = 0;
  const char* ended_by = ""; // why no more were made
  std::string trouble;       // what made it impossible to go on; empty if nothing did
};

class Campaign {
 public:
  static constexpr uint64_t kStream = 250;

  explicit Campaign(Plan plan) : plan_(std::move(plan)) {}

  // Reads the corpus, if there is to be one. False and *why if that is impossible.
  bool open_corpus(std::string* why);
  Summary run();

 private:
  struct Stream {
    uint64_t index = 0, first = 0, count = 0;
  };

  void work();
  std::optional<Stream> next_stream();
  ServerOptions server_options(uint64_t seed) const;
  void run_corpus();                            // what it holds, as it is
  void vary(ForkServer& server, const Stream& stream, uint64_t index);
  void note(const Run& run, const ForkServer& server, const Failure* failure);
  bool explore(const Stream& stream);           // false: no more streams
  bool one(ForkServer& server, const Stream& stream, uint64_t index);
  void take(const Run& run, ForkServer& server, const Stream& stream, const Failure& failure);
  Found* claim(const Failure& failure, const Run& run, const Stream& stream);
  void stop(const char* why);
  void give_up(const std::string& trouble);
  void watch();                                 // until the jobs have ended
  bool enough();
  void show_progress(double seconds);
  uint64_t seed_of(uint64_t stream) const;
  uint64_t stream_length() const;
  std::string program_name() const;
  std::string trace_path(const Failure& failure) const;

  const Plan plan_;
  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> next_stream_{0};
  std::atomic<bool> corpus_taken_{false};
  std::atomic<unsigned> working_{0};
  std::chrono::steady_clock::time_point began_;
  std::mutex mutex_;                            // of all below
  std::map<uint64_t, Found> found_;             // by signature
  Novelty novelty_;
  Corpus corpus_;                               // `schedules` of it does not change while jobs run
  uint64_t kept_ = 0;                           // schedules that did not fail, put into the corpus
  const char* ended_by_ = nullptr;
  std::string trouble_;
  bool finished_ = false;                       // the policy has explored all there is
};

}  // namespace reprise::fuzz
