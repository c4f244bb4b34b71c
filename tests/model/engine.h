// One execution of a program: its threads, its memory, and the step that ties them to a search.
//
// Every operation ends in perform(): the thread announces it, the search says who goes, the chosen
// thread executes what it had announced and runs on to its next operation. Plain code between two
// operations is part of the first one's step, which is right as long as it is free of races, and races
// are found by clocks whatever the order.
//
// Thread safety: none; there is one.
#pragma once

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "tests/model/dependencies.h"
#include "tests/model/explorer.h"
#include "tests/model/family.h"
#include "tests/model/fiber.h"
#include "tests/model/memory.h"
#include "tests/model/search.h"

namespace reprise::model {

class Engine {
 public:
  enum class End { running, finished, pruned, cut, out_of_scope, failed };

  static Engine& instance();

  End execute(const Program& program, const Options& options, Search* search, bool tracing);
  const std::string& failure() const { return failure_; }
  const std::vector<Choice>& choices() const { return choices_; }
  const std::string& trace() const { return trace_; }
  int steps() const { return static_cast<int>(step_); }

  Outcome perform(const Op& op);
  [[noreturn]] void fail(const std::string& why);
  [[noreturn]] void out_of_scope();
  void note(const std::string& text);
  int self() const { return self_; }
  bool tracing() const { return tracing_; }
  void name_value(uint64_t value, const std::string& name) { names_.emplace_back(value, name); }
  Memory& memory() { return memory_; }
  int new_lock(bool event);
  void plain_read(PlainState* state, const char* name);
  void plain_write(PlainState* state, const char* name);

 private:
  struct Thread {
    Fiber fiber;
    std::function<void()> body;
    bool done = true;
    Threads lets_pass = 0;  // has paused: goes on when each of these has moved, or cannot
    int waits_on = -1;   // futex
  };
  struct LockState {
    int owner = -1;      // of an event that is not set: anybody
    bool event = false;
    View view;
  };
  struct Option {        // of what an operation may read
    Message* message;
    bool success;
  };
  struct Stop {};        // thrown by fail() on the main stack

  static void thread_main();
  void reset(const Options& options, Search* search, bool tracing);
  void start_threads(Scene* scene);
  void run_threads();
  void conclude(Scene* scene);
  void at_rest(Scene* scene);
  void leave();          // the current thread's stack for whoever is next
  void end_with(End end);
  int choose();
  void report_pending_races();
  bool may_go(int thread) const;
  Threads able() const;
  Threads enabled();

  Outcome execute_chosen(const Op& op);
  Outcome perform_on_main(const Op& op);
  Outcome act(const Op& op, bool* wrote);
  Outcome act_rmw(const Op& op, bool* wrote);
  Outcome act_futex_wait(const Op& op);
  void act_futex_wake(const Op& op);
  void act_lock(const Op& op);
  void collect_options(const Op& op, int thread, uint32_t fresh);
  Option pick_option(const Op& op);
  size_t choose_value(size_t count);
  View& bucket(int place);
  void record(const Op& op, const Outcome& outcome, const Message* message);
  std::string call_text(const Op& op) const;
  std::string text_of(uint64_t value) const;

  Memory memory_;
  Dependencies dependencies_;
  Search* search_ = nullptr;
  Fiber main_;
  std::array<Thread, kMaxThreads> threads_;
  std::array<Op, kMaxThreads> pending_;
  std::vector<LockState> locks_;
  std::vector<std::pair<int, View>> buckets_;
  std::vector<std::pair<uint64_t, std::string>> names_;  // of values
  std::vector<Option> options_;
  std::vector<Choice> choices_;
  const Message* touched_ = nullptr;  // by the operation being executed, for the trace
  int count_ = 0;
  int self_ = kMain;
  int priming_ = -1;
  uint32_t step_ = 0;
  int max_steps_ = 0;
  int spurious_ = 0;
  bool tracing_ = false;
  End end_ = End::running;
  std::string failure_;
  std::string trace_;
};

}  // namespace reprise::model
