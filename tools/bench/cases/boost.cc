// The Boost.Fiber peers of the cases in this folder: the same work, step by step, on one thread.
//
//   reprise-bench-boost CASE OPS     as reprise-bench-cases
//
// A fiber takes a stack of 128 KiB, pooled, as a program that starts many would have it. buffered_channel holds one
// element less than its capacity, which is a power of two: producer_consumer_10 and _100 have the next larger one.
#include <boost/fiber/all.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>
#include <thread>
#include <vector>

#include "tools/bench/cases/case.h"

namespace reprise::bench {

namespace {

namespace fibers = boost::fibers;
using Unbuffered = fibers::unbuffered_channel<uint64_t>;
using Buffered = fibers::buffered_channel<uint64_t>;

fibers::pooled_fixedsize_stack& stacks() {
  static fibers::pooled_fixedsize_stack pool;
  return pool;
}

template <class F>
fibers::fiber start(F f) {
  return fibers::fiber(fibers::launch::post, std::allocator_arg, stacks(), std::move(f));
}

void one_by_one(Run& run) {
  uint64_t sum = 0;
  run.start();
  for (uint64_t i = 0; i < run.ops; ++i) start([&] { ++sum; }).join();
  run.stop();
  run.check(sum == run.ops, "spawn_join: every fiber ran once");
}

void by_the_thousand(Run& run) {
  constexpr uint64_t kBatch = 1000;
  const uint64_t batches = (run.ops + kBatch - 1) / kBatch;
  uint64_t sum = 0;
  std::vector<fibers::fiber> started(kBatch);
  run.start();
  for (uint64_t batch = 0; batch < batches; ++batch) {
    for (fibers::fiber& fiber : started) fiber = start([&] { ++sum; });
    for (fibers::fiber& fiber : started) fiber.join();
  }
  run.stop();
  run.did(batches * kBatch);
  run.check(sum == batches * kBatch, "spawn_many: every fiber ran once");
}

void yielding(Run& run) {
  const uint64_t each = run.ops / 2 + 1;
  uint64_t other = 0, own = 0;
  run.start();
  fibers::fiber second = start([&] {
    for (; other < each; ++other) boost::this_fiber::yield();
  });
  for (; own < each; ++own) boost::this_fiber::yield();
  second.join();
  run.stop();
  run.did(2 * each);
  run.check(own + other == 2 * each, "yield: both came to their end");
}

void there_and_back(Run& run) {
  Unbuffered ping, pong;
  fibers::fiber other = start([&] {
    for (uint64_t v : ping) pong.push(v + 1);
    pong.close();
  });
  uint64_t sum = 0;
  run.start();
  for (uint64_t i = 0; i < run.ops; ++i) {
    ping.push(i);
    sum += pong.value_pop();
  }
  run.stop();
  ping.close();
  other.join();
  run.check(sum == run.ops * (run.ops + 1) / 2, "ping_pong: what came back");
}

void token(Run& run) {
  constexpr uint64_t kFibers = 100;
  const uint64_t rounds = run.ops / kFibers + 1;
  std::vector<std::unique_ptr<Unbuffered>> links;
  for (uint64_t i = 0; i < kFibers; ++i) links.push_back(std::make_unique<Unbuffered>());
  std::vector<fibers::fiber> started;
  for (uint64_t i = 1; i < kFibers; ++i) {
    started.push_back(start([&in = *links[i - 1], &out = *links[i]] {
      for (uint64_t v : in) out.push(v + 1);
      out.close();
    }));
  }
  uint64_t value = 0;
  run.start();
  for (uint64_t i = 0; i < rounds; ++i) {
    links.front()->push(value + 1);
    value = links.back()->value_pop();
  }
  run.stop();
  links.front()->close();
  for (fibers::fiber& fiber : started) fiber.join();
  run.did(rounds * kFibers);
  run.check(value == rounds * kFibers, "ring: every hop was counted");
}

void same_fiber(Run& run) {
  Buffered ch(64);
  uint64_t sum = 0;
  run.start();
  for (uint64_t i = 0; i < run.ops; ++i) {
    ch.push(i);
    sum += ch.value_pop();
  }
  run.stop();
  run.check(sum == run.ops * (run.ops - 1) / 2, "buffered_same_goroutine: sum");
}

template <class Channel>
void produce_and_consume(Run& run, Channel& ch) {
  uint64_t sum = 0;
  run.start();
  fibers::fiber producer = start([&] {
    for (uint64_t i = 0; i < run.ops; ++i) ch.push(i);
    ch.close();
  });
  for (uint64_t v : ch) sum += v;
  run.stop();
  producer.join();
  run.check(sum == run.ops * (run.ops - 1) / 2, "producer_consumer: sum");
}

void produce(Run& run) {
  if (run.arg == 0) {
    Unbuffered ch;
    produce_and_consume(run, ch);
  } else {
    Buffered ch(static_cast<size_t>(run.arg));
    produce_and_consume(run, ch);
  }
}

void mutex_alone(Run& run) {
  fibers::mutex mutex;
  uint64_t count = 0;
  run.start();
  for (uint64_t i = 0; i < run.ops; ++i) {
    mutex.lock();
    ++count;
    mutex.unlock();
  }
  run.stop();
  run.check(count == run.ops, "mutex_uncontended: count");
}

void mutex_of_eight(Run& run) {
  constexpr uint64_t kFibers = 8;
  const uint64_t each = run.ops / kFibers + 1;
  fibers::mutex mutex;
  uint64_t count = 0;
  std::vector<fibers::fiber> started;
  run.start();
  for (uint64_t f = 0; f < kFibers; ++f) {
    started.push_back(start([&] {
      for (uint64_t i = 0; i < each; ++i) {
        mutex.lock();
        ++count;
        mutex.unlock();
        for (int work = 0; work < 20; ++work) touch(&i);
      }
    }));
  }
  for (fibers::fiber& fiber : started) fiber.join();
  run.stop();
  run.did(each * kFibers);
  run.check(count == each * kFibers, "mutex_contended: no increment was lost");
}

void sleeper(Run& run) {
  using Clock = std::chrono::steady_clock;
  std::vector<double> late_ns;
  run.start();
  for (uint64_t i = 0; i < run.ops; ++i) {
    const auto begun = Clock::now();
    boost::this_fiber::sleep_for(std::chrono::milliseconds(1));
    late_ns.push_back(std::chrono::duration<double, std::nano>(Clock::now() - begun - std::chrono::milliseconds(1)).count());
  }
  run.stop();
  std::sort(late_ns.begin(), late_ns.end());
  run.check(late_ns.front() >= 0, "sleep_latency: nobody woke early");
  run.measured(late_ns[late_ns.size() / 2]);
}

constexpr Case kCases[] = {
    {"spawn_join", one_by_one},
    {"spawn_many", by_the_thousand},
    {"yield", yielding},
    {"ping_pong", there_and_back},
    {"ring", token},
    {"buffered_same_goroutine", same_fiber},
    {"producer_consumer_0", produce, 0},
    {"producer_consumer_10", produce, 16},
    {"producer_consumer_100", produce, 128},
    {"mutex_uncontended", mutex_alone},
    {"mutex_contended", mutex_of_eight},
    {"sleep_latency", sleeper},
};

}  // namespace

}  // namespace reprise::bench

int main(int argc, char** argv) { return reprise::bench::main_of(reprise::bench::kCases, argc, argv); }
