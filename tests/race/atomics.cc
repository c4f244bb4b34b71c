// Atomic operations and their orders.
#include <reprise/atomic.h>
#include <reprise/panic.h>

#include <atomic>
#include <cstdint>

#include "tests/race/cases.h"

namespace race_cases {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;
constexpr auto kAcquire = std::memory_order_acquire;
constexpr auto kRelease = std::memory_order_release;

struct Message {
  std::atomic<int> flag{0};
  int data = 0;
};

void published(std::memory_order store, std::memory_order load) {
  Message m;
  together([&] { m.data = 1; m.flag.store(1, store); }, [&] { if (m.flag.load(load) == 1) ++m.data; });
  use(m.data);
}
void release_and_acquire() { published(kRelease, kAcquire); }
void sequentially_consistent() { published(std::memory_order_seq_cst, std::memory_order_seq_cst); }
void relaxed_store() { published(kRelaxed, kAcquire); }
void relaxed_load() { published(kRelease, kRelaxed); }

void fences() {
  Message m;
  together([&] { m.data = 1; std::atomic_thread_fence(kRelease); m.flag.store(1, kRelaxed); },
           [&] { if (m.flag.load(kRelaxed) == 1) { std::atomic_thread_fence(kAcquire); ++m.data; } });
  use(m.data);
}
void fence_on_one_side() {
  Message m;
  together([&] { m.data = 1; std::atomic_thread_fence(kRelease); m.flag.store(1, kRelaxed); },
           [&] { if (m.flag.load(kRelaxed) == 1) ++m.data; });
  use(m.data);
}
void both_atomic() {
  std::atomic<int> x{0};
  together([&] { x.store(1, kRelaxed); }, [&] { x.fetch_add(1, kRelaxed); }, [&] { use(x.load(kRelaxed)); });
}
void atomic_and_plain() {
  alignas(8) int x = 0;
  together([&] { std::atomic_ref(x).store(1); }, [&] { x = 2; });
  use(x);
}
void sequence_goes_on_through_exchanges() {
  Message m;
  together([&] { m.data = 1; m.flag.store(1, kRelease); }, [&] { int one = 1; m.flag.compare_exchange_strong(one, 2, kRelaxed); },
           [&] { if (m.flag.load(kAcquire) == 2) ++m.data; });
  use(m.data);
}
void sequence_ends_with_a_store() {
  Message m;
  together([&] { m.data = 1; m.flag.store(1, kRelease); },
           [&] { if (m.flag.load(kRelaxed) == 1) m.flag.store(2, kRelaxed); },
           [&] { if (m.flag.load(kAcquire) == 2) ++m.data; });
  use(m.data);
}
void spinning_flag() {
  Message m;
  together([&] { m.data = 1; m.flag.store(1, kRelease); },
           [&] { while (m.flag.load(kAcquire) == 0) reprise::yield(); ++m.data; });
  use(m.data);
}
void spin_lock() {
  std::atomic_flag busy = ATOMIC_FLAG_INIT;
  int x = 0;
  const auto add = [&] {
    while (busy.test_and_set(kAcquire)) reprise::yield();
    ++x;
    busy.clear(kRelease);
  };
  together(add, add);
  use(x);
}
void waiting_for_an_atomic() {
  Message m;
  together([&] { m.data = 1; m.flag.store(1, kRelease); m.flag.notify_all(); },
           [&] { m.flag.wait(0, kAcquire); ++m.data; });
  use(m.data);
}
void failed_exchange_acquires() {
  Message m;
  together([&] { m.data = 1; m.flag.store(5, kRelease); },
           [&] { int zero = 0; if (!m.flag.compare_exchange_strong(zero, 1, kRelease, kAcquire)) ++m.data; });
  use(m.data);
}
void failed_exchange_that_is_relaxed() {
  Message m;
  together([&] { m.data = 1; m.flag.store(5, kRelease); },
           [&] { int zero = 0; if (!m.flag.compare_exchange_strong(zero, 1, std::memory_order_acq_rel, kRelaxed)) ++m.data; });
  use(m.data);
}
void atomics_of_ours() {
  reprise::Atomic<int> flag{0};
  int data = 0;
  together([&] { data = 1; flag.store(1); }, [&] { if (flag.load() == 1) ++data; });
  use(data);
}
void count_of_references() {
  std::atomic<int> references{2};
  int data = 0;
  const auto drop = [&](int* mine) { *mine = 1; if (references.fetch_sub(1, std::memory_order_acq_rel) == 1) data = 2; };
  int a = 0, b = 0;
  together([&] { drop(&a); }, [&] { drop(&b); });
  use(data);
}

// 16 bytes. Clang calls libatomic for them unless the processor is said to have cmpxchg16b, and then the program's
// own headers: only what GCC compiles comes by our hooks.
#ifndef __clang__
struct alignas(16) Pair {
  uint64_t version = 0, value = 0;
};

void wide_published(std::memory_order store, std::memory_order load) {
  std::atomic<Pair> pair{Pair{}};
  int data = 0;
  together([&] { data = 1; pair.store({1, 2}, store); }, [&] { if (pair.load(load).value == 2) ++data; });
  use(data);
}
void wide_release_and_acquire() { wide_published(kRelease, kAcquire); }
void wide_relaxed_store() { wide_published(kRelaxed, kAcquire); }

void wide_lock_free_stack_of_versions() {
  std::atomic<Pair> top{Pair{}};
  const auto push = [&] {
    Pair seen = top.load();
    while (!top.compare_exchange_weak(seen, {seen.version + 1, seen.value + 10})) continue;
  };
  together(push, push, push);
  const Pair end = top.load();
  if (end.version != 3 || end.value != 30) reprise::panic("a push was lost");
}

void wide_arithmetic() {
  using Wide = unsigned __int128;
  alignas(16) Wide x = 0;
  const Wide big = Wide{1} << 64;
  together([&] { __atomic_fetch_add(&x, big, __ATOMIC_SEQ_CST); }, [&] { __atomic_fetch_add(&x, 1, __ATOMIC_SEQ_CST); },
           [&] { __atomic_fetch_or(&x, big << 8, __ATOMIC_SEQ_CST); });
  const bool all = __atomic_exchange_n(&x, Wide{7}, __ATOMIC_SEQ_CST) == (big << 8) + big + 1;
  if (!all || __atomic_fetch_sub(&x, 8, __ATOMIC_SEQ_CST) != 7 || ~__atomic_fetch_nand(&x, big, __ATOMIC_SEQ_CST) != 0 ||
      __atomic_fetch_and(&x, big - 1, __ATOMIC_SEQ_CST) != ~big || __atomic_fetch_xor(&x, 1, __ATOMIC_SEQ_CST) != big - 1 ||
      __atomic_load_n(&x, __ATOMIC_SEQ_CST) != big - 2) {
    reprise::panic("16 bytes are not what they should be");
  }
}

void wide_and_plain() {
  alignas(16) unsigned __int128 x = 0;
  together([&] { __atomic_fetch_add(&x, 1, __ATOMIC_SEQ_CST); }, [&] { x = 2; });
  use(x);
}
#endif

constexpr Case kCases[] = {
#ifndef __clang__
    {"wide_release_and_acquire", false, wide_release_and_acquire},
    {"wide_relaxed_store", true, wide_relaxed_store},
    {"wide_lock_free_stack_of_versions", false, wide_lock_free_stack_of_versions},
    {"wide_arithmetic", false, wide_arithmetic},
    {"wide_and_plain", true, wide_and_plain},
#endif
    {"release_and_acquire", false, release_and_acquire},
    {"sequentially_consistent", false, sequentially_consistent},
    {"relaxed_store", true, relaxed_store},
    {"relaxed_load", true, relaxed_load},
    {"fences", false, fences},
    {"fence_on_one_side", true, fence_on_one_side},
    {"both_atomic", false, both_atomic},
    {"atomic_and_plain", true, atomic_and_plain},
    {"sequence_goes_on_through_exchanges", false, sequence_goes_on_through_exchanges},
    {"sequence_ends_with_a_store", true, sequence_ends_with_a_store},
    {"spinning_flag", false, spinning_flag},
    {"spin_lock", false, spin_lock},
    {"waiting_for_an_atomic", false, waiting_for_an_atomic},
    {"failed_exchange_acquires", false, failed_exchange_acquires},
    {"failed_exchange_that_is_relaxed", true, failed_exchange_that_is_relaxed},
    {"atomics_of_ours", false, atomics_of_ours},
    {"count_of_references", false, count_of_references},
};

}  // namespace

std::span<const Case> atomic_cases() { return kCases; }

}  // namespace race_cases
