// Go's test/chan/select2: selects leave no memory behind.
#include <malloc.h>

#include "tests/go/behaviour.h"

namespace reprise {
namespace {

TEST(SelectMemory, selects_that_wait_leave_no_memory_behind) {
#ifdef REPRISE_SANITIZED
  GTEST_SKIP() << "a sanitizer's heap does not say how much is in use";
#endif
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
  if (test::controlled()) return;  // the heap is another there
  const auto before = static_cast<int64_t>(mallinfo2().uordblks);
  pass();
  const auto after = static_cast<int64_t>(mallinfo2().uordblks);
  EXPECT_LT(after - before, 100'000) << "for " << n << " selects";
}

}  // namespace
}  // namespace reprise
