// Bugs with timers, on the virtual clock.
#include <reprise/chan.h>
#include <reprise/go.h>
#include <reprise/select.h>
#include <reprise/sync.h>
#include <reprise/time.h>

#include <chrono>
#include <memory>
#include <mutex>

#include "corpus/programs/go_bugs/bugs.h"
#include "corpus/programs/kernels/kernel.h"

namespace go_bugs {
namespace {

using namespace std::chrono_literals;
using kernels::Racy;
using kernels::require;
using kernels::Threads;
using reprise::Chan;

// The answer and the timeout come at the same moment; after the timeout nobody receives.
void timeout_leaks(bool fixed) {
  const Chan<int> answer(fixed ? 1 : 0);
  reprise::go([answer] {
    reprise::sleep_for(1s);
    answer.send(1);
  });
  reprise::select(reprise::on_recv(answer, [](auto) {}), reprise::on_timeout(1s, [] {}));
}

// Sleeping in place of waiting: the worker is usually done by then.
void sleep_as_join(bool fixed) {
  const auto done = std::make_shared<Racy<bool>>(false);
  reprise::WaitGroup worker(1);
  reprise::go([=]() mutable {
    reprise::sleep_for(1ms);
    done->write(true);
    worker.done();
  });
  if (fixed) {
    worker.wait();
  } else {
    reprise::sleep_for(1ms);
  }
  require(done->read(), "sleep_as_join: not done");
}

// The function of a timer runs although the timer was stopped, if it has just been started.
void after_func_after_stop(bool fixed) {
  struct State {
    reprise::Mutex lock;
    bool closed = false;
  };
  const auto state = std::make_shared<State>();
  reprise::Timer timer = reprise::after_func(1ms, [state, fixed] {
    const std::lock_guard hold(state->lock);
    if (fixed && state->closed) return;
    require(!state->closed, "after_func_after_stop: used after the end");
  });
  reprise::sleep_for(1ms);
  timer.stop();
  const std::lock_guard hold(state->lock);
  state->closed = true;
}

constexpr Bug kBugs[] = {
    {"timeout_leaks", timeout_leaks},
    {"sleep_as_join", sleep_as_join},
    {"after_func_after_stop", after_func_after_stop},
};

}  // namespace

std::span<const Bug> times() { return kBugs; }

}  // namespace go_bugs
