// One record-replay pair: what a recorded run and its replay came to, and whether they are the same.
//
// Thread safety: none, and the process must have one thread: it forks. A Pairs owns a temporary folder
// and uses it for one pair at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace reprise::property {

struct Run {
  std::string output;    // standard output
  std::string errors;    // standard error, without the command's own lines
  std::string remarks;   // those lines
  int wait_status = 0;
  bool hung = false;     // killed after kLimitSeconds

  std::string end() const;  // in words: exit, panic, deadlock, signal
};
inline constexpr int kLimitSeconds = 60;

// What to run: everything that a pair depends on.
struct Case {
  std::string program;     // takes the script as its argument
  std::string policy;
  uint64_t seed = 0;
  uint64_t slice_us = 10'000;  // of `fair`, in counted code
  bool hash_memory = true;
  std::string script;
};

class Pairs {
 public:
  // `reprise`: the command.
  explicit Pairs(std::string reprise);
  ~Pairs();
  Pairs(const Pairs&) = delete;
  Pairs& operator=(const Pairs&) = delete;

  // Records and replays. Empty if the two are the same, else what differs.
  std::string difference(const Case& c);

  // The recorded run of the last pair.
  const Run& recorded() const { return recorded_; }

  // The trace of the last pair.
  std::string trace() const { return folder_ + "/pair.rpz"; }

  // The command that records the last pair by hand.
  std::string record_command(const Case& c) const;

 private:
  Run run(const std::function<int()>& main);
  Run record(const Case& c);
  Run replay(const Case& c);
  std::vector<std::string> record_words(const Case& c) const;
  std::vector<std::string> replay_words(const Case& c) const;

  std::string reprise_, folder_;
  int output_ = -1, errors_ = -1;  // what a run writes; files in memory
  uint64_t count_ = 0;
  Run recorded_;
};

}  // namespace reprise::property
