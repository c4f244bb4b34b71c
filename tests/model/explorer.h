// The explorer: runs a small concurrent program under every schedule and weak-memory behaviour.
//
// The program is a function that builds its state and its threads anew for each execution. Its shared
// data are model::Atomic, model::Plain and model::Lock (family.h), each operation of an Atomic or a
// Lock is a scheduling point, loads may return every value that C++ allows (memory.h), and which
// ones are tried is the search's business (search.h). An execution fails when check() fails, a Plain
// is raced on, a source under test calls throw_(), all threads block and nobody expected it, or it
// does not end. A failure comes with its trace and with a schedule that repeats it.
//
// Rules for programs: deterministic but for the operations; at most kMaxThreads threads and
// kMaxLocations atomics; what owns memory lives in Scene::make, since a thread that is cut off runs no
// destructors; a loop that waits for another thread calls pause().
//
// Thread safety: one exploration at a time in a process.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace reprise::model {

struct Options {
  enum class Search { exhaustive, unreduced, random, pct };
  Search search = Search::exhaustive;
  uint64_t executions = 2'000'000;  // at most; of random and pct, how many
  uint64_t seed = 1;
  int depth = 3;           // of pct
  int max_steps = 1000;    // of an execution
  int stale_limit = 4;     // a message that is not the newest is read again so often, then no more
  int spurious = 0;        // so many times in an execution a weak exchange or a futex wait may fail idly
  std::string schedule;    // not empty: that one alone
};

struct Result {
  bool failed = false;
  bool complete = false;        // every behaviour was visited
  uint64_t executions = 0;      // to their end, the failing one included
  uint64_t redundant = 0;       // given up, being the same as others
  uint64_t cut = 0;             // longer than max_steps
  uint64_t out_of_scope = 0;    // ended by out_of_scope()
  int longest = 0;              // steps
  std::string failure;
  std::string schedule;
  std::string trace;
};

// What the program function gets.
class Scene {
 public:
  // Lives until the execution is over.
  template <class T, class... Args>
  T* make(Args&&... args) {
    auto owned = std::make_shared<T>(std::forward<Args>(args)...);
    owned_.push_back(owned);
    return owned.get();
  }
  void thread(std::function<void()> body) { threads_.push_back(std::move(body)); }
  // Called when all threads have ended; it sees everything.
  void finally(std::function<void()> body) { finally_ = std::move(body); }
  // Called when no thread can go on and some are blocked (a set, by bits). Without it that fails.
  void at_rest(std::function<void(unsigned blocked)> body) { at_rest_ = std::move(body); }

 private:
  friend class Engine;
  std::vector<std::shared_ptr<void>> owned_;
  std::vector<std::function<void()>> threads_;
  std::function<void()> finally_;
  std::function<void(unsigned)> at_rest_;
};

using Program = std::function<void(Scene&)>;

Result explore(const Options& options, const Program& program);

// Fails the execution. On a thread it does not return.
[[noreturn]] void fail(const std::string& why);
inline void check(bool claim, const char* why) {
  if (!claim) fail(why);
}
// Ends the execution, neither good nor bad: the program's bounds do not reach it. On a thread.
[[noreturn]] void out_of_scope();
// Adds a line to the trace of a failure.
void note(const std::string& text);
// How a value is called in traces: a pointer, say. Holds for the execution.
void name_value(uint64_t value, const std::string& name);
template <class T>
void name_pointer(const T* pointer, const std::string& name) {
  name_value(reinterpret_cast<uint64_t>(pointer), name);
}
// The number of the running thread; -1 in set-up and final checks.
int self();

}  // namespace reprise::model
