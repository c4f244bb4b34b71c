// Requests, children, their ends.
//
// Invariants: no child is alive between two requests; the control page is as it was at the fork point
// whenever a child starts, but for `forks`. A server whose parent is gone ends, and a child whose server is
// gone: the kernel tells both.
#include "runtime/stage/fork_server.h"

#include <errno.h>
#include <linux/prctl.h>
#include <linux/wait.h>
#include <sched.h>
#include <signal.h>

#include "runtime/stage/layout.h"
#include "runtime/stage/process.h"
#include "runtime/stage/raw.h"
#include "runtime/stage/report.h"
#include "runtime/stage/tape_map.h"
#include "runtime/stage/text.h"

namespace reprise::stage {
namespace {

constexpr uint64_t kForksAt = __builtin_offsetof(tape::Control, forks);
constexpr uint64_t kBehindForks = kForksAt + sizeof(tape::Forks);

bool is_run = false;  // this process is a child of the server
alignas(64) uint8_t as_it_was[tape::kControlBytes];

uint8_t* page() { return reinterpret_cast<uint8_t*>(control); }

void keep_control() { memcpy(as_it_was, page(), tape::kControlBytes); }

void put_control_back() {
  memcpy(page(), as_it_was, kForksAt);
  memcpy(page() + kBehindForks, as_it_was + kBehindForks, tape::kControlBytes - kBehindForks);
}

// The next request after `served`; does not return if nobody is there to make one.
void await_request(uint32_t served) {
  while (__atomic_load_n(&control->forks.asked, __ATOMIC_ACQUIRE) == served) {
    if (!scribe_alive()) raw(SYS_exit_group, 0);
    wait_for_other_side(&control->forks.asked, served);
  }
}

void become_run(Thread& t, long server) {
  is_run = true;
  raw(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
  if (raw(SYS_getppid) != server) raw(SYS_exit_group, 0);
  keep_ring_from_children();
  server_is_parent();
  arm(t);
}

void prepare_forks(tape::Forks& f) {
  f.steps = f.behaviour = 0;
  f.over = f.outcome = 0;
  f.message[0] = 0;
  f.wait_status = 0;
  f.child = -1;
}

void await_end(long child) {
  int status = 0;
  long result;
  while ((result = raw(SYS_wait4, child, &status, __WALL, nullptr)) == -EINTR) {}
  if (result != child) fail(Verdict::bad_start, "the end of a run cannot be learned: is SIGCHLD ignored?");
  control->forks.wait_status = status;
  __atomic_store_n(&control->forks.child, 0, __ATOMIC_RELEASE);
}

}  // namespace

// What a run executes is no server: it has a pid there, or -1 just after the fork.
bool fork_server_wanted() { return live() && control->forks.wanted && control->forks.child == 0; }

void fork_point(Thread& t) {
  if (!fork_server_wanted()) return;
  if (threads_alive() != 1) fail(Verdict::bad_start, "a program with threads before its start cannot be forked");
  const long server = raw(SYS_getpid);
  raw(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
  keep_control();
  __atomic_store_n(&control->forks.reached, 1, __ATOMIC_RELEASE);
  wake_other_side(&control->forks.ended);
  for (uint32_t served = 0;; ++served) {
    await_request(served);
    put_control_back();
    prepare_forks(control->forks);
    const long child = raw(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (child == 0) return become_run(t, server);
    if (child < 0) fail(Verdict::bad_start, "the kernel refuses to fork");
    __atomic_store_n(&control->forks.child, static_cast<int32_t>(child), __ATOMIC_RELEASE);
    await_end(child);
    wake_other_side(&control->forks.ended);
  }
}

long own_thread_id(const Thread& t, long tid) { return is_run && tid == t.tid ? raw(SYS_gettid) : tid; }

}  // namespace reprise::stage
