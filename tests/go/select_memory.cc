// Go's test/chan/select2: a select that waits leaves no memory behind.
#include <atomic>
#include <cstdlib>
#include <new>

#include "tests/go/behaviour.h"

namespace {
std::atomic<long> allocations{0};
}  // namespace

// Every allocation through new in this process, the library's included.
[[gnu::noinline]] void* operator new(size_t bytes) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* block = std::malloc(bytes)) return block;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* block) noexcept { std::free(block); }
[[gnu::noinline]] void operator delete(void* block, size_t) noexcept { std::free(block); }

namespace reprise {
namespace {

TEST(SelectMemory, selects_that_wait_allocate_nothing) {
  const int n = test::rounds(20'000, 500);
  const Chan<int> ch, idle;
  const auto pass = [=] {
    go([=] {
      for (int i = 0; i < n; ++i) ch.send(1);
    });
    for (int i = 0; i < n; ++i) {
      select(on_recv(ch, test::nothing), on_recv(idle, test::must_not_happen));
    }
  };
  pass();
  if (test::controlled()) return;  // policies and the seam allocate
  const long before = allocations.load();
  pass();
  EXPECT_LE(allocations.load() - before, 100) << "of " << n << " selects";
}

}  // namespace
}  // namespace reprise
