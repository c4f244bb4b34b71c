// Every assembly routine: what it keeps, what it clears, and that an unwinder gets through it.
#include <gtest/gtest.h>
#include <reprise/go.h>
#include <unwind.h>
#include <xmmintrin.h>

#include <algorithm>
#include <atomic>
#include <cfenv>
#include <vector>

#include "asm/asm.h"
#include "runtime/sched/g_m_p.h"
#include "runtime/sched/proc.h"
#include "tests/support/frames.h"

struct CallerSaved {
  uint64_t general[8];
  uint64_t vector[16][2];
};

extern "C" {
uint64_t callee_saved_lost(void (*fn)(void*), void* arg);
void caller_saved_after(void (*fn)(void*), void* arg, CallerSaved* out);
}

namespace reprise::rt {
namespace {

void wait_until_alone() {
  while (num_goroutine() > 1) gosched();
}

void yield_arg(void*) { gosched(); }

void systemstack_arg(void*) {
  reprise_systemstack([](void*) {}, nullptr);
}

TEST(Switch, mcall_keeps_the_callee_saved_registers) {
  go([] { gosched(); });  // its registers are another goroutine's: zero from the start
  EXPECT_EQ(callee_saved_lost(yield_arg, nullptr), 0u);
  wait_until_alone();
}

TEST(Switch, systemstack_keeps_the_callee_saved_registers) {
  EXPECT_EQ(callee_saved_lost(systemstack_arg, nullptr), 0u);
}

class Cleared : public testing::TestWithParam<uint32_t> {
 protected:
  void SetUp() override {
    if (GetParam() > reprise_vector_level + 1) GTEST_SKIP() << "not on this processor";
    reprise_clear_level = GetParam();
  }
  void TearDown() override { reprise_clear_level = 0; }
};

void expect_cleared(const CallerSaved& after) {
  for (uint64_t word : after.general) EXPECT_EQ(word, 0u);
  for (const auto& lane : after.vector) EXPECT_EQ(lane[0] | lane[1], 0u);
}

// In asm, since a C++ caller would not let the registers through.
TEST_P(Cleared, mcall_leaves_nothing_in_caller_saved_registers) {
  CallerSaved after;
  caller_saved_after([](void*) { reprise_mcall([](G* gp) { return gp; }); }, nullptr, &after);
  expect_cleared(after);
}

TEST_P(Cleared, systemstack_leaves_nothing_in_caller_saved_registers) {
  CallerSaved after;
  caller_saved_after(systemstack_arg, nullptr, &after);
  expect_cleared(after);
}

INSTANTIATE_TEST_SUITE_P(Levels, Cleared, testing::Values(1, 2, 3));

TEST(Switch, control_words_are_the_goroutines_own) {
  const unsigned mxcsr = _mm_getcsr();
  go([] {
    std::fesetround(FE_UPWARD);
    gosched();
    EXPECT_EQ(std::fegetround(), FE_UPWARD);
  });
  gosched();
  EXPECT_EQ(_mm_getcsr() & ~0x3fu, mxcsr & ~0x3fu);
  EXPECT_EQ(std::fegetround(), FE_TONEAREST);
  go([] { EXPECT_EQ(std::fegetround(), FE_TONEAREST); });
  wait_until_alone();
}

// ---- unwinding ----

struct Trace {
  std::vector<uint64_t> functions;
  _Unwind_Reason_Code end = _URC_NO_REASON;
  bool has(const void* function) const {
    return std::count(functions.begin(), functions.end(), reinterpret_cast<uint64_t>(function)) != 0;
  }
};

_Unwind_Reason_Code collect(_Unwind_Context* context, void* arg) {
  int before = 0;
  const uint64_t pc = _Unwind_GetIPInfo(context, &before);
  auto& functions = static_cast<Trace*>(arg)->functions;
  if (pc == 0) return _URC_NO_REASON;  // how libgcc shows an undefined return address
  functions.push_back(reinterpret_cast<uint64_t>(
      _Unwind_FindEnclosingFunction(reinterpret_cast<void*>(before ? pc : pc - 1))));
  return functions.size() < 100 ? _URC_NO_REASON : _URC_END_OF_STACK;
}

void trace_here(Trace* trace) { trace->end = _Unwind_Backtrace(collect, trace); }

[[gnu::noinline]] void on_system_stack(Trace* trace) {
  reprise_systemstack([](void* arg) { trace_here(static_cast<Trace*>(arg)); }, trace);
  asm volatile("");
}

TEST(Unwind, from_g0_through_systemstack_back_to_the_goroutine) {
  Trace trace;
  go([&trace] { on_system_stack(&trace); });
  wait_until_alone();
  EXPECT_EQ(trace.end, _URC_END_OF_STACK);
  EXPECT_TRUE(trace.has(reinterpret_cast<void*>(&reprise_systemstack)));
  EXPECT_TRUE(trace.has(reinterpret_cast<void*>(&on_system_stack)));
  EXPECT_TRUE(trace.has(reinterpret_cast<void*>(&reprise_gostart)));
  EXPECT_LT(trace.functions.size(), 100u);
}

TEST(Unwind, a_goroutines_stack_ends_at_gostart) {
  Trace trace;
  go([&trace] { trace_here(&trace); });
  wait_until_alone();
  EXPECT_EQ(trace.end, _URC_END_OF_STACK);
  ASSERT_FALSE(trace.functions.empty());
  EXPECT_EQ(trace.functions.back(), reinterpret_cast<uint64_t>(&reprise_gostart));
}

Trace mcall_trace;

TEST(Unwind, under_mcall_the_stack_ends_at_mcall) {
  mcall_trace = {};
  reprise_mcall([](G* gp) {
    trace_here(&mcall_trace);
    return gp;
  });
  EXPECT_EQ(mcall_trace.end, _URC_END_OF_STACK);
  ASSERT_FALSE(mcall_trace.functions.empty());
  EXPECT_EQ(mcall_trace.functions.back(), reinterpret_cast<uint64_t>(&reprise_mcall));
}

[[gnu::noinline]] void parks_here() {
  gopark(nullptr, nullptr, WaitReason::semacquire);
  asm volatile("");
}

bool traces_to(const std::vector<std::string>& names, const char* part) {
  return std::any_of(names.begin(), names.end(),
                     [&](const std::string& name) { return name.find(part) != std::string::npos; });
}

TEST(Unwind, a_parked_goroutine_is_traced_from_its_saved_context) {
  std::atomic<G*> running = nullptr;
  go([&running] {
    running = getg();
    parks_here();
  });
  while (running == nullptr || running.load()->status.load() != GStatus::waiting) gosched();
  G* const parked = running;
  const std::vector<std::string> names = test::frames_of(parked);
  EXPECT_TRUE(traces_to(names, "reprise_mcall"));
  EXPECT_TRUE(traces_to(names, "parks_here"));
  EXPECT_TRUE(traces_to(names, "reprise_gostart"));
  goready(parked);
  wait_until_alone();
}

// Returns where it noted itself to be, and its own first byte.
[[gnu::noinline]] std::pair<asm_::Gobuf, void*> note_place() {
  asm_::Gobuf here;
  reprise_gosave(&here);
  return {here, reinterpret_cast<void*>(&note_place)};
}

TEST(Unwind, gosave_notes_the_place_of_its_caller) {
  const auto [here, function] = note_place();
  EXPECT_EQ(_Unwind_FindEnclosingFunction(reinterpret_cast<void*>(here.pc)), function);
  EXPECT_GT(here.sp, getg()->ctx.stack_lo);
  EXPECT_LT(here.sp, getg()->ctx.stack_hi);
}

}  // namespace
}  // namespace reprise::rt
