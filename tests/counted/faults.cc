// Faults of counted code, caught by a handler of the program's own, in loops that a policy preempts near them: what the
// handler is given is part of the program's memory.
#include <reprise/reprise.h>

#include <ucontext.h>

#include <csignal>
#include <cstdint>
#include <cstdio>

namespace {

volatile uint64_t seen = 0, flags = 0;

// Goes on behind the load, which is two bytes long.
void skip(int, siginfo_t*, void* context) {
  greg_t* const registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  constexpr greg_t kTrapFlag = 0x100;
  seen = seen + 1;
  flags = flags | static_cast<uint64_t>(registers[REG_EFL] & kTrapFlag);
  registers[REG_RIP] += 2;
}

void compute(int rounds, reprise::WaitGroup done) {
  for (int i = 0; i < rounds; ++i) {
    uintptr_t nowhere = 8;
    asm volatile("movb (%0), %%al" : "+a"(nowhere) : : "memory");
    for (int k = 0; k < i % 5; ++k) asm volatile("");
  }
  done.done();
}

int faults() {
  struct sigaction action = {};
  action.sa_sigaction = skip;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGSEGV, &action, nullptr);
  reprise::WaitGroup done(2);
  for (int i = 0; i < 2; ++i) reprise::go([done] { compute(1500, done); });
  done.wait();
  std::printf("faults %llu, stepped %llu\n", static_cast<unsigned long long>(seen), static_cast<unsigned long long>(flags));
  return 0;
}

}  // namespace

REPRISE_MAIN(faults)
