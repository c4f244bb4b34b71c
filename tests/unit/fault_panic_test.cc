// Faults that are panics, recovered: built with -fnon-call-exceptions, so that frames can be left from any
// instruction. Clang does not have that; there what faults must be in a function that it does not see into.
#include <gtest/gtest.h>
#include <reprise/defer.h>

#include <string>

#include "tests/support/on_purpose.h"

namespace reprise {
namespace {

int* volatile nothing = nullptr;
volatile int zero = 0;
void (*volatile no_function)() = nullptr;

Panic panic_of(bool& destroyed, void (*faults)()) {
  void (*volatile const f)() = faults;
  struct Flag {
    bool& flag;
    ~Flag() { flag = true; }
  };
  Panic caught;
  recovering([&] {
    DEFER { caught = recover(); };
    const Flag flag{destroyed};
    f();
  });
  return caught;
}

TEST(FaultPanic, nil_dereference_is_recovered_and_destructors_run) {
  for (int i = 0; i < 100; ++i) {
    bool destroyed = false;
    const Panic panic = panic_of(destroyed, []() ON_PURPOSE { *nothing = 1; });
    ASSERT_TRUE(panic);
    EXPECT_EQ(panic.text().find("runtime error: invalid memory address or nil pointer dereference"), 0u);
    EXPECT_NE(panic.as<RuntimeError>(), nullptr);
    EXPECT_TRUE(destroyed);
  }
}

TEST(FaultPanic, division_by_zero_is_recovered_and_destructors_run) {
  bool destroyed = false;
  const Panic panic = panic_of(destroyed, []() ON_PURPOSE { zero = 7 / zero; });
  ASSERT_TRUE(panic);
  EXPECT_EQ(panic.text().find("runtime error: integer divide by zero"), 0u);
  EXPECT_TRUE(destroyed);
}

TEST(FaultPanic, call_of_a_nil_function_is_recovered_and_destructors_run) {
  bool destroyed = false;
  const Panic panic = panic_of(destroyed, []() ON_PURPOSE { no_function(); });
  ASSERT_TRUE(panic);
  EXPECT_TRUE(destroyed);
}

}  // namespace
}  // namespace reprise
