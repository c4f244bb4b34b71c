// The table of stacks, and its text.
//
// Invariants: buckets are never freed and only pushed to the front of their list, so lists are read without a lock; counts are sums of what
// samples and sweeps add (relaxed: a text is of some moment). A sampled object has a special (gc/mfinal.cc) until it is swept.
//
// Which object is sampled is settled before it is made: the slots behind it in the span's allocCache are hidden from the fast path, which
// then comes to the slow one exactly there. So the fast path knows nothing of sampling, and no object of a stride is favoured.
#include "runtime/mem/heap_profile.h"

#include <reprise/heap_profile.h>

#include <unwind.h>

#include <algorithm>
#include <bit>
#include <cstdio>
#include <memory>
#include <new>
#include <span>
#include <vector>

#include "runtime/gc/mfinal.h"
#include "runtime/mem/mheap.h"
#include "runtime/panic/dwfl_session.h"
#include "runtime/panic/source_frames.h"
#include "runtime/sched/here.h"
#include "runtime/sched/native.h"
#include "runtime/sched/proc.h"

extern "C" {
extern char __start_reprise_runtime_text[] __attribute__((weak, visibility("hidden")));
extern char __stop_reprise_runtime_text[] __attribute__((weak, visibility("hidden")));
}

namespace reprise::rt {

constinit HeapProfileSetting heap_profile_setting;

struct HeapBucket {
  static constexpr size_t kMaxFrames = 32;

  HeapBucket* next = nullptr;  // in its list; constant once it is there
  uint64_t hash = 0;
  uint64_t sequence = 0;       // of its first sample
  size_t frames = 0;
  uintptr_t pcs[kMaxFrames] = {};
  std::atomic<uint64_t> allocs{0}, alloc_bytes{0}, frees{0}, free_bytes{0};
};

namespace {

constexpr size_t kLists = 4096;
constexpr size_t kMaxOwnFrames = 16;  // of the allocator, and of what called it in the runtime
std::atomic<HeapBucket*> lists[kLists] = {};
std::atomic<uint64_t> buckets_made{0};

uint64_t mixed(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
  x = (x ^ x >> 27) * 0x94d049bb133111eb;
  return x ^ x >> 31;
}

// -log of (bits + 1) / 2^64, by the series of artanh. Not libm's, whose last bit is another one on another processor: a replay there
// must sample the same objects.
double exponential(uint64_t bits) {
  constexpr double kLog2 = 0.6931471805599453;
  const uint64_t n = (bits >> 11) + 1;  // u is n / 2^53, in (0, 1]
  const int exponent = std::bit_width(n) - 1;
  const double m = static_cast<double>(n) / static_cast<double>(uint64_t{1} << exponent);  // in [1, 2)
  const double z = (m - 1) / (m + 1);
  double sum = 0, power = z;
  for (int k = 1; k < 30; k += 2, power *= z * z) sum += power / k;
  return (53 - exponent) * kLog2 - 2 * sum;
}

// From the first frame on that is not the runtime's, if there is one.
struct Stack {
  size_t frames = 0, own = 0;  // the runtime's own among them, innermost
  uintptr_t pcs[HeapBucket::kMaxFrames + kMaxOwnFrames] = {};
  std::span<const uintptr_t> callers() const {
    const size_t from = own == frames ? 0 : own;
    return {pcs + from, std::min(frames - from, HeapBucket::kMaxFrames)};
  }
};

bool in_runtime(uintptr_t pc) {
  return pc >= reinterpret_cast<uintptr_t>(__start_reprise_runtime_text) && pc < reinterpret_cast<uintptr_t>(__stop_reprise_runtime_text);
}

_Unwind_Reason_Code note_frame(_Unwind_Context* context, void* arg) {
  auto* const stack = static_cast<Stack*>(arg);
  const uintptr_t pc = _Unwind_GetIP(context);
  if (pc == 0) return _URC_END_OF_STACK;
  if (stack->own == stack->frames && in_runtime(pc)) ++stack->own;
  stack->pcs[stack->frames++] = pc;
  return stack->frames < std::size(stack->pcs) ? _URC_NO_REASON : _URC_END_OF_STACK;
}

bool same(const HeapBucket& bucket, std::span<const uintptr_t> stack, uint64_t hash) {
  return bucket.hash == hash && bucket.frames == stack.size() && std::equal(stack.begin(), stack.end(), bucket.pcs);
}

HeapBucket* find(HeapBucket* from, std::span<const uintptr_t> stack, uint64_t hash) {
  while (from != nullptr && !same(*from, stack, hash)) from = from->next;
  return from;
}

HeapBucket* bucket_of(std::span<const uintptr_t> stack) {
  uint64_t hash = stack.size();
  for (const uintptr_t pc : stack) hash = mixed(hash ^ pc);
  std::atomic<HeapBucket*>& list = lists[hash % kLists];
  HeapBucket* head = list.load(std::memory_order_acquire);
  if (HeapBucket* const found = find(head, stack, hash)) return found;
  auto* const made = new (persistentalloc(sizeof(HeapBucket), 64)) HeapBucket;
  made->hash = hash;
  made->frames = stack.size();
  std::copy(stack.begin(), stack.end(), made->pcs);
  made->sequence = buckets_made.fetch_add(1, std::memory_order_relaxed);
  do {
    // Somebody may have made the same one meanwhile; ours is then lost.
    if (HeapBucket* const found = find(head, stack, hash)) return found;
    made->next = head;
  } while (!list.compare_exchange_weak(head, made, std::memory_order_release, std::memory_order_acquire));
  return made;
}

// A moment's counts of a bucket.
struct Counts {
  const HeapBucket* bucket = nullptr;
  uint64_t allocs = 0, alloc_bytes = 0, live = 0, live_bytes = 0;

  explicit Counts(const HeapBucket& b)
      : bucket(&b),
        // Frees first: what is freed was counted before.
        live(b.frees.load(std::memory_order_acquire)),
        live_bytes(b.free_bytes.load(std::memory_order_acquire)) {
    allocs = b.allocs.load(std::memory_order_relaxed);
    alloc_bytes = b.alloc_bytes.load(std::memory_order_relaxed);
    live = allocs - live;
    live_bytes = alloc_bytes - live_bytes;
  }
};

std::vector<Counts> all_counts() {
  std::vector<Counts> all;
  for (const auto& list : lists) {
    for (const HeapBucket* b = list.load(std::memory_order_acquire); b != nullptr; b = b->next) all.emplace_back(*b);
  }
  std::sort(all.begin(), all.end(), [](const Counts& a, const Counts& b) {
    return a.live_bytes != b.live_bytes ? a.live_bytes > b.live_bytes : a.bucket->sequence < b.bucket->sequence;
  });
  return all;
}

void add_counts(std::string* text, const Counts& c) {
  char line[160];
  std::snprintf(line, sizeof line, "%llu: %llu [%llu: %llu] @", static_cast<unsigned long long>(c.live),
                static_cast<unsigned long long>(c.live_bytes), static_cast<unsigned long long>(c.allocs),
                static_cast<unsigned long long>(c.alloc_bytes));
  *text += line;
}

using Session = std::unique_ptr<Dwfl, decltype(&dwfl_end)>;

void add_names(std::string* text, Dwfl* session, uintptr_t pc) {
  char head[40];
  std::snprintf(head, sizeof head, "#\t0x%llx\t", static_cast<unsigned long long>(pc));
  for (const SourceFrame& frame : source_frames(session, pc, false)) {
    *text += head + frame.function;
    if (!frame.file.empty()) *text += "\t" + frame.file + ":" + std::to_string(frame.line);
    *text += "\n";
  }
}

void add_bucket(std::string* text, Dwfl* session, const Counts& c) {
  add_counts(text, c);
  char address[24];
  const std::span<const uintptr_t> pcs(c.bucket->pcs, c.bucket->frames);
  for (const uintptr_t pc : pcs) {
    std::snprintf(address, sizeof address, " 0x%llx", static_cast<unsigned long long>(pc));
    *text += address;
  }
  *text += "\n";
  for (const uintptr_t pc : pcs) add_names(text, session, pc);
}

// So that a tool can tell which file an address is of.
void add_mappings(std::string* text) {
  std::FILE* const maps = std::fopen("/proc/self/maps", "re");
  if (maps == nullptr) return;
  *text += "\nMAPPED_LIBRARIES:\n";
  char line[4096];
  while (std::fgets(line, sizeof line, maps) != nullptr) *text += line;
  std::fclose(maps);
}

}  // namespace

double HeapSampler::draw(size_t rate) {
  random_ = mixed(random_);
  return exponential(random_) * static_cast<double>(rate);
}

// False: off.
bool HeapSampler::follow_setting() {
  const uint32_t epoch = heap_profile_setting.epoch.load(std::memory_order_acquire);
  const size_t rate = heap_profile_setting.rate.load(std::memory_order_relaxed);
  if (epoch != epoch_) {
    epoch_ = epoch;
    random_ = mixed(heap_profile_setting.seed.load(std::memory_order_relaxed) ^ static_cast<uint64_t>(p_here()->id) << 32);
    std::fill(std::begin(until_), std::end(until_), -1);
  }
  return rate != 0;
}

void HeapSampler::before(SpanClass spanclass, MSpan* s) {
  if (!used() || s->nelems == 0) return;
  const uint8_t c = spanclass.index();
  until_[c] = std::max<int64_t>(until_[c] - (s->allocCount - seen_[c]), until_[c] < 0 ? -1 : 0);
  seen_[c] = s->allocCount;
  if (s->freeindex < s->nelems) s->refillAllocCache();
}

bool HeapSampler::take(SpanClass spanclass, MSpan* s) {
  const uint8_t c = spanclass.index();
  seen_[c] = s->allocCount + 1;
  if (!follow_setting()) return false;
  const size_t rate = heap_profile_setting.rate.load(std::memory_order_relaxed);
  if (rate == 0) return false;
  const auto gap = [&] { return static_cast<int64_t>(draw(rate) / static_cast<double>(s->elemsize)); };
  if (until_[c] < 0) until_[c] = gap();
  const bool sampled = rate == 1 || until_[c] == 0;
  until_[c] = rate == 1 ? 0 : sampled ? gap() : until_[c] - 1;
  uint64_t behind = s->allocCache;
  for (int64_t i = 0; i < until_[c] && behind != 0; ++i) behind &= behind - 1;
  s->allocCache ^= behind;
  return sampled;
}

bool HeapSampler::take_large(size_t bytes) {
  if (!follow_setting()) return false;
  const size_t rate = heap_profile_setting.rate.load(std::memory_order_relaxed);
  return rate != 0 && (rate == 1 || draw(rate) < static_cast<double>(bytes));
}

void heap_profile_sample(void* object, size_t bytes) {
  Stack stack;
  _Unwind_Backtrace(note_frame, &stack);
  HeapBucket* const bucket = bucket_of(stack.callers());
  bucket->allocs.fetch_add(1, std::memory_order_relaxed);
  bucket->alloc_bytes.fetch_add(bytes, std::memory_order_relaxed);
  gc_profile_object(object, bucket);
}

void heap_profile_freed(HeapBucket* bucket, size_t bytes) {
  bucket->free_bytes.fetch_add(bytes, std::memory_order_release);
  bucket->frees.fetch_add(1, std::memory_order_release);
}

}  // namespace reprise::rt

namespace reprise {

size_t set_heap_profile_rate(size_t bytes) {
  rt::require_goroutine("set_heap_profile_rate");
  const uint64_t seed = rt::seam_draw();
  rt::HeapProfileSetting& setting = rt::heap_profile_setting;
  setting.seed.store(seed, std::memory_order_relaxed);
  const size_t before = setting.rate.exchange(bytes, std::memory_order_relaxed);
  // Release: who sees the epoch sees seed and rate.
  setting.epoch.fetch_add(1, std::memory_order_release);
  return before;
}

std::string heap_profile() {
  const std::vector<rt::Counts> all = rt::all_counts();
  uint64_t live = 0, live_bytes = 0, allocs = 0, alloc_bytes = 0;
  for (const rt::Counts& c : all) {
    live += c.live;
    live_bytes += c.live_bytes;
    allocs += c.allocs;
    alloc_bytes += c.alloc_bytes;
  }
  char head[200];
  // Twice the rate is what the form's readers expect there.
  std::snprintf(head, sizeof head, "heap profile: %llu: %llu [%llu: %llu] @ heap/%llu\n", static_cast<unsigned long long>(live),
                static_cast<unsigned long long>(live_bytes), static_cast<unsigned long long>(allocs),
                static_cast<unsigned long long>(alloc_bytes),
                2 * static_cast<unsigned long long>(rt::heap_profile_setting.rate.load(std::memory_order_relaxed)));
  std::string text = head;
  const rt::Session session(rt::open_dwfl_session(), &dwfl_end);
  for (const rt::Counts& c : all) rt::add_bucket(&text, session.get(), c);
  rt::add_mappings(&text);
  return text;
}

}  // namespace reprise
