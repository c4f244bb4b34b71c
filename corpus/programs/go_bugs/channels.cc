// Bugs with channels.
#include <reprise/atomic.h>
#include <reprise/chan.h>
#include <reprise/go.h>
#include <reprise/sync.h>

#include <memory>
#include <mutex>

#include "corpus/programs/go_bugs/bugs.h"
#include "corpus/programs/kernels/kernel.h"

namespace go_bugs {
namespace {

using kernels::Racy;
using kernels::require;
using kernels::Threads;
using reprise::Atomic;
using reprise::Chan;
using reprise::Mutex;
using reprise::WaitGroup;

// The first answer is taken; the second sender waits for ever, since nobody receives any more.
void leak_on_early_return(bool fixed) {
  const Chan<int> answers(fixed ? 2 : 0);
  for (int i = 0; i < 2; ++i) reprise::go([answers, i] { answers.send(i); });
  answers.recv();
}

// An error is reported and ends the receiving loop before all have sent.
void leak_on_error(bool fixed) {
  const Chan<int> results(fixed ? 3 : 0);
  for (int i = 0; i < 3; ++i) reprise::go([results, i] { results.send(i == 1 ? -1 : i); });
  for (int i = 0; i < 3; ++i) {
    if (results.recv().value() < 0) return;
  }
}

// Two who may be last both close.
void double_close(bool fixed) {
  const Chan<int> done(0);
  reprise::Once once;
  Racy<bool> closed{false};
  const auto finish = [&, fixed] {
    if (fixed) return once.call([&] { done.close(); });
    if (closed.read()) return;
    done.close();
    closed.write(true);
  };
  Threads threads;
  threads.start(finish);
  threads.start(finish);
}

// A sender does not know that the channel was closed.
void send_after_close(bool fixed) {
  const Chan<int> values(4);
  WaitGroup senders;
  for (int i = 0; i < 2; ++i) {
    senders.add();
    reprise::go([values, senders, i]() mutable {
      values.send(i);
      senders.done();
    });
  }
  if (fixed) senders.wait();
  values.close();
  for (int value : values) require(value < 2, "send_after_close");
  senders.wait();
}

// The lock is held while the channel is full, and whoever would empty it wants the lock.
void channel_under_lock(bool fixed) {
  const Chan<int> values(0);
  Mutex lock;
  Racy<int> sent{0};
  Threads threads;
  threads.start([&, values, fixed] {
    std::unique_lock hold(lock);
    sent.write(1);
    if (fixed) hold.unlock();
    values.send(1);
  });
  threads.start([&, values] {
    {
      const std::lock_guard hold(lock);
      sent.read();
    }
    values.recv();
  });
}

// Each sends first and receives then; there is no room in between.
void both_send_first(bool fixed) {
  const Chan<int> a(fixed ? 1 : 0), b(fixed ? 1 : 0);
  Atomic<bool> swapped{false};
  Threads threads;
  threads.start([&, a, b] {
    a.send(1);
    b.recv();
  });
  threads.start([&, a, b] {
    if (swapped.load()) {
      b.send(2);
      a.recv();
      return;
    }
    a.recv();
    b.send(2);
  });
  threads.start([&] { swapped.store(true); });
}

// Nobody closes, so the loop over the channel does not end; whether it has to depends on who comes last.
void never_closed(bool fixed) {
  const Chan<int> jobs(2);
  Racy<int> left{2};
  Mutex lock;
  Threads threads;
  for (int i = 0; i < 2; ++i) {
    threads.start([&, jobs, fixed] {
      jobs.send(1);
      std::unique_lock hold(lock, std::defer_lock);
      if (fixed) hold.lock();
      const int now = left.read() - 1;
      left.write(now);
      if (now == 0) jobs.close();
    });
  }
  threads.start([jobs] {
    for (int job : jobs) require(job == 1, "never_closed");
  });
}

// Receives once more than what is sent, if the other side ended the work first.
void one_too_many(bool fixed) {
  const Chan<int> tokens(1);
  Atomic<bool> stopped{false};
  Threads threads;
  threads.start([&, tokens, fixed] {
    if (!stopped.load() || fixed) tokens.send(1);
  });
  threads.start([&, tokens] { tokens.recv(); });
  threads.start([&] { stopped.store(true); });
}

constexpr Bug kBugs[] = {
    {"leak_on_early_return", leak_on_early_return}, {"leak_on_error", leak_on_error},
    {"double_close", double_close},                 {"send_after_close", send_after_close},
    {"channel_under_lock", channel_under_lock},     {"both_send_first", both_send_first},
    {"never_closed", never_closed},                 {"one_too_many", one_too_many},
};

}  // namespace

std::span<const Bug> channels() { return kBugs; }

}  // namespace go_bugs
