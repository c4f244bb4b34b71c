// runtime/chan/waitq.h itself, explored: several channels want one goroutine at once. The callers are
// selectgo's passes (select.cc: run, enqueue, wait, withdraw) and chansend and closechan (chan.cc),
// written anew for channels that receive only.
//
// Claims in every behaviour: a goroutine is readied once for each park, by the channel whose element it
// gets; no element is lost or received twice; nobody waits while there is something to receive.
#include "runtime/chan/waitq.h"

#include <gtest/gtest.h>

#include <deque>
#include <string>
#include <vector>

#include "tests/model/parking_types.h"
#include "tests/model/verify.h"

namespace reprise::model {
namespace {

struct SelectG;

struct ModelSudog {
  SelectG* g = nullptr;
  Plain<ModelSudog*> next = nullptr;
  Plain<ModelSudog*> prev = nullptr;
  Plain<bool> queued = false;
  Plain<bool> is_select = true;
  Plain<int> elem = 0;  // written by the waker under the lock; read after the park
};

// How the test goes wrong on purpose.
enum class Mistake { none, takes_without_asking, leaves_sudogs_behind };

struct SelectG {
  Goroutine goroutine;
  Atomic<uint32_t> select_done;
  Plain<ModelSudog*> param = nullptr;
  SelectG() {
    select_done.named("select_done");
    param.named("G.param");
  }
};

constexpr int kClosed = -1;

struct Channel {
  Lock lock;
  rt::WaitqOf<ModelSudog, ModelAtomics> recvq;
  Plain<bool> closed = false;  // lock
  std::deque<int> buffer;      // lock

  ModelSudog* waiter(Mistake mistake) {
    if (mistake != Mistake::takes_without_asking) return recvq.dequeue();
    ModelSudog* sg = recvq.first.load(Order::relaxed);
    if (sg != nullptr) recvq.remove(sg);
    return sg;
  }
  void send(int value, Mistake mistake) {
    lock.lock();
    ModelSudog* sg = waiter(mistake);
    if (sg == nullptr) {
      buffer.push_back(value);
      return lock.unlock();
    }
    hand_over(sg, value);
    SelectG* gp = sg->g;
    lock.unlock();
    gp->goroutine.ready();
  }
  void close() {
    lock.lock();
    closed = true;
    std::vector<SelectG*> woken;
    while (ModelSudog* sg = recvq.dequeue()) {
      hand_over(sg, kClosed);
      woken.push_back(sg->g);
    }
    lock.unlock();
    for (SelectG* gp : woken) gp->goroutine.ready();
  }
  static void hand_over(ModelSudog* sg, int value) {
    sg->elem = value;
    sg->g->param = sg;
  }
  // What is there without waiting, 0 for nothing.
  int ready() {
    if (!buffer.empty()) {
      const int value = buffer.front();
      buffer.pop_front();
      return value;
    }
    return closed ? kClosed : 0;
  }
};

struct World {
  Channel c[2];
  SelectG g[2];
  ModelSudog sudogs[2][2][2];  // goroutine, select, case
  std::vector<int> got[2];
  Mistake mistake = Mistake::none;

  World() {
    for (int k = 0; k < 2; ++k) c[k].recvq.first.named(k == 0 ? "a.recvq.first" : "b.recvq.first");
    for (int i = 0; i < 2; ++i) {
      for (int n = 0; n < 2; ++n) {
        for (int k = 0; k < 2; ++k) {
          name_pointer(&sudogs[i][n][k], "g" + std::to_string(i) + ".select" + std::to_string(n) +
                                             (k == 0 ? ".a" : ".b"));
        }
      }
    }
  }

  void lock_all() {
    for (Channel& ch : c) ch.lock.lock();
  }
  void unlock_all() {
    for (Channel& ch : c) ch.lock.unlock();
  }
  // The n-th select of goroutine i: receives from one of both channels.
  void select(int i, int n) {
    lock_all();
    for (Channel& ch : c) {
      if (const int value = ch.ready()) {
        unlock_all();
        got[i].push_back(value);
        return;
      }
    }
    enqueue(i, n);
    g[i].goroutine.park([this] {
      unlock_all();
      return true;
    });
    lock_all();
    ModelSudog* fired = g[i].param;
    g[i].param = nullptr;
    withdraw(i, n, fired);
    unlock_all();
    check(fired == &sudogs[i][n][0] || fired == &sudogs[i][n][1], "selectgo: bad wakeup");
    got[i].push_back(fired->elem);
  }
  void enqueue(int i, int n) {
    g[i].select_done.store(0, Order::relaxed);
    g[i].param = nullptr;
    for (int k = 0; k < 2; ++k) {
      ModelSudog* sg = &sudogs[i][n][k];
      sg->g = &g[i];
      c[k].recvq.enqueue(sg);
    }
  }
  void withdraw(int i, int n, ModelSudog* fired) {
    if (mistake == Mistake::leaves_sudogs_behind) return;
    for (int k = 0; k < 2; ++k) {
      if (&sudogs[i][n][k] != fired) c[k].recvq.remove(&sudogs[i][n][k]);
    }
  }
  int received(int value) const {
    int times = 0;
    for (const auto& values : got) {
      for (int v : values) times += v == value ? 1 : 0;
    }
    return times;
  }
};

// One goroutine selects twice, two senders send on one channel each.
Program one_selects_twice(Mistake mistake) {
  return [mistake](Scene& scene) {
    auto* w = scene.make<World>();
    w->mistake = mistake;
    scene.thread([w] {
      w->select(0, 0);
      w->select(0, 1);
    });
    for (int k = 0; k < 2; ++k) {
      scene.thread([w, k, mistake] { w->c[k].send(k + 1, mistake); });
    }
    scene.finally([w] {
      check(w->received(1) == 1 && w->received(2) == 1, "an element was lost or came twice");
    });
  };
}

TEST(SelectModel, two_channels_that_want_one_goroutine_agree) {
  verify(one_selects_twice(Mistake::none));
}

TEST(SelectModel, two_goroutines_select_from_both_channels) {
  verify([](Scene& scene) {
    auto* w = scene.make<World>();
    for (int i = 0; i < 2; ++i) scene.thread([w, i] { w->select(i, 0); });
    for (int k = 0; k < 2; ++k) {
      scene.thread([w, k] { w->c[k].send(k + 1, Mistake::none); });
    }
    scene.finally([w] {
      check(w->received(1) == 1 && w->received(2) == 1, "an element was lost or came twice");
    });
  });
}

TEST(SelectModel, close_and_send_agree_on_who_wakes_whom) {
  verify([](Scene& scene) {
    auto* w = scene.make<World>();
    scene.thread([w] {
      w->select(0, 0);
      w->select(0, 1);
    });
    scene.thread([w] { w->c[0].close(); });
    scene.thread([w] { w->c[1].send(2, Mistake::none); });
    scene.finally([w] {
      check(w->received(2) + static_cast<int>(w->c[1].buffer.size()) == 1, "the element was lost");
    });
  });
}

TEST(SelectMutant, a_waker_that_does_not_ask_select_done_is_found) {
  finds("data race", one_selects_twice(Mistake::takes_without_asking));
}

TEST(SelectMutant, sudogs_left_on_other_queues_are_found) {
  finds("bad wakeup", one_selects_twice(Mistake::leaves_sudogs_behind));
}

}  // namespace
}  // namespace reprise::model
