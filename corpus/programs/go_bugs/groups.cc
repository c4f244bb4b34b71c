// Bugs with wait groups and once.
#include <reprise/atomic.h>
#include <reprise/go.h>
#include <reprise/sync.h>

#include <memory>

#include "corpus/programs/go_bugs/bugs.h"
#include "corpus/programs/kernels/kernel.h"

namespace go_bugs {
namespace {

using kernels::Racy;
using kernels::require;
using reprise::Atomic;
using reprise::WaitGroup;

// The goroutine counts itself, so that the wait may come before.
void add_inside(bool fixed) {
  const auto done = std::make_shared<Racy<int>>(0);
  WaitGroup all;
  for (int i = 0; i < 2; ++i) {
    if (fixed) all.add();
    reprise::go([all, done, fixed]() mutable {
      if (!fixed) all.add();
      done->write(done->read() + 1);
      all.done();
    });
    if (fixed) all.wait();
  }
  all.wait();
  require(done->read() == 2, "add_inside: did not wait for all");
}

// A path without done().
void forgotten_done(bool fixed) {
  const auto stop = std::make_shared<Atomic<bool>>(false);
  WaitGroup all;
  all.add(2);
  reprise::go([all, stop]() mutable {
    stop->store(true);
    all.done();
  });
  reprise::go([all, stop, fixed]() mutable {
    if (stop->load() && !fixed) return;
    all.done();
  });
  all.wait();
}

// done() by both the worker and whoever gives up on it.
void done_twice(bool fixed) {
  const auto given_up = std::make_shared<Atomic<bool>>(false);
  const auto once = std::make_shared<reprise::Once>();
  WaitGroup all;
  all.add(1);
  const auto finish = [all, once, fixed] {
    WaitGroup group = all;
    if (fixed) {
      once->call([&] { group.done(); });
    } else {
      group.done();
    }
  };
  WaitGroup both;
  both.add(2);
  reprise::go([=]() mutable {
    if (!given_up->load()) finish();
    both.done();
  });
  reprise::go([=]() mutable {
    given_up->store(true);
    finish();
    both.done();
  });
  both.wait();
}

// Whoever waits for the result does not wait for the goroutine that makes it.
void result_too_early(bool fixed) {
  const auto result = std::make_shared<Racy<int>>(0);
  WaitGroup all;
  all.add(1);
  reprise::go([=]() mutable {
    if (!fixed) all.done();
    result->write(7);
    if (fixed) all.done();
  });
  all.wait();
  require(result->read() == 7, "result_too_early: not there");
}

constexpr Bug kBugs[] = {
    {"add_inside", add_inside},
    {"forgotten_done", forgotten_done},
    {"done_twice", done_twice},
    {"result_too_early", result_too_early},
};

}  // namespace

std::span<const Bug> groups() { return kBugs; }

}  // namespace go_bugs
