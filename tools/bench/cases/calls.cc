// Interfaces, defer, panic and recover, and calls into C.
#include <reprise/cgo.h>
#include <reprise/defer.h>
#include <reprise/iface.h>

#include "tools/bench/cases/c_function.h"
#include "tools/bench/cases/case.h"

namespace reprise::bench {

namespace {

struct Shape {
  uint64_t area() const;
  uint64_t corners() const;
};
REPRISE_INTERFACE(Shape, area, corners)

struct Square {
  uint64_t side = 2;
  uint64_t area() const { return side * side; }
  uint64_t corners() const { return 4; }
};
REPRISE_METHODS(Square, area, corners)

struct Triangle {
  uint64_t side = 2;
  uint64_t area() const { return side; }
  uint64_t corners() const { return 3; }
};
REPRISE_METHODS(Triangle, area, corners)

Square square;
Triangle triangle;

[[gnu::noinline]] void deferring(uint64_t& count) {
  DEFER { ++count; };
  keep(count);
}

[[gnu::noinline]] void defers_ten(uint64_t& count) {
  Defers defers;
  for (int i = 0; i < 10; ++i) defers([&count] { ++count; });
}

[[gnu::noinline]] void panics(uint64_t i) { panic(i); }

}  // namespace

// From any value to its own type, two of them in turn.
void assert_concrete(Run& run) {
  const Any values[] = {&square, &triangle};
  uint64_t squares = 0;
  run.start();
  for (uint64_t i = 0; i < run.ops; ++i) {
    if (values[i & 1].as<Square*>() != nullptr) ++squares;
  }
  run.stop();
  run.check(squares == (run.ops + 1) / 2, "assert_concrete: every other value");
}

// From any value to an interface that its type has.
void assert_interface(Run& run) {
  const Any values[] = {&square, &triangle};
  uint64_t corners = 0;
  run.start();
  for (uint64_t i = 0; i < run.ops; ++i) {
    corners += values[i >> 10 & 1].to<Shape>().corners();
  }
  run.stop();
  run.check(corners >= 3 * run.ops && corners <= 4 * run.ops, "assert_interface: corners");
}

void interface_call(Run& run) {
  const Iface<Shape> shapes[] = {&square, &triangle};
  uint64_t corners = 0;
  run.start();
  for (uint64_t i = 0; i < run.ops; ++i) corners += shapes[i & 1].corners();
  run.stop();
  run.check(corners == 3 * run.ops + (run.ops + 1) / 2, "interface_call: corners");
}

void defer_one(Run& run) {
  uint64_t count = 0;
  run.start();
  for (uint64_t i = 0; i < run.ops; ++i) deferring(count);
  run.stop();
  run.check(count == run.ops, "defer: every call was made");
}

// Ten in a loop; a deferred call is one operation.
void defer_loop(Run& run) {
  const uint64_t rounds = run.ops / 10 + 1;
  uint64_t count = 0;
  run.start();
  for (uint64_t i = 0; i < rounds; ++i) defers_ten(count);
  run.stop();
  run.did(rounds * 10);
  run.check(count == rounds * 10, "defer_loop: every call was made");
}

void panic_recover(Run& run) {
  uint64_t sum = 0;
  run.start();
  for (uint64_t i = 0; i < run.ops; ++i) {
    recovering([&] {
      DEFER { sum += *recover().template as<uint64_t>(); };
      panics(i);
    });
  }
  run.stop();
  run.check(sum == run.ops * (run.ops - 1) / 2, "panic_recover: what was recovered");
}

// By the bridge: on the system stack, with the P given up if it takes long, as cgo does.
void c_call(Run& run) {
  uint64_t sum = 0;
  run.start();
  for (uint64_t i = 0; i < run.ops; ++i) sum = cgo::call([&] { return bench_c_add(sum, i); });
  run.stop();
  run.check(sum == run.ops * (run.ops - 1) / 2, "c_call: sum");
}

}  // namespace reprise::bench
