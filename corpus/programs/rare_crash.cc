// A pointer that leads nowhere for one moment, and a reader that looks once: about one schedule in a hundred
// of `random` ends by SIGSEGV. rare_crash
#include <reprise/reprise.h>

#include <cstdint>
#include <cstdio>

namespace {

constexpr int kSteps = 120, kBad = 77, kLook = 60;
int good = 42;
int* cell = &good;  // mutex
reprise::Mutex mutex;

void write_all() {
  // Not a small number: that would be a nil pointer. (`volatile`, or the compiler knows it.)
  static volatile uintptr_t nowhere = 0x5aa5'0000'1230;
  for (int i = 0; i < kSteps; ++i) {
    const std::lock_guard lock(mutex);
    cell = i == kBad ? reinterpret_cast<int*>(nowhere) : &good;
  }
}

[[gnu::noinline]] int look_at(const int* p) { return *static_cast<const volatile int*>(p); }

int read_once() {
  for (int i = 0; i < kLook; ++i) const std::lock_guard lock(mutex);
  int* p;
  {
    const std::lock_guard lock(mutex);
    p = cell;
  }
  return look_at(p);
}

}  // namespace

int app(int, char**) {
  reprise::WaitGroup both;
  both.add(2);
  int seen = 0;
  reprise::go([&] { write_all(), both.done(); });
  reprise::go([&] { seen = read_once(), both.done(); });
  both.wait();
  std::printf("%d\n", seen);
  return 0;
}
REPRISE_MAIN(app)
