// The program of the golden trace of preemptions and signals: static, without a C library, so small that it lies
// beside its trace. Its ticks are written by hand (asm/tick_page.h); the stage preempts it where next() says, in
// the middle of `rep movsb` too, and whatever is lost of `sum` then shows in the output. Signals come from a
// timer and from itself, on an alternate stack, some while they are blocked.
//
//   g++ -O1 -static -nostdlib -ffreestanding -fno-stack-protector -fno-pie -no-pie -mgeneral-regs-only
//       -fcf-protection=none -s -o preempted preempted.cc
//   reprise record --seed 1 -o preempted.rpz -- ./preempted > preempted.txt
#include <sys/syscall.h>

namespace {

using Number = unsigned long;

// stage::CountedCode and the start of stage::Table (runtime/stage/abi.h), version 2.
struct CountedCode {
  const volatile unsigned* policy_depth;
  bool (*in_text)(Number pc);
  Number (*branch_end)(Number pc);
  unsigned (*place)(Number sp);
  struct Distance {
    Number ticks;
    unsigned steps;
  };
  Distance (*next)();
  void (*preempt)();
  unsigned (*slices)();
};
struct Table {
  unsigned abi_version, bytes;
  const void* control;
  unsigned (*mode)();
  long (*syscall)(long nr, long a0, long a1, long a2, long a3, long a4, long a5);
  long (*note)(unsigned kind, unsigned check, long value);
  void* before_counted[5];
  void (*counted)(const CountedCode* code);
};
constexpr Number kAuxTable = 0x52505a01;

// asm/tick_page.h
struct TickPage {
  long counter;
  Number magic;
  char pad[48];
  void (*slow)();
  Number others[7];
  long loaded;
};
constexpr Number kTickPage = 0x100000, kTickMagic = 0x32504b4349545052;
constexpr unsigned kSubBytes = 9, kSiteBytes = 15;
#define TICK                                                   \
  asm volatile("subq $1, 0x100000\n js 1f\n2:\n"               \
               ".pushsection .text.stubs, \"ax\"\n"            \
               "1: movq %%rax, 0x100048\n leaq 2b(%%rip), %%rax\n jmp *0x100040\n" \
               ".popsection" ::: "memory", "cc")
#define COUNTED __attribute__((section("counted"), noinline))
extern "C" const char __start_counted[], __stop_counted[];

long call(long nr, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0, long f = 0) {
  register long r10 asm("r10") = d;
  register long r8 asm("r8") = e;
  register long r9 asm("r9") = f;
  long result;
  asm volatile("syscall" : "=a"(result) : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
  return result;
}

const Table* table;
volatile Number sum, preemptions, signals;
volatile unsigned policy_depth, slice;
char from[256], to[256], alternate[16384];

// ---- what the stage asks ----
bool in_text(Number pc) { return pc - reinterpret_cast<Number>(__start_counted) < static_cast<Number>(__stop_counted - __start_counted); }

Number branch_end(Number pc) {
  static const unsigned char sub[] = {0x48, 0x83, 0x2c, 0x25, 0, 0, 0x10, 0, 1};
  if (!in_text(pc - kSubBytes)) return pc;
  for (unsigned i = 0; i < kSubBytes; ++i) {
    if (reinterpret_cast<const unsigned char*>(pc)[i - static_cast<long>(kSubBytes)] != sub[i]) return pc;
  }
  return pc + kSiteBytes - kSubBytes;
}

unsigned place(Number) { return 1; }

CountedCode::Distance next() {
  static unsigned asked;  // live only: the program never looks
  ++asked;
  return {1 + asked * 7 % 31, asked * 5 % 64};
}

unsigned slices() { return slice; }

// ---- what happens to the program ----
extern "C" void preempted() {
  slice = slice + 1;
  preemptions = preemptions + 1;
  const Number choice = static_cast<Number>(table->note(0x400, 91, static_cast<long>(preemptions % 5)));
  sum = sum * 31 + choice;
}

extern "C" void handle(int signal, const int* info, void*) {
  signals = signals + 1;
  sum = sum * 31 + static_cast<Number>(signal) * 65 + static_cast<Number>(info[2] + 128);
  asm volatile("pxor %xmm3, %xmm3");  // as handlers may: it is put back
}

// ---- the program ----
COUNTED void copy(Number size) {
  TICK;
  void* target = to;
  const void* source = from;
  asm volatile("rep movsb" : "+D"(target), "+S"(source), "+c"(size) : : "memory");
}

COUNTED void work(unsigned round) {
  TICK;
  Number vector = round;
  asm volatile("movq %0, %%xmm3\n punpcklqdq %%xmm3, %%xmm3" : : "r"(vector));
  for (unsigned i = 0; i < 8 + round % 37; ++i) {
    TICK;
    const Number seen = sum;
    Number mixed = (seen ^ i) * 0x9e3779b97f4a7c15;
    asm volatile("movq %0, %%xmm4\n paddq %%xmm4, %%xmm3" : : "r"(mixed));
    mixed ^= mixed >> 29;
    sum = mixed;
  }
  asm volatile("movq %%xmm3, %0" : "=r"(vector));
  sum = sum + vector;
  if (round % 3 == 0) copy(16 + round % 200);
  sum = sum * 31 + static_cast<unsigned char>(to[round % 200]);
}

extern "C" void restore();
extern "C" void go_away();

void catch_signal(int signal) {
  constexpr long kInfo = 4, kRestorer = 0x04000000, kOnStack = 0x08000000, kRestart = 0x10000000;
  struct {
    void (*handler)(int, const int*, void*);
    long flags;
    void (*restorer)();
    Number mask;
  } action = {handle, kInfo | kRestorer | kOnStack | kRestart, restore, 0};
  call(SYS_rt_sigaction, signal, reinterpret_cast<long>(&action), 0, 8);
}

constexpr int kUser1 = 10, kUser2 = 12, kAlarm = 14, kBlock = 0, kUnblock = 1;

void send_signals(unsigned round) {
  const long self = call(SYS_getpid);
  if (round % 29 == 7) call(SYS_tgkill, self, self, kUser1);
  Number mask = 1 << (kUser2 - 1);
  if (round % 41 == 3) call(SYS_rt_sigprocmask, kBlock, reinterpret_cast<long>(&mask), 0, 8);
  if (round % 41 == 5) call(SYS_tgkill, self, self, kUser2);
  if (round % 41 == 9) call(SYS_rt_sigprocmask, kUnblock, reinterpret_cast<long>(&mask), 0, 8);
}

void count_ticks() {
  constexpr long kReadWrite = 3, kPrivateFixed = 0x100022;
  call(SYS_mmap, kTickPage, 4096, kReadWrite, kPrivateFixed, -1, 0);
  auto* const page = reinterpret_cast<TickPage*>(kTickPage);
  page->counter = page->loaded = static_cast<long>(~0ul >> 1);
  page->slow = go_away;
  page->magic = kTickMagic;
  static const CountedCode code = {&policy_depth, in_text, branch_end, place, next, go_away, slices};
  table->counted(&code);
}

void say(const char* name, Number value) {
  char line[32] = "................ ";
  for (int k = 0; k < 16; ++k) line[15 - k] = "0123456789abcdef"[value >> 4 * k & 15];
  int size = 17;
  while (*name) line[size++] = *name++;
  line[size++] = '\n';
  call(SYS_write, 1, reinterpret_cast<long>(line), size);
}

// Behind the stack's argument count: arguments, null, environment, null, auxiliary vector.
const Table* find_table(const Number* stack) {
  const Number* at = stack + 1 + stack[0] + 1;
  while (*at) ++at;
  for (++at; at[0]; at += 2) {
    if (at[0] == kAuxTable) return reinterpret_cast<const Table*>(at[1]);
  }
  return nullptr;
}

}  // namespace

extern "C" void run(const Number* stack) {
  table = find_table(stack);
  if (!table || table->abi_version != 2) call(SYS_exit_group, 1);
  struct {
    void* sp;
    long flags;
    Number size;
  } other = {alternate, 0, sizeof alternate};
  call(SYS_sigaltstack, reinterpret_cast<long>(&other), 0);
  catch_signal(kUser1);
  catch_signal(kUser2);
  catch_signal(kAlarm);
  for (unsigned i = 0; i < sizeof from; ++i) from[i] = static_cast<char>(i * 7 + 3);
  count_ticks();
  long every[4] = {0, 3000, 0, 3000};  // microseconds; ITIMER_REAL
  call(SYS_setitimer, 0, reinterpret_cast<long>(every), 0);
  for (unsigned round = 0; round < 70; ++round) {
    work(round);
    send_signals(round);
    table->note(0x400 + round % 10, 78, static_cast<long>(round % 16));
  }
  every[1] = every[3] = 0;
  call(SYS_setitimer, 0, reinterpret_cast<long>(every), 0);
  say("sum", sum);
  say("preemptions", preemptions);
  say("signals", signals);
  call(SYS_exit_group, 9);
}

// go_away: the pushed call of a preemption; the interrupted address lies a red zone below the stack pointer then.
asm(R"(
  .globl _start
_start:
  mov %rsp, %rdi
  and $-16, %rsp
  call run
restore:
  mov $15, %eax
  syscall
go_away:
  push %rbp
  mov %rsp, %rbp
  pushf
  cld
  push %rax
  push %rbx
  push %rcx
  push %rdx
  push %rsi
  push %rdi
  push %r8
  push %r9
  push %r10
  push %r11
  push %r12
  push %r13
  push %r14
  push %r15
  and $-16, %rsp
  call preempted
  lea -120(%rbp), %rsp
  pop %r15
  pop %r14
  pop %r13
  pop %r12
  pop %r11
  pop %r10
  pop %r9
  pop %r8
  pop %rdi
  pop %rsi
  pop %rdx
  pop %rcx
  pop %rbx
  pop %rax
  popf
  pop %rbp
  ret $128
)");
