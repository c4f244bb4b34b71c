// A REPRISE_TEST that fails, for programs with one main or another.
#include <reprise/chan.h>
#include <reprise/go.h>
#include <reprise/gtest.h>

REPRISE_TEST(One, fails, .trace = false) {
  reprise::Chan<int> values(2);
  for (int i = 1; i <= 2; ++i) reprise::go([values, i]() mutable { values.send(i); });
  EXPECT_EQ(values.recv().value(), 1);  // the line of the expectation
  values.recv();
}
