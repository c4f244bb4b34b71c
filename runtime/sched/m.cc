// Threads of the runtime: their birth, what each needs before it runs goroutines, their end.
//
// Invariants:
//  - An M outlives its thread: it stays in allms and is used again (native mode), so that whoever walks
//    allms needs no lock.
//  - A thread starts with every signal blocked, as its creator had for that moment, and takes the mask
//    of boot once it can stand a signal.
//  - In native mode a thread is made only by one whose state is known: a goroutine locked to its
//    thread may have changed what a new thread inherits (affinity, scheduling class, namespaces), and a
//    thread of the program's is nothing that we know. Those leave it to sysmon (the reference has a
//    template thread for that; sysmon runs no code of the program, starts first and is always there).
#include "runtime/sched/m.h"

#include <cxxabi.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <new>

#include "asm/asm.h"
#include "runtime/boot/boot.h"
#include "runtime/panic/fatal.h"
#include "runtime/sched/fibers.h"
#include "runtime/sched/native.h"
#include "runtime/seam/names.h"
#include "runtime/sys/interpose.h"
#include "runtime/sys/syscall.h"

namespace reprise::rt {

namespace {

// As the kernel has it: by its own call, since libc's is the program's (runtime/sys) and keeps two
// signals for itself.
void set_sigmask(uint64_t mask, uint64_t* before) {
  sys::call(SYS_rt_sigprocmask, SIG_SETMASK, &mask, before, sizeof mask);
}

uint64_t kernel_mask(const sigset_t& set) {
  uint64_t mask;
  std::memcpy(&mask, &set, sizeof mask);
  return mask;
}

M* newm_pending = nullptr;  // sched.lock: Ms that sysmon shall make threads for, by schedlink

// Not by new: the program may count its allocations.
template <class T>
T* make() {
  void* const memory = std::aligned_alloc(64, (sizeof(T) + 63) & ~size_t{63});
  if (memory == nullptr) throw_("out of memory (M)");
  return new (memory) T;
}

G* mstart1() {
  if (P* pp = getm()->nextp) {
    getm()->nextp = nullptr;
    acquirep(pp);
    return reprise_schedule();
  }
  return stop_controlled();
}

void* thread_main(void* arg) {
  M* mp = static_cast<M*>(arg);
  reprise_tls_g = mp->ctx.g0;
  char here;
  mp->ctx.g0->ctx.stack_hi = reinterpret_cast<uint64_t>(&here);
  mp->ctx.g0->ctx.stack_lo = mp->ctx.g0->ctx.stack_hi - (64 << 10);
  minit(mp);
  if (!seam_active) set_sigmask(kernel_mask(initial_sigmask()), nullptr);
  reprise_mstart(mstart1);
  munit(mp);
  reprise_tls_g = nullptr;
  if (!seam_active) mrelease(mp);
  return nullptr;
}

bool create_thread(M* mp) { return create_runtime_thread(thread_main, mp); }

// Not ours: a call of ours on a goroutine would count as the program's.
auto libc_create() {
#ifdef REPRISE_SANITIZED
  return sanitizers_pthread_create();
#else
  static const auto found = libc_function<decltype(pthread_create)>("pthread_create");
  return found;
#endif
}

// Creates the thread with all signals blocked.
void create_thread_masked(M* mp) {
  const int saved_errno = errno;
  const bool created = create_runtime_thread_masked(thread_main, mp);
  errno = saved_errno;
  if (!created) throw_("runtime: failed to create new OS thread");
}

// May this thread's state be inherited by a new one?
bool clean_thread() {
  const M* mp = getm();
  return mp != nullptr && (mp->locked_g == nullptr || mp->held) && !mp->exiting;
}

}  // namespace

// An M without a thread: one whose thread has ended, or a new one.
M* allocm() {
  sched.lock.lock();
  M* mp = sched.freem;
  if (mp != nullptr) sched.freem = mp->schedlink;
  const bool too_many = sched.mcount > kMaxThreads;
  sched.lock.unlock();
  if (too_many) throw_("thread exhaustion: program exceeds 10000-thread limit");
  if (mp != nullptr) {
    mp->schedlink = nullptr;
    mp->exiting = false;
    return mp;
  }
  mp = make<M>();
  mp->ctx.g0 = make<G>();
  mp->ctx.g0->ctx.m = mp;
  mcommoninit(mp);
  happens_before(mp->ctx.g0);  // goroutines that it runs find it made
  return mp;
}

bool create_runtime_thread_masked(void* (*main)(void*), void* arg, std::span<char> stack) {
  uint64_t before = 0;
  set_sigmask(~sys::kLibcSignals, &before);  // who calls setuid() waits for an answer even while we wait for a lock of libc's
  const bool created = create_runtime_thread(main, arg, stack);
  set_sigmask(before, nullptr);
  return created;
}

// While another thread is on its way through execve the kernel refuses with EAGAIN: if that succeeds it ends us here, else it lets us
// go on. Those who fill the process up may make room in that time, too.
static int create_patiently(const pthread_attr_t& attr, void* (*main)(void*), void* arg) {
  constexpr int kAttempts = 20;
  constexpr long kMillisecond = 1'000'000;
  pthread_t thread;
  for (int attempt = 1;; ++attempt) {
    const int error = libc_create()(&thread, &attr, main, arg);
    if (error != EAGAIN || attempt == kAttempts) return error;
    const timespec pause{0, attempt * kMillisecond};
    sys::call(SYS_nanosleep, &pause, nullptr);
  }
}

bool create_runtime_thread(void* (*main)(void*), void* arg, std::span<char> stack) {
  pthread_attr_t attr;
  pthread_attr_init(&attr);
  pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
  if (!stack.empty() && pthread_attr_setstack(&attr, stack.data(), stack.size()) != 0) throw_("runtime: a thread's stack is refused");
  const int error = create_patiently(attr, main, arg);
  pthread_attr_destroy(&attr);
  return error == 0;
}

M* new_controlled_m() {
  M* mp = make<M>();
  mp->ctx.g0 = make<G>();
  mp->ctx.g0->ctx.m = mp;
  mcommoninit(mp);
  if (!create_thread(mp)) throw_("lock_os_thread: cannot create a thread");
  return mp;
}

void newm(P* pp, bool spinning) {
  M* mp = allocm();
  mp->nextp = pp;
  mp->spinning = spinning;
  start_sysmon();  // the child of a fork has none
  if (clean_thread()) return create_thread_masked(mp);
  sched.lock.lock();
  mp->schedlink = newm_pending;
  newm_pending = mp;
  sched.lock.unlock();
  kick_sysmon();
}

void create_pending_threads() {
  sched.lock.lock();
  M* mp = newm_pending;
  newm_pending = nullptr;
  sched.lock.unlock();
  while (mp != nullptr) {
    M* const next = mp->schedlink;
    mp->schedlink = nullptr;
    create_thread_masked(mp);
    mp = next;
  }
}

void drop_pending_threads() { newm_pending = nullptr; }

void mrelease(M* mp) {
  mp->ctx.g0->fiber = {};
  sched.lock.lock();
  mp->schedlink = sched.freem;
  sched.freem = mp;
  sched.lock.unlock();
}

void mexit() {
  M* mp = getm();
  handoffp(releasep());
  sched.lock.lock();
  --sched.mcount;
  checkdead();
  sched.lock.unlock();
  // The process's first thread cannot end without the process looking dead from outside.
  if (mp == &reprise_m0) freeze();
  reprise_mexit();
}

void freeze() {
  for (;;) pause();
}

void mcommoninit(M* mp) {
  sched.lock.lock();
  if (mp != &reprise_m0) {
    mp->id = sched.midgen++;
    mp->alllink = sched.allms.load(std::memory_order_relaxed);
    // Release: whoever finds the M finds it built.
    sched.allms.store(mp, std::memory_order_release);
  }
  mp->fastrand = seam::mix(boot_random() + static_cast<uint64_t>(mp->id)) | 1;
  sched.lock.unlock();
}

void minit(M* mp) {
  mp->signal_pending.store(0, std::memory_order_relaxed);  // what was sent to the M's thread before
  mp->tid = static_cast<uint64_t>(syscall(SYS_gettid));
  mp->errno_location = &errno;
  errno_is_swapped();
  mp->eh_location = reinterpret_cast<EhGlobals*>(abi::__cxa_get_globals());
  install_fault_stack(mp);
}

void munit(M* mp) { remove_fault_stack(mp); }

uint64_t cheaprand() {
  M* mp = getm();
  if (mp == nullptr) {
    // Relaxed: only that values differ counts.
    static std::atomic<uint64_t> drawn{0};
    return seam::mix(boot_random() + drawn.fetch_add(0x9e3779b97f4a7c15, std::memory_order_relaxed));
  }
  mp->fastrand += 0x9e3779b97f4a7c15;
  return seam::mix(mp->fastrand);
}

}  // namespace reprise::rt
