// A P in a system call, explored: its M comes back, sysmon takes the P, somebody stops the world. Written after
// entersyscall, entersyscall_gcwait and exitsyscallfast (syscall.cc), retake_syscall (sysmon.cc) and
// begin_stop (stw.cc), since each is woven into its surroundings.
//
// The claims: one of them gets the P, and sees what its owner did before the call; who stops the world never
// waits for a P that has gone into a call.
#include <gtest/gtest.h>

#include "tests/model/explorer.h"
#include "tests/model/family.h"
#include "tests/model/verify.h"

namespace reprise::model {
namespace {

constexpr uint32_t kIdle = 0, kRunning = 1, kSyscall = 2, kGcstop = 3;

enum class Flaw {
  none,
  entry_is_release,      // entersyscall's store of the status and its look at gcwaiting
  stopper_is_release,    // begin_stop's store of gcwaiting
  stopper_swaps_acq_rel, // begin_stop's swap of the status, which may fail by an old value then: found here
  no_look_at_gcwaiting,  // entersyscall does not help the stopper
  taker_is_relaxed,      // sysmon's swap
  exit_stores,           // exitsyscall takes the P back by a load and a store
};

struct OneP {
  const Flaw flaw;
  Atomic<uint32_t> status{kRunning};
  Atomic<bool> gcwaiting{false};
  Lock lock;                  // sched.lock
  Plain<int> stopwait = 0;    // lock
  Event stopnote;
  Plain<int> contents = 0;    // what the owner of a P may touch
  Plain<int> has_m = 0, has_sysmon = 0, has_stopper = 0;  // who has got the P; each written by one

  explicit OneP(Flaw with) : flaw(with) {
    status.named("status");
    gcwaiting.named("gcwaiting");
  }

  bool take(uint32_t into, Order order) {
    uint32_t expected = kSyscall;
    const Order failed = order == Order::seq_cst ? order : Order::relaxed;
    return status.compare_exchange_strong(expected, into, order, failed);
  }

  void entersyscall() {
    contents = 1;
    const bool weak = flaw == Flaw::entry_is_release;
    status.store(kSyscall, weak ? Order::release : Order::seq_cst);
    if (flaw == Flaw::no_look_at_gcwaiting) return;
    if (!gcwaiting.load(weak ? Order::acquire : Order::seq_cst)) return;
    lock.lock();
    if (gcwaiting.load(Order::relaxed) && take(kGcstop, Order::seq_cst)) {
      has_stopper = 1;
      stopwait = stopwait - 1;
      if (stopwait == 0) stopnote.set();
    }
    lock.unlock();
  }

  void exitsyscall() {
    if (flaw == Flaw::exit_stores) {
      if (status.load(Order::acquire) != kSyscall) return;
      status.store(kIdle, Order::release);
    } else if (!take(kIdle, Order::acq_rel)) {
      return;
    }
    contents = contents + 1;
    has_m = 1;
  }

  void retake() {
    if (!take(kIdle, flaw == Flaw::taker_is_relaxed ? Order::relaxed : Order::acq_rel)) return;
    contents = contents + 1;
    has_sysmon = 1;
  }

  // The world of this P and the stopper's own, which is stopped already.
  void stop_the_world() {
    lock.lock();
    stopwait = 1;
    gcwaiting.store(true, flaw == Flaw::stopper_is_release ? Order::release : Order::seq_cst);
    if (take(kIdle, flaw == Flaw::stopper_swaps_acq_rel ? Order::acq_rel : Order::seq_cst)) {
      status.store(kGcstop, Order::release);
      has_stopper = 1;
      stopwait = stopwait - 1;
    }
    const bool wait = stopwait > 0;
    lock.unlock();
    if (wait) stopnote.wait();
  }
};

// The goroutine is in a long call; nobody comes back.
Program stopped_while_entering(Flaw flaw) {
  return [flaw](Scene& scene) {
    auto* w = scene.make<OneP>(flaw);
    scene.thread([w] { w->entersyscall(); });
    scene.thread([w] { w->stop_the_world(); });
    scene.finally([w] {
      check(w->status.load(Order::relaxed) == kGcstop && w->has_stopper == 1, "the world is not stopped");
    });
  };
}

// In and out while sysmon looks.
Program retaken_while_returning(Flaw flaw) {
  return [flaw](Scene& scene) {
    auto* w = scene.make<OneP>(flaw);
    scene.thread([w] {
      w->entersyscall();
      w->exitsyscall();
    });
    scene.thread([w] { w->retake(); });
    scene.finally([w] { check(w->has_m + w->has_sysmon == 1, "one of both has the P"); });
  };
}

// The call is under way, and all three want the P.
Program three_takers() {
  return [](Scene& scene) {
    auto* w = scene.make<OneP>(Flaw::none);
    w->contents = 1;
    w->status.store(kSyscall, Order::relaxed);
    scene.thread([w] { w->exitsyscall(); });
    scene.thread([w] { w->retake(); });
    scene.thread([w] {
      w->lock.lock();
      if (w->take(kIdle, Order::acq_rel)) {
        w->contents = w->contents + 1;
        w->has_stopper = 1;
      }
      w->lock.unlock();
    });
    scene.finally([w] {
      check(w->has_m + w->has_sysmon + w->has_stopper == 1, "one of three has the P");
      check(w->contents == 2, "its owner saw what was there");
    });
  };
}

TEST(RetakeModel, the_world_stops_although_a_P_goes_into_a_call) {
  verify(stopped_while_entering(Flaw::none));
}
TEST(RetakeModel, a_P_that_sysmon_takes_is_gone_for_its_M) {
  verify(retaken_while_returning(Flaw::none));
}
TEST(RetakeModel, one_of_three_takes_the_P) { verify(three_takers()); }

TEST(RetakeMutant, an_entry_without_sequential_consistency_is_found) {
  finds("", stopped_while_entering(Flaw::entry_is_release));
}
TEST(RetakeMutant, a_stopper_without_sequential_consistency_is_found) {
  finds("", stopped_while_entering(Flaw::stopper_is_release));
}
TEST(RetakeMutant, a_stopper_that_may_read_an_old_status_is_found) {
  finds("", stopped_while_entering(Flaw::stopper_swaps_acq_rel));
}
TEST(RetakeMutant, an_entry_that_does_not_look_for_a_stopper_is_found) {
  finds("", stopped_while_entering(Flaw::no_look_at_gcwaiting));
}
TEST(RetakeMutant, a_taker_that_does_not_acquire_is_found) {
  finds("", retaken_while_returning(Flaw::taker_is_relaxed));
}
TEST(RetakeMutant, a_P_taken_back_by_load_and_store_is_found) {
  finds("", retaken_while_returning(Flaw::exit_stores));
}

}  // namespace
}  // namespace reprise::model
