// The parent unwinds from here: the stage's own frames have call frame information, also where they
// change stacks (table_amd64.S, hot_amd64.S) and at the trap (entry_amd64.S).
#include "runtime/stage/halt.h"

#include "runtime/stage/stage.h"
#include "runtime/stage/tape_map.h"

namespace reprise::stage {

const seam::GoroutineList* volatile goroutines = nullptr;

namespace {

[[gnu::always_inline]] inline void put_registers(uint64_t* registers) {
  asm volatile(
      "movq %%rbx, 24(%0)\n"
      "movq %%rbp, 48(%0)\n"
      "movq %%rsp, 56(%0)\n"
      "movq %%r12, 96(%0)\n"
      "movq %%r13, 104(%0)\n"
      "movq %%r14, 112(%0)\n"
      "movq %%r15, 120(%0)\n"
      "leaq 0f(%%rip), %%rax\n"
      "0: movq %%rax, 128(%0)\n"
      : : "r"(registers) : "rax", "memory");
}

}  // namespace

// The registers are those of this very frame, which stands until the parent has looked.
[[gnu::noinline]] void halt() {
  if (!control->halt_wanted) return;
  control->goroutines = reinterpret_cast<uint64_t>(goroutines);
  put_registers(control->halt_registers);
  __atomic_store_n(&control->halted, 1, __ATOMIC_RELEASE);
  if (live()) wake_other_side(&control->written_seq);
  while (__atomic_load_n(&control->halted, __ATOMIC_ACQUIRE) && scribe_alive()) {
    wait_for_other_side(&control->halted, 1);
  }
}

}  // namespace reprise::stage
