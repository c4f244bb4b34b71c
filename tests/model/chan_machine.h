// A reference machine for channels, select and timeouts: what small programs may end with.
//
// It states Go's semantics in the plainest way: every operation is one atomic step that completes, fails,
// or parks its goroutine in order of arrival; a step of somebody else completes what is parked. All
// interleavings and all choices of select are tried, and so is every due timeout at every moment.
// Virtual time: the clock moves to the next deadline when nothing else can happen.
//
// Thread safety: none.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace reprise::model {

// Operations on two channels, a and b.
enum class ChanOp : uint8_t {
  send_a, recv_a, close_a, try_send_a, try_recv_a, recv_b,
  recv_a_or_send_b,          // select
  send_a_or_recv_b,          // select
  recv_a_or_b_or_otherwise,  // select with a default
  recv_a_or_timeout,         // select with a limit
  sleep,
};
inline constexpr int kChanOps = 11;

struct ChanProgram {
  int capacity[2];
  std::vector<std::vector<ChanOp>> goroutines;  // at most three
};
std::string text_of(const ChanProgram& program);

// The value that goroutine g sends in its operation i.
inline int value_of(size_t g, size_t i) { return static_cast<int>(1 + g * 4 + i); }

// Results, a character each: s sent, a value as a letter, z closed, n would block, d default, t timed
// out, c closed it, w woke up; of a select, after the index of its case. `?` at the end: blocked for ever.
inline char letter_of(int value) { return static_cast<char>('A' + value); }

struct Reference {
  bool panics = false;             // some interleaving does; then outcomes are of no use
  std::set<std::string> outcomes;  // results of the goroutines, separated by spaces
};
// A wrong machine, which the runtime must be told apart from: what the test can see.
enum class Mistake : uint8_t {
  none,
  last_come_first_served,    // of waiters
  sender_overtakes_buffer,   // the value of a sender that waits goes before what is buffered
  close_drops_buffer,
};
Reference reference_of(const ChanProgram& program, Mistake mistake = Mistake::none);

}  // namespace reprise::model
