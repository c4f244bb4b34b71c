// The parent's side of a fork server (runtime/stage/fork_server.h): starts it, asks for runs, ends it.
//
// Thread safety: one thread uses a server, from start() to destruction: the kernel ends a server whose
// starting thread is gone. Several servers beside each other are fine. Owns tape, processes and the
// descriptors of what the runs print.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "replay/tape_file.h"

namespace reprise::fuzz {

struct ServerOptions {
  std::vector<std::string> argv;         // of the program
  std::string stage;
  std::vector<std::string> environment;
  std::string directory;                 // where the program is started; empty: here
  std::string policy;
  uint64_t seed = 0;
  uint64_t max_steps = 0;                // 0: no limit, for steered runs only
  uint64_t slice_ns = 0;
  uint64_t tape_bytes = 0;               // a power of two
  uint64_t timeout_ns = 0;               // for one run; 0: none
  uint32_t control_options = 0;          // of the world
  uint64_t spin_ns = 0;                  // CPU time without an event that makes a loop suspect; 0: never
  bool recorded = true;                  // false: nothing comes on the tape, and what the runs print goes nowhere
  uint64_t happenings = 0;               // 0: no side area (replay/observation.h); else it has room for so many,
  uint64_t deviations = 0;               // and for so many deviations
};

// How a run went.
struct Run {
  enum class End : uint8_t {
    finished,   // wait_status says how
    over,       // it did not happen: the policy has nothing left to explore
    stopped,    // *stop became true
    lost,       // the server is gone; `message` says what it said
  } end = End::finished;
  uint64_t index = 0;
  int wait_status = 0;
  tape::Verdict verdict = tape::Verdict::none;  // the stage's, with its text in `message`
  bool overdue = false;                  // its time was up
  bool killed = false;                   // and it did not even answer the stage
  bool had_children = false;             // processes of its own, which may still be there
  uint32_t outcome = 0;                  // as Forks has it
  std::string message;
  std::string goroutines;                // where all were, if the stage ended the run
  uint64_t behaviour = 0;
  uint64_t steps = 0;
};

class ForkServer {
 public:
  // Runs stop early when *stop becomes true.
  ForkServer(ServerOptions options, const std::atomic<bool>& stop);
  ~ForkServer();
  ForkServer(const ForkServer&) = delete;
  ForkServer& operator=(const ForkServer&) = delete;

  // Loads and boots the program. False and *why: it did not come to its fork point.
  bool start(std::string* why);

  // Runs begin with these decisions from now on, as far as there is room and they fit.
  void begin_with(std::span<const tape::Record> decisions);

  Run run(uint64_t index) { return begin(index), end(); }

  // The same in two: several servers may be at work at a time.
  void begin(uint64_t index);
  Run end();

  // What the last run has printed, stdout and stderr in one; at most the last mebibyte.
  std::string output() const;
  bool has_output() const;

  // The last run's tape, until the next run.
  const trace::TapeFile& tape() const { return tape_; }
  const ServerOptions& options() const { return options_; }

 private:
  bool spawn(std::string* why);
  bool server_gone();
  void set_control();
  void ask(uint64_t index);
  bool await_end();                      // false: the server is gone or *stop
  void look_at_halted();
  void end_overdue(pid_t child, uint64_t elapsed_ns);
  Run result();
  void end_processes();

  const ServerOptions options_;
  const std::atomic<bool>& stop_;
  trace::TapeFile tape_;
  pid_t server_ = -1;
  int server_status_ = 0;
  bool gone_ = false;
  int output_ = -1;                      // of the running program
  // Of the run that is on its way.
  uint64_t index_ = 0;
  uint64_t began_ns_ = 0;
  uint32_t ended_ = 0;                   // what Forks::ended said before
  bool told_ = false, killed_ = false;
  std::string goroutines_;
};

}  // namespace reprise::fuzz
