// Bugs with select and contexts.
#include <reprise/chan.h>
#include <reprise/context.h>
#include <reprise/go.h>
#include <reprise/select.h>
#include <reprise/sync.h>

#include "corpus/programs/go_bugs/bugs.h"
#include "corpus/programs/kernels/kernel.h"

namespace go_bugs {
namespace {

using kernels::Racy;
using kernels::require;
using kernels::Threads;
using reprise::Chan;
using reprise::Unit;

// The worker waits for work only, not for the end.
void forgotten_case(bool fixed) {
  const Chan<int> work(0);
  const Chan<Unit> quit(0);
  reprise::go([work, quit, fixed] {
    if (fixed) {
      reprise::select(reprise::on_recv(work, [](auto) {}), reprise::on_recv(quit, [](auto) {}));
    } else {
      work.recv();
    }
  });
  reprise::select(reprise::on_send(work, 1, [] {}), reprise::on_recv(reprise::after(std::chrono::seconds(1)), [](auto) {}),
                  reprise::otherwise([] {}));
  quit.close();
}

// Both cases are ready, and the one that ends the loop is not preferred.
void quit_is_not_first(bool fixed) {
  const Chan<int> work(1);
  const Chan<Unit> quit(1);
  work.send(1);
  quit.send({});
  bool worked_after_quit = false;
  bool quits = false;
  if (fixed) quits = quit.try_recv().has_value();
  if (!quits) {
    reprise::select(reprise::on_recv(work, [&](auto) { worked_after_quit = true; }),
                    reprise::on_recv(quit, [](auto) {}));
  }
  require(!worked_after_quit, "quit_is_not_first: worked after the end");
}

// One path forgets to cancel, and the goroutine that waits for the context stays.
void never_cancelled(bool fixed) {
  const auto [ctx, cancel] = reprise::with_cancel(reprise::background());
  const Chan<int> answer(1);
  reprise::go([ctx = ctx, answer] {
    reprise::select(reprise::on_recv(ctx.done(), [](auto) {}), reprise::on_send(answer, 1, [] {}));
    ctx.done().recv();
  });
  const bool got = answer.try_recv().has_value();
  if (got || fixed) cancel();
}

// The answer and the cancellation race; whoever is cancelled must not use the answer.
void cancelled_and_answered(bool fixed) {
  const auto [ctx, cancel] = reprise::with_cancel(reprise::background());
  const Chan<int> answer(1);
  Threads threads;
  threads.start([answer] { answer.send(1); });
  threads.start([cancel = cancel] { cancel(); });
  threads.start([ctx = ctx, answer, fixed] {
    bool used = false;
    reprise::select(reprise::on_recv(answer, [&](auto) { used = true; }),
                    reprise::on_recv(ctx.done(), [](auto) {}));
    if (fixed && ctx.err() != nullptr) used = false;
    require(!used || fixed || ctx.err() == nullptr, "cancelled_and_answered: used after the end");
  });
}

constexpr Bug kBugs[] = {
    {"forgotten_case", forgotten_case},
    {"quit_is_not_first", quit_is_not_first},
    {"never_cancelled", never_cancelled},
    {"cancelled_and_answered", cancelled_and_answered},
};

}  // namespace

std::span<const Bug> selects() { return kBugs; }

}  // namespace go_bugs
