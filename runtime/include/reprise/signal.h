// Signals on channels: notify, ignore, reset and stop, as Go's os/signal has them.
//
// A program asks for signals by number; each that comes is sent to every channel that asked, without
// waiting: a channel that is full misses it, so give a channel room for what it must not miss. A
// signal that comes again before it was delivered counts once, real-time signals too. While some
// channel wants a signal its default action (the end of the process, mostly) does not happen; when
// nobody wants it any more the action that was there before is restored.
//
// SIGKILL and SIGSTOP cannot be had, nor those that report a fault of the program itself (SIGSEGV, SIGBUS,
// SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGSTKFLT), nor the two that libc keeps for itself: asking for them
// does nothing. SIGURG comes for nothing too, as in the reference: started directly, the runtime preempts
// goroutines by it. A handler that the program installs by sigaction() for a signal that it also asks for
// here takes it away from the channels.
//
// In a controlled run, which signal is delivered, to which channel first, and whether now or later, are
// decisions of the policy, kept in the trace.
//
// Thread safety: any goroutine. Ownership: a channel is kept alive until stop(), ignore() or reset().
#pragma once

#include <compare>
#include <functional>
#include <initializer_list>
#include <span>
#include <string>

#include <reprise/chan.h>
#include <reprise/context.h>

namespace reprise::signal {

struct Signal {
  int number = 0;

  constexpr Signal() = default;
  constexpr Signal(int signal) : number(signal) {}  // implicit: notify(c, SIGINT, SIGTERM)
  auto operator<=>(const Signal&) const = default;
  // "interrupt", "terminated", … ; "signal 40" for those without a name.
  std::string name() const;
};

namespace detail {
void notify(const Chan<Signal>& channel, std::span<const Signal> signals);
void ignore(std::span<const Signal> signals);
void reset(std::span<const Signal> signals);
}  // namespace detail

// Signals are sent on `channel` from now on, in addition to what it gets already; none named: all
// that can be had. Panics if the channel is nil.
template <class... S>
void notify(const Chan<Signal>& channel, S... signals) {
  detail::notify(channel, std::initializer_list<Signal>{Signal(signals)...});
}

// `channel` gets nothing any more. What came before is in it when stop() returns, if it had room.
void stop(const Chan<Signal>& channel);

// The process ignores these, and no channel gets them; none named: all.
template <class... S>
void ignore(S... signals) {
  detail::ignore(std::initializer_list<Signal>{Signal(signals)...});
}
bool ignored(Signal signal);

// Undoes notify() and ignore(): the action of the program's start is back; none named: all.
template <class... S>
void reset(S... signals) {
  detail::reset(std::initializer_list<Signal>{Signal(signals)...});
}

// A context that is cancelled by the first of these signals; stop() of the result cancels it too and gives
// the signals back. Call it as soon as the work is over.
struct NotifyContext {
  Context ctx;
  std::function<void()> stop;
};
namespace detail {
NotifyContext notify_context(const Context& parent, std::span<const Signal> signals);
}
template <class... S>
NotifyContext notify_context(const Context& parent, S... signals) {
  return detail::notify_context(parent, std::initializer_list<Signal>{Signal(signals)...});
}

}  // namespace reprise::signal
