// Roots, and the fixpoint of those who may run again.
//
// Sound means: whoever is reported can never run again, as long as the program keeps the addresses of what it waits for in its
// own memory and as addresses. So everything that is not a goroutine that waits for a known object is a root: goroutines that
// run, sleep, wait for descriptors, for libc's locks or for calls on other threads; timers with their closures; all globals; all
// mappings, thread-local blocks among them; the collected heap, whole, with the closures of finalizers; all that the runtime
// allocated; of the scheduler's stacks the part that is older than the scheduler; threads of the program's, with their stacks and with
// what the stage keeps of them, registers included. Where such threads do not stand while we look, nothing is said at all.
//
// A look goes over aligned words of what is quick to find first. Whoever that finds stuck is looked at again with everything, and with
// words at every address.
//
// Rejected: counting the handles of a channel (a cycle of goroutines that hold each other's channels is what
// deadlock means); following the collected heap precisely (a garbage object may have a finalizer that wakes somebody).
#include "runtime/sched/stuck.h"

#include <algorithm>
#include <climits>

#include "runtime/boot/boot.h"
#include "runtime/chan/chan.h"
#include "runtime/gc/mfinal.h"
#include "runtime/mem/mheap.h"
#include "runtime/mem/program_malloc.h"
#include "runtime/mem/stack.h"
#include "runtime/panic/fatal.h"
#include "runtime/sched/reach.h"
#include "runtime/sched/sched.h"
#include "runtime/sched/schedules.h"
#include "runtime/seam/policy_memory.h"
#include "runtime/seam/tape.h"
#include "runtime/stage/abi.h"
#include "runtime/stage/layout.h"
#include "runtime/sys/interpose.h"
#include "runtime/sys/mappings.h"

extern "C" char __data_start __attribute__((weak));  // of the executable: where what can be written begins
extern "C" char _end __attribute__((weak));          // and where its globals end

namespace reprise::rt {

namespace {

constexpr uint64_t kFirstStep = 1024;
constexpr uint64_t kFirstIdle = 64;
// In an exploration a schedule is fast and a look goes over all that malloc has.
constexpr uint64_t kFirstStepExplored = 8192;
constexpr uint64_t kFirstIdleExplored = 256;
// More memory of unknown use than this is not looked through.
constexpr uintptr_t kMaxOtherBytes = uintptr_t{256} << 20;
constexpr std::string_view kAnonymousShared = "/dev/zero (deleted)";
// Where, without the stage, what is ours alone ends and what the kernel places begins.
constexpr uintptr_t kOursEnd = 0x7ef0'0000'0000;

uint64_t next_idle = kFirstIdle;
uint64_t idles = 0;

#ifdef REPRISE_SANITIZED
constexpr bool kKnowsMemory = false;  // fake stacks, shadows, a malloc with red zones
#else
constexpr bool kKnowsMemory = true;
#endif

// Under the stage the program's threads stand where they let go of the baton; not so in a forked child.
bool threads_stand() {
  const stage::Table* const table = stage_table();
  return program_threads() == 0 || (table != nullptr && table->mode() != tape::Mode::off);
}

bool can_tell() { return kKnowsMemory && ends_when_stuck() && threads_stand(); }

// An exploration looks in the same way whether it runs under the stage, to record what it found, or not.
mem::Arena* followed_blocks() { return schedule_hooks.dying == nullptr ? mem::program_blocks() : nullptr; }

bool alive(const G* gp) {
  const GStatus status = gp->status.load(std::memory_order_relaxed);
  return gp->gcbuilding || (status != GStatus::idle && status != GStatus::dead);
}

bool in_stacks(uintptr_t address) { return address >= kStacks && address < stack_arena_end(); }

// Waits for something that no other goroutine can do.
bool waits_for_nothing(const G* gp) {
  return gp->wait_reason == WaitReason::chan_receive_nil || gp->wait_reason == WaitReason::chan_send_nil ||
         gp->wait_reason == WaitReason::select_no_cases;
}

// Waits for objects that are known.
bool waits_for_objects(const G* gp) {
  switch (gp->wait_reason) {
    case WaitReason::chan_receive:
    case WaitReason::chan_send:
    case WaitReason::select:
    case WaitReason::semacquire:
    case WaitReason::sync_mutex_lock:
    case WaitReason::sync_rwmutex_rlock:
    case WaitReason::sync_rwmutex_lock:
    case WaitReason::sync_cond_wait:
    case WaitReason::sync_wait_group_wait: return gp->waiting != nullptr;
    default: return false;
  }
}

bool suspect(const G* gp) {
  return gp->status.load(std::memory_order_relaxed) == GStatus::waiting && !gp->system &&
         (waits_for_nothing(gp) || waits_for_objects(gp));
}

template <class F>
void each_goroutine(F f) {
  const G* gp = sched.allgs.load(std::memory_order_relaxed);
  for (; gp != nullptr; gp = gp->alllink.load(std::memory_order_relaxed)) {
    if (alive(gp)) f(gp);
  }
}

// What handles of channels and WaitGroups point to. Of the latter the word that is waited for is in the middle.
void expect_objects(Reach& reach, const G* gp) {
  constexpr uintptr_t kHalfGroup = 8;
  for (const Sudog* sg = gp->waiting; sg != nullptr; sg = sg->waitlink) {
    const auto c = reinterpret_cast<uintptr_t>(sg->c), word = reinterpret_cast<uintptr_t>(sg->sema);
    if (in_stacks(sg->c != nullptr ? c : word)) continue;
    if (sg->c != nullptr) {
      reach.expect(c, c + sizeof(hchan));  // and not its buffer, to which it points itself
    } else if (gp->wait_reason == WaitReason::sync_wait_group_wait) {
      reach.expect(word - kHalfGroup, word + kHalfGroup);
    }
  }
}

bool may_be_woken(Reach& reach, const G* gp) {
  if (waits_for_nothing(gp)) return false;
  for (const Sudog* sg = gp->waiting; sg != nullptr; sg = sg->waitlink) {
    if (reach.reached(sg->c != nullptr ? static_cast<const void*>(sg->c) : sg->sema)) return true;
  }
  return false;
}

// ---- roots ----

void scan_collected_heap(Reach& reach) {
  if (mheap_.arena_bytes.load(std::memory_order_relaxed) == 0) return;
  each_span([&](const MSpan* s) { reach.scan(s->startAddr, s->startAddr + s->bytes()); });
  finalizers_each_closure(
      [](uintptr_t closure, void* arg) {
        const uintptr_t word[] = {closure};
        static_cast<Reach*>(arg)->scan(reinterpret_cast<uintptr_t>(word), reinterpret_cast<uintptr_t>(word + 1));
      },
      &reach);
}

void scan_blocks(Reach& reach, mem::Arena& arena) {
  arena.each_block([&](mem::Arena::Block block) { reach.scan(block.begin, block.begin + block.bytes); });
}

// What every look goes over.
void scan_near(Reach& reach) {
  reach.scan(reinterpret_cast<uintptr_t>(&__data_start), reinterpret_cast<uintptr_t>(&_end));
  mem::Arena* const runtime = mem::runtime_blocks();
  if (runtime != nullptr) scan_blocks(reach, *runtime);
  scan_collected_heap(reach);
}

bool overlaps(const Mapping& m, uintptr_t begin, uintptr_t end) { return m.begin < end && begin < m.end; }

// The stage's blocks of threads: where a thread of the program's stands, its registers are on a stack there. The first is of the thread
// that looks.
constexpr uintptr_t kOtherThreads = tape::kThreadBase + stage::kThreadBytes;
constexpr uintptr_t kOtherThreadsEnd = tape::kThreadBase + stage::kMaxThreads * stage::kThreadBytes;

bool keeps_threads(const Mapping& m) {
  return program_threads() != 0 && overlaps(m, kOtherThreads, kOtherThreadsEnd);
}

// Stacks, blocks and the collected heap have owners that know what of them is in use; what lies above is the stage's and ours.
bool known_otherwise(const Mapping& m) {
  if (keeps_threads(m)) return false;
  const mem::Arena* const blocks = mem::program_blocks();
  const uintptr_t ours_end = blocks != nullptr ? UINTPTR_MAX : kOursEnd;
  return overlaps(m, tape::kProgramEnd, ours_end) || overlaps(m, kStacks, stack_arena_end()) || in_heap_arena(m.begin) ||
         (blocks != nullptr && blocks->contains(reinterpret_cast<const void*>(m.begin)));
}

// Where a mapping's words begin to mean something: the scheduler's own frames hold what we look for.
uintptr_t meaningful_from(const Mapping& m) {
  uintptr_t from = keeps_threads(m) ? std::max(m.begin, kOtherThreads) : m.begin;
  for (const M* mp = sched.allms.load(std::memory_order_relaxed); mp != nullptr; mp = mp->alllink) {
    const uintptr_t sp = mp->ctx.g0->ctx.sched.sp;
    if (sp >= m.begin && sp < m.end) from = std::max(from, sp);
  }
  return from;
}

// Everything else that can be read. False: there is memory of which nobody can tell whether it can be read without harm, or too much.
bool scan_far(Reach& reach) {
  Mappings mappings;
  if (!mappings.open()) return false;
  uintptr_t total = 0;
  char code[PATH_MAX] = "";  // the file whose code was mapped last: its data comes next
  for (Mapping m; mappings.next(&m);) {
    if (m.executable && m.of_file) code[m.name.copy(code, sizeof code - 1)] = 0;
    if (!m.readable || known_otherwise(m) || m.name.starts_with("[v")) continue;
    if (m.of_file && !m.writable) continue;
    if (m.of_file && m.name != code && m.name != kAnonymousShared) return false;
    const uintptr_t from = meaningful_from(m);
    total += m.end - from;
    if (total > kMaxOtherBytes) return false;
    reach.scan(from, m.end);
  }
  return mappings.complete();
}

// ---- the fixpoint ----

std::vector<const G*> unreachable(Reach::Care care, const G* leaving) {
  mem::Arena* const blocks = followed_blocks();
  Reach reach(blocks, care);
  std::vector<const G*> waiting;
  each_goroutine([&](const G* gp) {
    reach.add(gp);
    if (gp == leaving || !suspect(gp)) return;
    waiting.push_back(gp);
    expect_objects(reach, gp);
  });
  if (waiting.empty()) return {};
  reach.seal();
  scan_near(reach);
  if (blocks == nullptr && mem::program_blocks() != nullptr) scan_blocks(reach, *mem::program_blocks());
  if ((care == Reach::Care::bytes || blocks == nullptr) && !scan_far(reach)) return {};
  each_goroutine([&](const G* gp) {
    if (gp != leaving && !suspect(gp)) reach.scan_goroutine(gp);
  });
  for (bool more = true; more && !waiting.empty();) {
    more = false;
    std::erase_if(waiting, [&](const G* gp) {
      if (!may_be_woken(reach, gp)) return false;
      reach.scan_goroutine(gp);
      return more = true;
    });
  }
  // A select without cases says on purpose what it does.
  std::erase_if(waiting, [](const G* gp) { return gp->wait_reason == WaitReason::select_no_cases; });
  return waiting;
}

}  // namespace

uint64_t stuck_next_step = kFirstStep;

void stuck_begin_schedule() {
  stuck_next_step = kFirstStepExplored;
  next_idle = kFirstIdleExplored;
  idles = 0;
}

std::vector<const G*> stuck_now(const G* leaving) {
  const seam::PolicyMemory memory;
  if (!can_tell() || unreachable(Reach::Care::words, leaving).empty()) return {};
  std::vector<const G*> stuck = unreachable(Reach::Care::bytes, leaving);
  std::sort(stuck.begin(), stuck.end(), [](const G* a, const G* b) { return a->goid < b->goid; });
  return stuck;
}

void stuck_look() {
  stuck_next_step = 2 * std::max(seam_step(), kFirstStep / 2);
  const std::vector<const G*> stuck = stuck_now(nullptr);
  if (!stuck.empty()) stuck_goroutines(stuck);
}

void stuck_idle() {
  if (++idles < next_idle) return;
  next_idle = 2 * idles;
  stuck_look();
}

}  // namespace reprise::rt
