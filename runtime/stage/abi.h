// What the stage offers to the Reprise runtime inside the program it loaded.
//
// The stage is the program's loader and the resident handler of its system calls
// (runtime/stage/README.md). A program finds the table by getauxval(kAuxTable); zero means that
// the program was started directly, and that it is native.
//
// Every entry may be called from a goroutine's stack or from g0: the entry stub switches to the
// stage's own stack and clears the caller-saved registers before it returns, so that what the
// stage does differently in record and in replay leaves no trace (DESIGN: what determinism rests
// on). The caller holds the baton; entries marked "passes the baton" may let another thread of
// the program run.
#pragma once

#include <cstdint>

#include "runtime/seam/goroutine_list.h"
#include "runtime/seam/tape.h"

namespace reprise::stage {

inline constexpr unsigned long kAuxTable = 0x5250'5a01;  // auxiliary vector type of the table
inline constexpr uint32_t kAbiVersion = 2;

// What the runtime tells of a program that has counted code (runtime/sched/counted.h), so that the stage
// can preempt it between any two instructions (stage/preempt.h). The functions are called in signal
// handlers, on the stage's stack, at an instruction of counted code; they make no system call, and what
// they write the program never sees.
struct CountedCode {
  const volatile uint32_t* policy_depth;  // not 0: a policy runs, which does not count
  bool (*in_text)(uint64_t pc);
  uint64_t (*branch_end)(uint64_t pc);  // behind the branch of a tick if pc is there, else pc

  // Live: whether the goroutine that runs, whose stack pointer is `sp`, can be preempted here.
  enum class Place : uint32_t { no, yes, pointless };  // pointless: nobody would run in its place
  Place (*place)(uint64_t sp);

  // Live: the policy's answer how far away the next preemption is.
  struct Distance {
    uint64_t ticks;  // 0: it is a matter of time (Control::slice_ns)
    uint32_t steps;  // and so many instructions behind the tick
  };
  Distance (*next)();

  void (*preempt)();           // goes on in place of the interrupted code, whose address was pushed below
                               // the red zone; returns there with every register as it was
  uint32_t (*slices)();        // how often a goroutine has started to run
};

// A simulated world in the program (runtime/sim): calls that no kernel serves. They leave no record, since
// what they come to follows from what the program did and from decisions.
struct SimulatedWorld {
  bool (*wants)(long nr, const long* args);  // only looks; on the stage's stack
  void (*enter)();  // goes on in place of the instruction, with its registers; the address behind it was
                    // pushed below the red zone
};

struct Table {
  uint32_t abi_version;
  uint32_t bytes;  // of the table; 0 from a stage whose table ends with `counted`
  const tape::Control* control;  // policy, seed, options, mode at start

  // The mode now: a forked child turns to off.
  tape::Mode (*mode)();

  // A system call, recorded or replayed exactly as if it had been trapped, without the trap.
  // Returns the kernel's value (-errno). Passes the baton if the call may block.
  long (*syscall)(long nr, long a0, long a1, long a2, long a3, long a4, long a5);

  // A decision or a mark. run and record: appends {kind, check, value}, returns `value`.
  // Replay: the next record must have this kind, thread and check; returns its value. Anything
  // else is a divergence and does not return.
  int64_t (*note)(uint32_t kind, uint32_t check, int64_t value);

  // The same with bytes: record appends them, replay compares them.
  void (*note_bytes)(uint32_t kind, uint32_t check, int64_t value, const void* bytes, uint32_t size);

  // Nanoseconds of a clock (CLOCK_REALTIME, CLOCK_MONOTONIC, ...).
  int64_t (*clock)(int clock_id);

  // Where the runtime says where it counts its runnable goroutines; the watchdog looks there.
  const uint64_t* volatile* runnable;

  // Where the runtime says how its goroutines are found; the parent looks at them when the stage
  // has halted the program.
  const seam::GoroutineList* volatile* goroutines;

  // Ends the run as diverged or broken, with this text for the parent. Does not return.
  void (*fail)(tape::Verdict verdict, const char* message);

  // Counted code is preempted from now on. `code` lives for ever. At most once in an image; on the thread
  // that runs the goroutines.
  void (*counted)(const CountedCode* code);

  // Called once by a booted program, before its first decision. Returns at once; in a fork server it
  // returns in every run, each in a process of its own, and not in the server.
  void (*fork_point)();

  // Where a run of a fork server says what it does. Null in all other modes.
  tape::Forks* forks;

  // Calls that the world wants are its own from now on, but for those through this table.
  void (*simulated)(const SimulatedWorld* world);
};

}  // namespace reprise::stage
