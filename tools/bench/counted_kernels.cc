// Seven computations, timed one by one: what counting ticks costs is the ratio of this program, counted, to
// itself, plain (counted_cost.py). Prints "name nanoseconds result" for each.
//
// Chosen for what surrounds a tick: floating point in nested short loops (nbody), vectorised loops
// (matmul), calls into a container (hash), branches (sort), dependent loads (chase), a loop that does
// nothing but poll (spin), calls (fib).
#include <reprise/reprise.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <numeric>
#include <unordered_map>
#include <vector>

namespace {

struct Body {
  double x, y, z, vx, vy, vz, mass;
};

void attract(Body& a, Body& b, double dt) {
  const double dx = a.x - b.x, dy = a.y - b.y, dz = a.z - b.z;
  const double square = dx * dx + dy * dy + dz * dz + 0.01;
  const double pull = dt / (square * std::sqrt(square));
  a.vx -= dx * b.mass * pull;
  a.vy -= dy * b.mass * pull;
  a.vz -= dz * b.mass * pull;
  b.vx += dx * a.mass * pull;
  b.vy += dy * a.mass * pull;
  b.vz += dz * a.mass * pull;
}

double nbody() {
  std::array<Body, 5> bodies;
  for (size_t i = 0; i < bodies.size(); ++i) {
    const auto n = static_cast<double>(i);
    bodies[i] = {n + 0.1, n * 0.5, n * 0.25, 0.01 * n, 0.02, 0.03, 1 + n / 10};
  }
  for (int step = 0; step < 100'000; ++step) {
    for (size_t i = 0; i < bodies.size(); ++i)
      for (size_t j = i + 1; j < bodies.size(); ++j) attract(bodies[i], bodies[j], 0.001);
    for (Body& body : bodies) {
      body.x += 0.001 * body.vx;
      body.y += 0.001 * body.vy;
      body.z += 0.001 * body.vz;
    }
  }
  return bodies[0].x + bodies[4].z;
}

double matmul() {
  constexpr size_t kSize = 256;
  std::vector<float> a(kSize * kSize), b(kSize * kSize), c(kSize * kSize);
  for (size_t i = 0; i < a.size(); ++i) {
    a[i] = static_cast<float>(i % 7);
    b[i] = static_cast<float>(i % 5);
  }
  for (size_t i = 0; i < kSize; ++i)
    for (size_t k = 0; k < kSize; ++k) {
      const float factor = a[i * kSize + k];
      for (size_t j = 0; j < kSize; ++j) c[i * kSize + j] += factor * b[k * kSize + j];
    }
  return std::accumulate(c.begin(), c.end(), 0.0);
}

uint64_t next(uint64_t& state) {
  state ^= state << 13;
  state ^= state >> 7;
  return state ^= state << 17;
}

double hash() {
  std::unordered_map<uint64_t, uint64_t> map;
  uint64_t state = 88172645463325252;
  for (uint64_t i = 0; i < 1'000'000; ++i) map[next(state) & 0x3fff] += i;
  uint64_t sum = 0;
  for (const auto& [key, value] : map) sum += key * value;
  return static_cast<double>(sum & 0xffffff);
}

double sort() {
  std::vector<uint32_t> values(200'000);
  uint64_t state = 12345;
  for (uint32_t& value : values) value = static_cast<uint32_t>(next(state));
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

struct Node {
  Node* next;
  uint64_t value;
};

double chase() {
  std::vector<Node> nodes(4096);
  std::vector<size_t> order(nodes.size());
  std::iota(order.begin(), order.end(), size_t{0});
  uint64_t state = 1;
  for (size_t i = order.size() - 1; i > 0; --i) std::swap(order[i], order[next(state) % (i + 1)]);
  for (size_t i = 0; i < order.size(); ++i) nodes[order[i]] = {&nodes[order[(i + 1) % order.size()]], i};
  uint64_t sum = 0;
  const Node* at = &nodes[0];
  for (int hops = 0; hops < 8'000'000; ++hops) {
    sum += at->value;
    at = at->next;
  }
  return static_cast<double>(sum & 0xffffff);
}

std::atomic<int> flag;

double spin() {
  flag.store(0);
  int64_t turns = 0;
  while (flag.load(std::memory_order_relaxed) == 0) {
    if (++turns == 30'000'000) flag.store(1, std::memory_order_relaxed);
  }
  return static_cast<double>(turns);
}

[[gnu::noinline]] int64_t fibonacci(int n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }

double fib() { return static_cast<double>(fibonacci(31)); }

int time_kernels(int, char**) {
  struct Kernel {
    const char* name;
    double (*run)();
  };
  constexpr Kernel kKernels[] = {{"nbody", nbody}, {"matmul", matmul}, {"hash", hash}, {"sort", sort},
                                 {"chase", chase}, {"spin", spin}, {"fib", fib}};
  for (const Kernel& kernel : kKernels) {
    // The CPU's time, and the best of three: others use the machine too.
    int64_t best = INT64_MAX;
    double result = 0;
    for (int i = 0; i < 3; ++i) {
      timespec before, after;
      clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
      result = kernel.run();
      clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
      best = std::min<int64_t>(best, (after.tv_sec - before.tv_sec) * 1'000'000'000 + after.tv_nsec - before.tv_nsec);
    }
    std::printf("%s %lld %.17g\n", kernel.name, static_cast<long long>(best), result);
  }
  return 0;
}

}  // namespace

REPRISE_MAIN(time_kernels)
