// core_medley SEED STEPS: a program drawn from a seed that uses all of the core at once. What it prints
// depends on the schedule, on clocks and on the kernel's randomness: a replay must give it back.
//
// Goroutines spawn others, yield, sleep, lock, send, receive, select, throw across switches, move to
// threads of their own, start threads, initialise statics, leave by goexit, allocate. The program always ends: every
// goroutine takes a bounded number of steps, and nothing that it waits for depends on another's choice.
#include <reprise/reprise.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;

// One generator a goroutine, seeded by its place in the tree: what a goroutine does is fixed, when
// it does it is not.
using Rng = std::minstd_rand;

struct Shared {
  reprise::Chan<int> channel{4};
  reprise::Chan<int> unbuffered;
  reprise::Mutex mutex;
  std::mutex std_mutex;
  reprise::WaitGroup all;
  int counter = 0;
  int live = 0;
};
Shared* shared;

int slow_static() {
  static const int value = [] {
    reprise::yield();
    return 5;
  }();
  return value;
}

void say(const std::string& who, const char* what, long value = 0) {
  std::printf("%s %s %ld\n", who.c_str(), what, value);
}

void spawn(std::string name, unsigned seed, int depth, int steps);

void step_channel(const std::string& who, Rng& rng) {
  const int value = static_cast<int>(rng() % 100);
  reprise::select(
      reprise::on_send(shared->channel, value, [&] { say(who, "sent", value); }),
      reprise::on_recv(shared->channel, [&](std::optional<int> got) { say(who, "got", got.value_or(-1)); }),
      reprise::on_recv(shared->unbuffered, [&](std::optional<int> got) { say(who, "met", got.value_or(-1)); }),
      reprise::on_timeout(200us, [&] { say(who, "timed out"); }));
}

void step_meet(const std::string& who, Rng& rng) {
  const int value = static_cast<int>(rng() % 100);
  reprise::select(reprise::on_send(shared->unbuffered, value, [&] { say(who, "offered", value); }),
                  reprise::otherwise([&] { say(who, "nobody"); }));
}

void step_lock(const std::string& who) {
  const std::lock_guard hold(shared->mutex);
  const int before = shared->counter;
  reprise::yield();
  shared->counter = before + 1;
  say(who, "counted", shared->counter);
}

void step_std_lock(const std::string& who) {
  const std::lock_guard hold(shared->std_mutex);
  say(who, "std locked", ++shared->live);
}

void step_throw(const std::string& who) {
  try {
    throw std::runtime_error(who);
  } catch (const std::exception& e) {
    reprise::yield();
    say(e.what(), "caught", e.what() == who);
  }
}

void step_thread(const std::string& who) {
  reprise::lock_os_thread();
  errno = 17;
  reprise::yield();
  say(who, "on a thread", errno);
  reprise::unlock_os_thread();
}

void step_sleep(const std::string& who, Rng& rng) {
  const auto before = reprise::now();
  reprise::sleep_for(std::chrono::microseconds(rng() % 300));
  say(who, "slept", (reprise::now() - before).count());
}

void step_random(const std::string& who) {
  std::random_device device;
  say(who, "random", device());
}

void step_heap(const std::string& who, Rng& rng) {
  const auto block = std::make_unique<char[]>(rng() % 5000 + 1);
  say(who, "block at", static_cast<long>(reinterpret_cast<intptr_t>(block.get())));
}

// A thread that runs no goroutine wakes several that wait: whom first is a decision on that thread.
void step_std_thread(const std::string& who) {
  reprise::Chan<int> gate(0);
  for (const char name : {'x', 'y', 'z'}) {
    shared->all.add();
    reprise::go([gate, who, name]() mutable {
      gate.recv();
      say(who, "through the gate", name);
      shared->all.done();
    });
  }
  reprise::yield();
  std::thread([&] {
    gate.close();
    const std::lock_guard hold(shared->std_mutex);
    say(who, "closed the gate", ++shared->live);
  }).join();
}

// Maps of values of any type, in the order that their iterations take; some entries come and go meanwhile.
template <class M>
void step_map(const std::string& who, Rng& rng) {
  M map;
  const int size = static_cast<int>(rng() % 60) + 1;
  for (int i = 0; i < size; ++i) map[i % 3 == 0 ? reprise::Any(i) : reprise::Any(std::to_string(i))] = i;
  int fresh = 1000;
  long order = 0;
  for (auto [key, value] : map) {
    const int at = value;  // it is a reference until the next write
    order = order * 31 + at + key.template is<int>();
    if (at % 5 == 0) map[fresh++] = 0;
    if (at % 7 == 0) map.erase((at + 3) % size);
    if (at % 11 == 0) reprise::yield();
    if (fresh > 1040) break;
  }
  say(who, "map in order", order);
}

void one_step(const std::string& who, Rng& rng, int depth, int steps, int index) {
  switch (rng() % 15) {
    case 0: return spawn(who + "." + std::to_string(index), rng(), depth + 1, steps);
    case 1: return step_channel(who, rng);
    case 2: return step_meet(who, rng);
    case 3: return step_lock(who);
    case 4: return step_std_lock(who);
    case 5: return step_throw(who);
    case 6: return rng() % 4 == 0 ? step_thread(who) : reprise::yield();
    case 7: return step_sleep(who, rng);
    case 8: return step_random(who);
    case 9: return step_heap(who, rng);
    case 10: return say(who, "static", slow_static());
    case 11: return rng() % 4 == 0 ? step_std_thread(who) : reprise::yield();
    case 12: return step_map<reprise::Map<reprise::Any, int>>(who, rng);
    case 13: return step_map<reprise::BucketMap<reprise::Any, int>>(who, rng);
    default: return reprise::yield();
  }
}

void live(const std::string& who, unsigned seed, int depth, int steps) {
  Rng rng(seed);
  for (int i = 0; i < steps; ++i) one_step(who, rng, depth, steps / 2, i);
  say(who, "done");
  if (rng() % 4 == 0) reprise::goexit();
}

void spawn(std::string name, unsigned seed, int depth, int steps) {
  if (depth > 3 || steps == 0) return;
  shared->all.add();
  reprise::go([name = std::move(name), seed, depth, steps] {
    struct Done {
      ~Done() { shared->all.done(); }
    } done;
    live(name, seed, depth, steps);
  });
}

int app(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: core_medley SEED STEPS\n");
    return 64;
  }
  shared = new Shared;
  const auto seed = static_cast<unsigned>(std::strtoul(argv[1], nullptr, 10));
  for (unsigned i = 0; i < 4; ++i) {
    spawn("g" + std::to_string(i), seed * 31 + i + 1, 0, std::atoi(argv[2]));
  }
  shared->all.wait();
  std::printf("end %d\n", shared->counter);
  return static_cast<int>(seed % 7);
}

}  // namespace

REPRISE_MAIN(app)
