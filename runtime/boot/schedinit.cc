// schedinit: the runtime comes up, in the reference's order, each step asserting its predecessor.
//
// Of the reference's fourteen steps these are absent: typelinksinit (9) and itabsinit (10), because types are compared
// by what they are and the table of itabs is a constant at first (runtime/iface). mallocinit (4) brings up the program's
// malloc; the collected heap is reserved at its first use. seaminit is ours: the policy must be there
// before the first goroutine is named.
//
// The order bears load: cpuinit reads REPRISE_DEBUG's cpu.* before anything may pick code by
// feature; alginit picks hash functions by it, and no map may be made before; nothing may allocate a goroutine before stackinit; after procresize m0 owns the P, and the
// next newproc() is the first.
#include <csignal>

#include "runtime/boot/boot_internal.h"
#include "runtime/gc/gc.h"
#include "runtime/map/hash.h"
#include "runtime/mem/program_malloc.h"
#include "runtime/mem/stack.h"
#include "runtime/panic/fatal.h"
#include "runtime/sched/counted.h"
#include "runtime/sched/m.h"
#include "runtime/sched/native.h"
#include "runtime/sched/sched.h"
#include "runtime/sched/seam.h"
#include "runtime/sys/interpose.h"

namespace reprise::rt {

namespace {

sigset_t init_sigmask;

void lock_init() {
  boot_advance(BootStep::osinit, BootStep::lock_init);
  // Locks are constant-initialised with their ranks; what is left is that none is held.
  if (sched.lock.held_for_test()) throw_("schedinit: sched.lock is held");
  interposeinit();
}

void sigsave() {
  boot_advance(BootStep::lock_init, BootStep::sigsave);
  sigprocmask(SIG_SETMASK, nullptr, &init_sigmask);
  install_fault_handler();
}

void goargs() {
  boot_advance(BootStep::modulesinit, BootStep::goargs);
  if (boot_state.argc < 0 || boot_state.argv[boot_state.argc] != nullptr) {
    throw_("goargs: argv does not end where argc says");
  }
}

void seaminit() {
  boot_advance(BootStep::gcinit, BootStep::seaminit);
  seam_install();
  countedinit();
}

// One P until runtime.main runs: it must be m0 that runs it. The others join then.
void procsinit(int32_t procs) {
  boot_advance(BootStep::seaminit, BootStep::procresize);
  sched.gomaxprocs = procs;
  if (procresize(1) != nullptr || any_runq_work()) throw_("unknown runnable goroutine during bootstrap");
}

}  // namespace

const sigset_t& initial_sigmask() { return init_sigmask; }

}  // namespace reprise::rt

extern "C" void reprise_schedinit() {
  using namespace reprise::rt;
  lock_init();
  sigsave();
  boot_advance(BootStep::sigsave, BootStep::stackinit);
  stackinit();
  boot_advance(BootStep::stackinit, BootStep::mallocinit);
  reprise::mem::mallocinit();
  boot_advance(BootStep::mallocinit, BootStep::cpuinit);
  cpuinit();
  boot_advance(BootStep::cpuinit, BootStep::alginit);
  alginit();
  boot_advance(BootStep::alginit, BootStep::mcommoninit);
  mcommoninit(&reprise_m0);
  boot_advance(BootStep::mcommoninit, BootStep::modulesinit);
  modulesinit();
  goargs();
  boot_advance(BootStep::goargs, BootStep::parsedebugvars);
  parsedebugvars();
  boot_advance(BootStep::parsedebugvars, BootStep::gcinit);
  gcinit();
  seaminit();
  procsinit(parse_gomaxprocs());
  boot_advance(BootStep::procresize, BootStep::done);
  install_terminate_handler();
  sched.booted = true;
}
