// P, G and the scheduler as runq.h wants them, of explored atomics, with a ring of four.
//
// Weakened orders are seeded bugs: ModelP<AllRelaxed> has its tail published without release.
#pragma once

#include <cstdint>
#include <string>

#include "runtime/sched/runq.h"
#include "tests/model/explorer.h"
#include "tests/model/family.h"

namespace reprise::model {

inline constexpr uint32_t kRing = 4;

struct ModelG {
  Plain<ModelG*> schedlink = nullptr;
  Plain<int> payload = 0;  // what the one who readies it writes
  Plain<int> runs = 0;     // what the one who takes it writes
};

template <class TailOrders = AsWritten, class NextOrders = AsWritten>
struct ModelP {
  Atomic<uint32_t> runqhead;
  Atomic<uint32_t, TailOrders> runqtail;
  Atomic<ModelG*> runq[kRing];
  Atomic<ModelG*, NextOrders> runnext;

  explicit ModelP(const std::string& name = "", uint32_t index = 0)
      : runqhead(index), runqtail(index) {
    runqhead.named(name + "head");
    runqtail.named(name + "tail");
    runnext.named(name + "runnext");
    for (uint32_t i = 0; i < kRing; ++i) runq[i].named(name + "runq[" + std::to_string(i) + "]");
  }
};

struct ModelSched {
  Lock lock;
  rt::GQueueOf<ModelG, Plain<ModelG*>> global;
  Atomic<uint64_t> global_size;
  int gomaxprocs = 2;
  template <class P>
  void runnext_grace(const P*) {}
  ModelSched() { global_size.named("global_size"); }
};

// A goroutine has come out of a queue: its contents are there, and it comes out for the first time.
inline void take(ModelG* gp) {
  if (gp == nullptr) return;
  check(gp->payload == 1, "a goroutine was taken before it was written");
  check(gp->runs == 0, "a goroutine was taken twice");
  gp->runs = 1;
}

// Writes it, as whoever readies it does.
inline ModelG* written(ModelG* gp) {
  gp->payload = 1;
  return gp;
}

}  // namespace reprise::model
