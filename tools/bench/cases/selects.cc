// select: one case of two or eight that is ready, one that is waited for, and none with a default.
#include <reprise/chan.h>
#include <reprise/go.h>
#include <reprise/select.h>

#include <array>
#include <utility>

#include "tools/bench/cases/case.h"

namespace reprise::bench {

namespace {

template <size_t kCount>
using Chans = std::array<Chan<uint64_t>, kCount>;

template <size_t kCount>
Chans<kCount> chans_of(int64_t capacity) {
  Chans<kCount> chans = [&]<size_t... I>(std::index_sequence<I...>) {
    return Chans<kCount>{((void)I, Chan<uint64_t>(capacity))...};
  }(std::make_index_sequence<kCount>());
  return chans;
}

// Receives from whichever of them.
template <size_t kCount>
void receive_any(const Chans<kCount>& chans, uint64_t& sum) {
  [&]<size_t... I>(std::index_sequence<I...>) {
    select(on_recv(chans[I], [&](uint64_t v) { sum += v; })...);
  }(std::make_index_sequence<kCount>());
}

template <size_t kCount>
void ready(Run& run) {
  const auto chans = chans_of<kCount>(1);
  uint64_t sum = 0;
  run.start();
  for (uint64_t i = 0; i < run.ops; ++i) {
    chans[i % kCount].send(i);
    receive_any(chans, sum);
  }
  run.stop();
  run.check(sum == run.ops * (run.ops - 1) / 2, "select: sum");
}

template <size_t kCount>
void waits(Run& run) {
  const auto chans = chans_of<kCount>(0);
  uint64_t sum = 0;
  run.start();
  go([&chans, ops = run.ops] {
    for (uint64_t i = 0; i < ops; ++i) chans[i % kCount].send(i);
  });
  for (uint64_t i = 0; i < run.ops; ++i) receive_any(chans, sum);
  run.stop();
  run.check(sum == run.ops * (run.ops - 1) / 2, "select that waits: sum");
}

}  // namespace

// A send to one of them, in turn, and a select on all, in the same goroutine.
void select_ready(Run& run) { run.arg == 2 ? ready<2>(run) : ready<8>(run); }

// Another goroutine sends to them in turn.
void select_waits(Run& run) { run.arg == 2 ? waits<2>(run) : waits<8>(run); }

void select_default(Run& run) {
  Chan<uint64_t> empty(1);
  uint64_t none = 0, got = 0;
  run.start();
  for (uint64_t i = 0; i < run.ops; ++i) {
    select(on_recv(empty, [&] { ++got; }), otherwise([&] { ++none; }));
  }
  run.stop();
  run.check(got == 0 && none == run.ops, "select_default: the default every time");
}

}  // namespace reprise::bench
