// select: waits on several channels and does one thing, in one instant.
//
//   select(on_recv(jobs, [&](std::optional<Job> job) { … }),
//          on_send(results, r, [&] { … }),
//          on_timeout(100ms, [&] { … }),
//          otherwise([&] { … }));
//
// Of the cases that are ready one is taken, at random or as the policy chooses; if none is ready,
// select waits until one becomes so, unless there is an otherwise(). Its function runs after the
// choice, without any lock. Channels that are nil are never ready.
//
// on_recv's function takes std::optional<T> (nullopt: closed and drained), or T (a default T then),
// or nothing. The others take nothing. A value of on_send that was not sent is destroyed when select
// returns; a chosen send to a closed channel panics.
//
// A case borrows its channel from the handle that it was given, as send() and recv() do: the handle must not
// go or change before the case is taken, but its function may do what it likes to it. A case that was given a
// temporary keeps the channel itself.
//
// Thread safety: any goroutine. Blocks the goroutine.
#pragma once

#include <array>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>

#include <reprise/chan.h>

namespace reprise {

namespace detail {

enum class CaseKind { channel, timeout, otherwise };

// A channel whose handle is somebody else's. Nothing is counted: that would be two locked instructions a case.
struct Borrowed {
  rt::hchan* c;
  rt::hchan* core() const { return c; }
};

// Channel: Borrowed, or a handle of the case's own.
template <class T, class Channel, class F>
class RecvCase {
 public:
  static constexpr CaseKind kKind = CaseKind::channel;
  RecvCase(Channel ch, F fn) : ch_(std::move(ch)), fn_(std::move(fn)) {}

  rt::scase scase() { return {.c = ch_.core(), .elem = slot_.address(), .is_send = false}; }
  // Alone with an otherwise().
  bool run_if_ready() {
    const rt::RecvResult got = rt::selectnbrecv(ch_.core(), slot_.address());
    if (got.selected) run(got.received);
    return got.selected;
  }
  void run(bool received) {
    slot_.set_full(received);
    if constexpr (std::invocable<F&, std::optional<T>>) {
      fn_(slot_.full() ? std::optional<T>(slot_.take()) : std::nullopt);
    } else if constexpr (std::invocable<F&, T>) {
      fn_(slot_.full() ? slot_.take() : T{});
    } else {
      static_assert(std::invocable<F&>, "on_recv wants f(optional<T>), f(T) or f()");
      fn_();
    }
  }

 private:
  Channel ch_;
  F fn_;
  Slot<T> slot_;
};

template <class T, class Channel, class F>
class SendCase {
 public:
  static constexpr CaseKind kKind = CaseKind::channel;
  SendCase(Channel ch, T&& value, F fn)
      : ch_(std::move(ch)), slot_(std::move(value)), fn_(std::move(fn)) {}

  rt::scase scase() { return {.c = ch_.core(), .elem = slot_.address(), .is_send = true}; }
  bool run_if_ready() {
    const bool sent = rt::selectnbsend(ch_.core(), slot_.address());
    if (sent) run(false);
    return sent;
  }
  void run(bool) {
    slot_.set_full(false);
    fn_();
  }

 private:
  Channel ch_;
  Slot<T> slot_;
  F fn_;
};

template <class F>
struct TimeoutCase {
  static constexpr CaseKind kKind = CaseKind::timeout;
  int64_t timeout_ns;
  F fn;
};

template <class F>
struct OtherwiseCase {
  static constexpr CaseKind kKind = CaseKind::otherwise;
  F fn;
};

template <class Case>
inline constexpr bool kIsChannel = std::remove_cvref_t<Case>::kKind == CaseKind::channel;
template <CaseKind kKind, class... Cases>
inline constexpr size_t kCount = (size_t{std::remove_cvref_t<Cases>::kKind == kKind} + ... + 0);

// Calls f(case) for the one case of that kind.
template <CaseKind kKind, class F, class... Cases>
void with_case([[maybe_unused]] F f, Cases&... cases) {
  (
      [&] {
        if constexpr (Cases::kKind == kKind) f(cases);
      }(),
      ...);
}

template <class... Cases>
rt::SelectResult select_core(std::span<rt::scase> scases, Cases&... cases) {
  if constexpr (kCount<CaseKind::otherwise, Cases...> != 0) {
    return rt::selectgo(scases, false);
  } else if constexpr (kCount<CaseKind::timeout, Cases...> != 0) {
    int64_t timeout_ns = 0;
    with_case<CaseKind::timeout>([&](auto& k) { timeout_ns = k.timeout_ns; }, cases...);
    return rt::selectgo_timeout(scases, timeout_ns);
  } else {
    return rt::selectgo(scases, true);
  }
}

// One channel or none of it, as compilers of Go have it: no list of cases, no lock where nothing is ready.
template <class... Cases>
void select_one_or_default(Cases&... cases) {
  bool taken = false;
  with_case<CaseKind::channel>([&](auto& k) { taken = k.run_if_ready(); }, cases...);
  if (!taken) with_case<CaseKind::otherwise>([](auto& k) { k.fn(); }, cases...);
}

}  // namespace detail

template <class T, class F>
auto on_recv(const Chan<T>& ch, F fn) {
  return detail::RecvCase<T, detail::Borrowed, F>({ch.core()}, std::move(fn));
}
template <class T, class F>
auto on_recv(Chan<T>&& ch, F fn) {
  return detail::RecvCase<T, Chan<T>, F>(std::move(ch), std::move(fn));
}

template <class T, class F>
auto on_send(const Chan<T>& ch, std::type_identity_t<T> value, F fn) {
  return detail::SendCase<T, detail::Borrowed, F>({ch.core()}, std::move(value), std::move(fn));
}
template <class T, class F>
auto on_send(Chan<T>&& ch, std::type_identity_t<T> value, F fn) {
  return detail::SendCase<T, Chan<T>, F>(std::move(ch), std::move(value), std::move(fn));
}

// Taken when nothing else became ready for that long.
template <class F>
auto on_timeout(std::chrono::nanoseconds timeout, F fn) {
  return detail::TimeoutCase<F>{timeout.count(), std::move(fn)};
}

// Taken when nothing is ready now.
template <class F>
auto otherwise(F fn) {
  return detail::OtherwiseCase<F>{std::move(fn)};
}

// Without any case it blocks for ever.
template <class... Cases>
void select(Cases&&... cases) {
  using detail::CaseKind;
  constexpr size_t kTimeouts = detail::kCount<CaseKind::timeout, Cases...>;
  constexpr size_t kOtherwise = detail::kCount<CaseKind::otherwise, Cases...>;
  static_assert(kTimeouts + kOtherwise <= 1, "one on_timeout or one otherwise, not both");
  constexpr size_t kChannels = detail::kCount<CaseKind::channel, Cases...>;
  if constexpr (kChannels == 1 && kOtherwise == 1) return detail::select_one_or_default(cases...);

  std::array<rt::scase, kChannels> scases;
  size_t n = 0;
  detail::with_case<CaseKind::channel>([&](auto& k) { scases[n++] = k.scase(); }, cases...);
  const rt::SelectResult result = detail::select_core(std::span<rt::scase>(scases), cases...);
  if (result.index == rt::kSelectDefault) {
    detail::with_case<CaseKind::otherwise>([](auto& k) { k.fn(); }, cases...);
  } else if (result.index == rt::kSelectTimeout) {
    detail::with_case<CaseKind::timeout>([](auto& k) { k.fn(); }, cases...);
  } else {
    int i = 0;
    detail::with_case<CaseKind::channel>(
        [&](auto& k) {
          if (i++ == result.index) k.run(result.received);
        },
        cases...);
  }
}

}  // namespace reprise
