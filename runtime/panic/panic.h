// Panics under way: the records of a goroutine's chain that deferred calls see, and how one dies of them.
//
// Thread safety: the chain is its goroutine's. runtime/panic and runtime/sched only.
#pragma once

#include <memory>
#include <span>
#include <string>

#include <reprise/defer.h>

#include "runtime/panic/traceback.h"

namespace reprise::rt {

// The reference's _panic. On the goroutine's chain above what deferred before it; owned by the chain.
struct PanicRecord : reprise::detail::Record {
  enum class State : uint8_t {
    running,    // deferred calls may recover it
    aborted,    // a deferred call panicked in its turn, or called goexit: that one goes on
    recovered,  // and the deferred call that did so has not returned
    done,       // recovered and over; its unwinding goes on to a boundary
  };
  static constexpr size_t kMaxFrames = 64;

  State state = State::running;
  std::shared_ptr<const reprise::detail::PanicInfo> info;

  // Where it began: the stack as it was, which is looked at if nobody recovers, or else the frames.
  Registers registers;
  StackBounds bounds;
  std::unique_ptr<char[]> stack;
  size_t frames = 0;
  uint64_t pcs[kMaxFrames];
};

// Return addresses of the frames in which it began, innermost first. Allocates; while a report is being made (traceback.h).
std::span<const uint64_t> frames_of(PanicRecord* panic);

// Whether goroutine `gp` is ended by a panic that nobody recovered; null: it is not.
PanicRecord* unrecovered(const G* gp);
// Every panic that is not over, oldest first, and `last` behind them, as the reference prints it.
std::string panic_text(const G* gp, std::string_view last = {});
// The goroutine ends: forgets its panics. REQUIRES: on the goroutine.
void drop_panics(G* gp);

// The end of a process whose current goroutine is not recovered from what is on its chain.
[[noreturn]] void die_of_panics(const G* gp);
// The same of what cannot be unwound: `text` comes on top. The traceback is that of here.
[[noreturn]] void die_of_panic(std::string_view text);

}  // namespace reprise::rt
