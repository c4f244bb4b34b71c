// The one signal queue of a process, over the kernel's futexes.
//
// In controlled modes there is no receiver that sleeps here: the thread that holds the P looks at the queue
// itself, and what it may sleep in is the poller. So there a sender breaks the poller's wait. (That a
// signal interrupts epoll_wait is not enough: it may come just before.)
#include "runtime/signal/sigqueue.h"

#include <linux/futex.h>
#include <sys/syscall.h>

#include "runtime/sched/atomics.h"
#include "runtime/sched/idle.h"
#include "runtime/sched/proc.h"
#include "runtime/sched/syscall.h"
#include "runtime/signal/sigqueue_protocol.h"
#include "runtime/sys/syscall.h"

namespace reprise::rt {

namespace {

constinit SigqueueOf<StdAtomics> sig;

// No function of libc's: its errno would be the interrupted goroutine's.
struct Kernel {
  void sleep(std::atomic<uint32_t>& word, uint32_t value) {
    sys::call(SYS_futex, &word, FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
  }
  void wake(std::atomic<uint32_t>& word) {
    if (seam_active) return netpoll_break();
    sys::call(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
  }
  void relax() { sys::call(SYS_sched_yield); }
};
Kernel kernel;

}  // namespace

void on_notified(int signal, siginfo_t*, void*) { sigsend(signal); }

bool sigsend(int signal) { return sigqueue_send(sig, kernel, signal_bit(signal)); }

void sigqueue_want(uint64_t bits) { sig.wanted.fetch_or(bits, std::memory_order_seq_cst); }
void sigqueue_unwant(uint64_t bits) { sigqueue_unwant(sig, kernel, bits); }
bool sigqueue_any() { return sig.pending.load(std::memory_order_relaxed) != 0; }
uint64_t sigqueue_wanted() { return sig.wanted.load(std::memory_order_relaxed); }

uint64_t sigqueue_take() {
  // With a policy nobody waits on the word, and the next sender must see it clear.
  if (seam_active) sig.word.exchange(0, std::memory_order_acq_rel);
  return rt::sigqueue_take(sig);
}

void signal_recv_wait() {
  entersyscallblock();
  sigqueue_wait(sig, kernel);
  exitsyscall();
}

void signal_recv_kick() { sigqueue_kick(sig, kernel); }

bool signals_wanted() { return sigqueue_wanted() != 0; }

}  // namespace reprise::rt
