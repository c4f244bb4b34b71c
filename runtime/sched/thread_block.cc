// Blocks of thread-local variables, and the thread pointer.
//
// Invariants: m0's thread pointer is that of blocks.now; a block is kept by one goroutine or free, and that of blocks.now is kept by
// nobody but who runs in it or ran there last; reprise_tls_g in m0's block is what m0 runs, in the others nobody reads it.
// M::errno_location and M::eh_location of m0 lie in m0's block. While blocks.shared is not 0 no block becomes kept, so those that are
// shared stay free: each was blocks.now, and not kept, when somebody began to share it.
//
// Rejected: a thread for each goroutine that is preempted, as natively. It would be woken and put to sleep by the kernel at every
// preemption, some 10 us in which nothing else of the program may run. A block made by hand (_dl_allocate_tls): libc's own part of
// it has no interface. A copy of the block, taken back later: what others changed meanwhile would be lost, or freed twice.
//
// In the child of a fork that was made under a policy the blocks are as they were; their lenders are missed by nobody.
//
// Sanitizers know threads by their blocks: there goroutines share m0's.
#include "runtime/sched/thread_block.h"

#include <asm/prctl.h>
#include <cxxabi.h>
#include <pthread.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <cerrno>
#include <span>

#include "asm/asm.h"
#include "runtime/panic/fatal.h"
#include "runtime/sched/counted.h"
#include "runtime/sched/m.h"
#include "runtime/sched/note.h"
#include "runtime/sched/sched.h"
#include "runtime/sys/syscall.h"

namespace reprise::rt {

#ifdef REPRISE_SANITIZED

void keep_thread_block(G*) {}
void take_thread_block(G*) {}
bool stay_in_thread_block(G*) { return false; }
void leave_thread_block(G*) {}
bool thread_blocks_are_lent() { return false; }
bool may_keep_thread_block(const G*) { return true; }

#else

namespace {

constexpr uint64_t kHwcap2Fsgsbase = 2;

struct ThreadBlock {
  uint64_t pointer = 0;  // the thread pointer
  int* errno_location = nullptr;
  EhGlobals* eh_location = nullptr;
  G* keeper = nullptr;
  Note set_up{0};
  Note never{0};
};

struct Blocks {
  ThreadBlock all[kMaxThreadBlocks];
  int made = 0;
  long lenders = 0;  // the process whose threads they are; a child has none
  int kept = 0;
  int shared = 0;  // by so many goroutines
  int now = 0;
};
constinit Blocks blocks;

uint64_t thread_pointer() {
  uint64_t pointer;
  asm volatile("movq %%fs:0, %0" : "=r"(pointer));
  return pointer;
}

void describe_own(ThreadBlock& block) {
  block.pointer = thread_pointer();
  block.errno_location = &errno;
  block.eh_location = reinterpret_cast<EhGlobals*>(abi::__cxa_get_globals());
}

// What lends: signals are blocked, nothing of the program's ever runs here.
void* lend(void* arg) {
  auto* const block = static_cast<ThreadBlock*>(arg);
  describe_own(*block);
  note_wakeup(&block->set_up);
  for (;;) note_sleep(&block->never);
}

// Memory of our own: libc would give its own to another thread in the child of a fork, where the block goes on without the lender.
// As much as libc gives, because large variables lie in it too; what is not touched costs nothing.
std::span<char> stack_for_lender() {
  pthread_attr_t attr;
  size_t size = 0;
  pthread_attr_init(&attr);
  pthread_attr_getstacksize(&attr, &size);
  pthread_attr_destroy(&attr);
  void* const stack = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (stack == MAP_FAILED) throw_("out of memory (thread block)");
  return {static_cast<char*>(stack), size};
}

int make_block() {
  ThreadBlock& block = blocks.all[blocks.made];
  if (!create_runtime_thread_masked(lend, &block, stack_for_lender())) throw_("runtime: failed to create new OS thread");
  note_sleep(&block.set_up);  // libc's part of it is complete, too
  blocks.lenders = sys::call(SYS_getpid);
  return blocks.made++;
}

int first_free() {
  for (int i = 0; i < blocks.made; ++i) {
    if (blocks.all[i].keeper == nullptr) return i;
  }
  return make_block();
}

// Not inlined: no address of a thread-local may be kept across it. g0 goes on in the new block, which says so before it is the
// thread's: a signal's handler finds its g at any instruction.
[[gnu::noinline]] void set_thread_pointer(uint64_t pointer, G* g0) {
  static const bool by_instruction = (getauxval(AT_HWCAP2) & kHwcap2Fsgsbase) != 0;
  asm volatile("movq reprise_tls_g@GOTTPOFF(%%rip), %%rax\n\tmovq %0, (%1,%%rax)" : : "r"(g0), "r"(pointer) : "rax", "memory");
  if (by_instruction) {
    asm volatile("wrfsbase %0" : : "r"(pointer) : "memory");
  } else if (sys::call_kernel(SYS_arch_prctl, ARCH_SET_FS, pointer) != 0) {
    throw_("runtime: cannot set the thread pointer");
  }
}

void go_on_with(int index) {
  if (index == blocks.now) return;
  blocks.now = index;
  const ThreadBlock& block = blocks.all[index];
  set_thread_pointer(block.pointer, reprise_m0.ctx.g0);
  reprise_m0.errno_location = block.errno_location;
  reprise_m0.eh_location = block.eh_location;
}

bool one_may_be_kept() { return blocks.shared == 0 && blocks.kept < kMaxThreadBlocks - 1; }

ThreadBlock& block_of(const G* gp) { return blocks.all[gp->block - 1]; }

void note_first() {
  if (blocks.made != 0) return;
  describe_own(blocks.all[0]);
  blocks.made = 1;
}

void keep_now(G* gp) {
  blocks.all[blocks.now].keeper = gp;
  ++blocks.kept;
}

void give_back(G* gp) {
  ThreadBlock& block = block_of(gp);
  if (block.keeper == gp) {
    block.keeper = nullptr;
    --blocks.kept;
  } else {
    --blocks.shared;
  }
  gp->block = 0;
}

}  // namespace

void keep_thread_block(G* gp) {
  if (getm() != &reprise_m0) return;
  if (!gp->stays_in_block) {
    note_first();
    gp->block = static_cast<uint8_t>(blocks.now + 1);
    keep_now(gp);
  }
  go_on_with(first_free());
}

void take_thread_block(G* gp) {
  if (blocks.made == 0) return;
  if (gp->block == 0) return go_on_with(first_free());
  const int index = gp->block - 1;
  if (!gp->stays_in_block) give_back(gp);
  go_on_with(index);
}

bool stay_in_thread_block(G* gp) {
  if (gp->ctx.m != &reprise_m0 || gp->stays_in_block || !counted_program()) return false;
  note_first();
  gp->block = static_cast<uint8_t>(blocks.now + 1);
  gp->stays_in_block = true;
  one_may_be_kept() ? keep_now(gp) : void(++blocks.shared);
  return true;
}

void leave_thread_block(G* gp) {
  gp->stays_in_block = false;
  give_back(gp);
}

bool thread_blocks_are_lent() { return blocks.lenders != 0 && blocks.lenders == sys::call(SYS_getpid); }

bool may_keep_thread_block(const G* gp) {
  if (gp->ctx.m != &reprise_m0) return true;
  return gp->stays_in_block ? block_of(gp).keeper == gp : one_may_be_kept();
}

#endif

}  // namespace reprise::rt
