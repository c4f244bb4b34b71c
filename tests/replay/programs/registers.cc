// System call instructions in both shapes that the stage rewrites, made often: every register, the
// flags and the red zone are as the instruction leaves them.
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstring>

// Loads rbx rbp rdx rsi rdi r8-r10 r12-r15 with marks, sets carry, writes the red zone, calls,
// stores what it finds. The `mov` shape calls getppid, the `cmp` shape the number in its argument.
extern "C" void call_by_mov(uint64_t* found);
extern "C" void call_by_cmp(uint64_t* found, long nr);
// What the stage replaces by a jump.
extern "C" const unsigned char site_by_mov[], site_by_cmp[];

#define CALL_AROUND(NAME, LOAD, AFTER)                                                         \
  asm(".text\n.p2align 4\n.type " NAME ", @function\n" NAME ":\n"                              \
      "push %rbx\npush %rbp\npush %r12\npush %r13\npush %r14\npush %r15\n"                     \
      "mov %rdi, -8(%rsp)\n"                                                                   \
      "movq $0x5ed, -120(%rsp)\nmovq $0x5ee, -16(%rsp)\n"                                      \
      "mov %rsi, %r11\n"                                                                       \
      "mov $1, %ebx\nmov $2, %ebp\nmov $3, %edx\nmov $5, %edi\nmov $4, %esi\n"                 \
      "mov $8, %r8d\nmov $9, %r9d\nmov $10, %r10d\n"                                           \
      "mov $12, %r12d\nmov $13, %r13d\nmov $14, %r14d\nmov $15, %r15d\n"                       \
      "xor %eax, %eax\nstc\n"                                                                                \
      LOAD "\nsyscall\n" AFTER                                                                 \
      "mov %rcx, -24(%rsp)\n"                                                                  \
      "mov -8(%rsp), %rcx\n"                                                                   \
      "mov %rax, (%rcx)\nmov %rbx, 8(%rcx)\nmov %rbp, 16(%rcx)\nmov %rdx, 24(%rcx)\n"          \
      "mov %rsi, 32(%rcx)\nmov %rdi, 40(%rcx)\nmov %r8, 48(%rcx)\nmov %r9, 56(%rcx)\n"         \
      "mov %r10, 64(%rcx)\nmov %r11, 72(%rcx)\nmov %r12, 80(%rcx)\nmov %r13, 88(%rcx)\n"       \
      "mov %r14, 96(%rcx)\nmov %r15, 104(%rcx)\n"                                              \
      "mov -24(%rsp), %rax\nmov %rax, 112(%rcx)\n"                                             \
      "mov -120(%rsp), %rax\nmov %rax, 120(%rcx)\nmov -16(%rsp), %rax\nmov %rax, 128(%rcx)\n"  \
      "pop %r15\npop %r14\npop %r13\npop %r12\npop %rbp\npop %rbx\nret\n"                      \
      ".size " NAME ", . - " NAME "\n")

// The carry behind the call goes into rbp: 3 if it survived, or as the comparison sets it.
CALL_AROUND("call_by_mov", "site_by_mov: mov $110, %eax", "adc $0, %rbp\n");
CALL_AROUND("call_by_cmp", "mov %r11, %rax\nsite_by_cmp:", "cmp $-4095, %rax\n adc $0, %rbp\n");

namespace {
constexpr int kWords = 17;

// What a first, unrewritten call leaves is the truth for all later ones.
int differences(void (*call)(uint64_t*)) {
  uint64_t first[kWords], now[kWords];
  call(first);
  int count = 0;
  for (int i = 0; i < 1000; ++i) {
    call(now);
    for (int word = 0; word < kWords; ++word) {
      if (now[word] == first[word]) continue;
      if (count++ < 10) {
        std::printf("call %d word %d: %lx, first %lx\n", i, word, now[word], first[word]);
      }
    }
  }
  const uint64_t marks[] = {3, 4, 5, 8, 9, 10};
  if (std::memcmp(first + 3, marks, sizeof marks)) ++count;
  return count;
}
}  // namespace

int main() {
  const int by_mov = differences(call_by_mov);
  const int by_cmp = differences([](uint64_t* found) { call_by_cmp(found, SYS_getppid); });
  constexpr unsigned char kJump = 0xe9;
  std::printf("mov shape: %d differences, cmp shape: %d differences, rewritten: %d %d\n", by_mov,
              by_cmp, site_by_mov[0] == kJump, site_by_cmp[0] == kJump);
  return by_mov + by_cmp ? 1 : 0;
}
