// Searches: who goes next, and which value an operation takes where there are several.
//
// `exhaustive` visits every behaviour of a program once or a little more often: depth first over a
// stack of choices, re-executing from the start, with dynamic partial order reduction (Flanagan and
// Godefroid, POPL 2005; source sets: Abdulla et al., POPL 2014) and sleep sets (Godefroid 1996), over the *reads-from* equivalence: two
// schedules are one if every read takes the same message, modification orders are the same, and so
// is the order of sequentially consistent operations, locks and futex calls. Since a read may take an
// old message, and a write may go before one that is there, "write, then read" covers "read, then
// write"; so a race is reversed only if something read that the other one could have written, and
// a sleeping thread is woken only by what it could now read, which is then all it may read
// (as in stateless model checkers of weak memory: CDSChecker, OOPSLA 2013; GenMC, CAV 2021).
// `unreduced` visits every schedule; it is there to check the reduction.
// `random` and `pct` (Burckhardt et al., ASPLOS 2010) sample. `replay` takes one schedule from text.
//
// Thread safety: none.
#pragma once

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tests/model/op.h"

namespace reprise::model {

// One choice: a thread, or a value (encoded apart). A run's choices are its schedule.
struct Choice {
  bool thread;
  uint16_t picked;
};
std::string schedule_text(const std::vector<Choice>& choices);
bool parse_schedule(const std::string& text, std::vector<Choice>* choices);

using Threads = uint8_t;  // a set, by bits
static_assert(kMaxThreads <= 8);

class Search {
 public:
  static constexpr int kPrune = -1;  // everything from here on has been visited

  virtual ~Search() = default;
  virtual void begin() = 0;  // of an execution
  virtual int thread(Threads enabled, int current, uint32_t next_message) = 0;
  virtual size_t value(size_t count) = 0;
  virtual bool next() = 0;   // false: the search is over

  // The reduction's questions. What a thread may still read, by message id.
  virtual uint32_t fresh_from(int) const { return 0; }
  // Nothing is left for it to read that was not tried.
  virtual void put_to_sleep(int) {}
  virtual void executed(const Done&, int, const Op*) {}
  // At that step one of these should have gone.
  virtual void reverse(uint32_t, Threads) {}
  virtual bool reduces() const { return false; }
};

std::unique_ptr<Search> make_exhaustive(bool reduce);
std::unique_ptr<Search> make_random(uint64_t seed, uint64_t executions);
std::unique_ptr<Search> make_pct(uint64_t seed, uint64_t executions, int depth);
std::unique_ptr<Search> make_replay(std::vector<Choice> choices);

}  // namespace reprise::model
