// The order in which thieves visit Ps.
#include "runtime/sched/steal_order.h"

#include <gtest/gtest.h>

#include <map>
#include <vector>

namespace reprise::rt {
namespace {

std::vector<uint32_t> order(uint64_t random, uint32_t n) {
  StealOrder steal(random, n);
  std::vector<uint32_t> visited;
  for (uint32_t i = 0; i < n; ++i) visited.push_back(steal.next());
  return visited;
}

TEST(StealOrder, visits_every_p_once) {
  for (uint32_t n = 1; n <= 64; ++n) {
    for (uint64_t start = 0; start <= n; ++start) {
      for (uint64_t step = 0; step <= n; ++step) {
        std::vector<int> visits(n);
        for (uint32_t p : order(step << 32 | start, n)) ++visits[p];
        ASSERT_EQ(visits, std::vector<int>(n, 1)) << n << " Ps, " << start << ", " << step;
      }
    }
  }
}

TEST(StealOrder, any_p_may_be_first_and_its_followers_differ) {
  constexpr uint32_t kPs = 8;
  std::map<uint32_t, std::map<uint32_t, int>> second_after_first;
  for (uint64_t start = 0; start < kPs; ++start) {
    for (uint64_t step = 0; step < kPs; ++step) {
      const std::vector<uint32_t> visited = order(step << 32 | start, kPs);
      ++second_after_first[visited[0]][visited[1]];
    }
  }
  ASSERT_EQ(second_after_first.size(), kPs);
  for (const auto& [first, seconds] : second_after_first) {
    EXPECT_EQ(seconds.size(), 4u) << "numbers coprime to 8, after P " << first;
  }
}

}  // namespace
}  // namespace reprise::rt
