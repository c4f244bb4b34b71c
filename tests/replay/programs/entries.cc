// entries [diverge|fail]: every entry of stage::Table, from an own small stack, and what it leaves
// in registers. `diverge` notes something else in a replay; `fail` ends the run by the table.
#include <signal.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <ctime>

#include "runtime/stage/abi.h"

using reprise::stage::Table;
using reprise::tape::Mode;

// Calls `entry` with the first six words of `args` (and the seventh on the stack) from the stack
// that ends at `stack`, and stores what rax rcx rdx rsi rdi r8-r11 hold afterwards in `left`.
extern "C" void call_entry(const void* entry, const long* args, void* stack, uint64_t* left);
asm(R"(
  .text
  .type call_entry, @function
call_entry:
  push %rbp
  mov %rsp, %rbp
  push %rbx
  push %r12
  mov %rcx, %rbx
  mov %rdi, %rax
  mov %rsi, %r10
  mov %rdx, %rsp
  sub $8, %rsp
  pushq 48(%r10)
  mov (%r10), %rdi
  mov 8(%r10), %rsi
  mov 16(%r10), %rdx
  mov 24(%r10), %rcx
  mov 32(%r10), %r8
  mov 40(%r10), %r9
  mov $0x77, %r10d
  mov $0x78, %r11d
  call *%rax
  mov %rax, (%rbx)
  mov %rcx, 8(%rbx)
  mov %rdx, 16(%rbx)
  mov %rsi, 24(%rbx)
  mov %rdi, 32(%rbx)
  mov %r8, 40(%rbx)
  mov %r9, 48(%rbx)
  mov %r10, 56(%rbx)
  mov %r11, 64(%rbx)
  lea -16(%rbp), %rsp
  pop %r12
  pop %rbx
  pop %rbp
  ret
  .size call_entry, . - call_entry
)");

namespace {
constexpr size_t kStackBytes = 4096;
constexpr uint32_t kMark = reprise::tape::kMark;
char* stack_end;
int not_cleared;
volatile int alarms;

void on_alarm(int) { alarms = alarms + 1; }

template <typename Entry>
long call(Entry entry, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0, long f = 0,
          long g = 0) {
  const long args[7] = {a, b, c, d, e, f, g};
  uint64_t left[9];
  call_entry(reinterpret_cast<const void*>(entry), args, stack_end, left);
  for (int i = 1; i < 9; ++i) not_cleared += left[i] != 0;
  return static_cast<long>(left[0]);
}

// A handler runs though the program makes no call but the table's.
long calls_until_alarm(const Table& table) {
  struct sigaction action = {};
  action.sa_handler = on_alarm;
  sigaction(SIGALRM, &action, nullptr);
  const itimerval timer = {{0, 0}, {0, 2000}};
  setitimer(ITIMER_REAL, &timer, nullptr);
  long calls = 0;
  for (; alarms == 0; ++calls) call(table.syscall, SYS_getppid);
  return calls;
}
}  // namespace

int main(int argc, char** argv) {
  auto* table = reinterpret_cast<const Table*>(getauxval(reprise::stage::kAuxTable));
  if (!table) return 2;
  auto* stack = static_cast<char*>(mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE,
                                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  stack_end = stack + kStackBytes;
  const bool replays = static_cast<Mode>(call(table->mode)) == Mode::replay;
  if (argc > 1 && !std::strcmp(argv[1], "fail")) {
    table->fail(reprise::tape::Verdict::broken, "the program said so");
  }
  if (argc > 1 && !std::strcmp(argv[1], "diverge")) call(table->note, kMark, replays ? 2 : 1, 5);

  // What is noted in a replay does not matter: what was noted when recording comes back.
  uint64_t random = 0;
  if (getrandom(&random, sizeof random, 0) != sizeof random) return 3;
  const long noted = call(table->note, kMark, 7, static_cast<long>(random ^ replays));
  call(table->note_bytes, kMark, 8, 9, reinterpret_cast<long>("bytes"), 5);

  timespec later = {};
  const long earlier = call(table->clock, CLOCK_MONOTONIC);
  clock_gettime(CLOCK_MONOTONIC, &later);
  const bool ordered = earlier <= later.tv_sec * 1'000'000'000 + later.tv_nsec;

  char path[] = "/proc/self/exe";
  char link[256] = {};
  const long length = call(table->syscall, SYS_readlink, reinterpret_cast<long>(path),
                           reinterpret_cast<long>(link), sizeof link - 1);
  // Six arguments: the last of them lies on the caller's stack.
  const long mapped = call(table->syscall, SYS_mmap, 0, 4096, PROT_READ,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  const long bad = call(table->syscall, SYS_close, -1);
  std::printf("noted %s clock ordered %d link %ld mapped %d bad %ld pid %d calls %s not cleared %d\n",
              noted == static_cast<long>(random) ? "the same" : "another", ordered, length,
              mapped > 0, bad, call(table->syscall, SYS_getpid) == getpid(),
              calls_until_alarm(*table) > 0 ? "some" : "none", not_cleared);
  return not_cleared;
}
