// Channels: rendezvous, rings, buffers, and one channel that a thousand goroutines wait on.
#include <reprise/chan.h>
#include <reprise/go.h>
#include <reprise/select.h>
#include <reprise/sync.h>

#include <vector>

#include "tools/bench/cases/case.h"

namespace reprise::bench {

// There and back over two unbuffered channels.
void ping_pong(Run& run) {
  Chan<uint64_t> ping, pong;
  go([=] {
    for (uint64_t v : ping) pong.send(v + 1);
    pong.close();
  });
  uint64_t sum = 0;
  run.start();
  for (uint64_t i = 0; i < run.ops; ++i) {
    ping.send(i);
    sum += *pong.recv();
  }
  run.stop();
  ping.close();
  run.check(!pong.recv().has_value(), "ping_pong: the other ended");
  run.check(sum == run.ops * (run.ops + 1) / 2, "ping_pong: what came back");
}

// A token goes round a hundred goroutines; a hop is one operation.
void ring(Run& run) {
  constexpr uint64_t kGoroutines = 100;
  const uint64_t rounds = run.ops / kGoroutines + 1;
  Chan<uint64_t> first;
  Chan<uint64_t> in = first;
  for (uint64_t i = 1; i < kGoroutines; ++i) {
    Chan<uint64_t> out;
    go([=] {
      for (uint64_t v : in) out.send(v + 1);
      out.close();
    });
    in = out;
  }
  uint64_t token = 0;
  run.start();
  for (uint64_t i = 0; i < rounds; ++i) {
    first.send(token + 1);
    token = *in.recv();
  }
  run.stop();
  first.close();
  run.check(!in.recv().has_value(), "ring: all ended");
  run.did(rounds * kGoroutines);
  run.check(token == rounds * kGoroutines, "ring: every hop was counted");
}

// A send and a receive on a channel that never fills.
void buffered_same(Run& run) {
  Chan<uint64_t> ch(64);
  uint64_t sum = 0;
  run.start();
  for (uint64_t i = 0; i < run.ops; ++i) {
    ch.send(i);
    sum += *ch.recv();
  }
  run.stop();
  run.check(sum == run.ops * (run.ops - 1) / 2, "buffered_same_goroutine: sum");
}

void producer_consumer(Run& run) {
  Chan<uint64_t> ch(run.arg);
  uint64_t sum = 0;
  run.start();
  go([=, ops = run.ops] {
    for (uint64_t i = 0; i < ops; ++i) ch.send(i);
    ch.close();
  });
  for (uint64_t v : ch) sum += v;
  run.stop();
  run.check(sum == run.ops * (run.ops - 1) / 2, "producer_consumer: sum");
}

// A thousand goroutines wait for a channel of their own or for one that all wait on; a message is one operation.
void popular_channel(Run& run) {
  constexpr uint64_t kGoroutines = 1000;
  const uint64_t rounds = run.ops / kGoroutines + 1;
  Chan<bool> popular;
  std::vector<Chan<bool>> own(kGoroutines, nullptr);
  std::vector<uint64_t> received(kGoroutines);
  WaitGroup wg(kGoroutines);
  run.start();
  for (uint64_t g = 0; g < kGoroutines; ++g) {
    own[g] = Chan<bool>();
    go([popular, mine = own[g], rounds, wg, &count = received[g]]() mutable {
      for (uint64_t i = 0; i < rounds; ++i) {
        select(on_recv(popular, [] {}), on_recv(mine, [&] { ++count; }));
      }
      wg.done();
    });
  }
  for (uint64_t i = 0; i < rounds; ++i) {
    for (const Chan<bool>& ch : own) ch.send(true);
  }
  wg.wait();
  run.stop();
  run.did(rounds * kGoroutines);
  uint64_t sum = 0;
  for (uint64_t count : received) sum += count;
  run.check(sum == rounds * kGoroutines, "popular_channel: every message arrived");
}

}  // namespace reprise::bench
