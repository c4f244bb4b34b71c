// Small blocks by bitmap, large blocks by page runs.
//
// Invariants: a small span is in partial_ of its class exactly if it has a free slot; `live` is the
// number of bits set in `used`; bits beyond the class's slots are always set. One empty span a class
// is kept, so that a block freed and allocated in turn does not churn pages.
#include "runtime/mem/arena.h"

#include <sched.h>
#include <string.h>
#include <sys/mman.h>

#include <bit>
#include <cerrno>
#include <new>

namespace reprise::mem {
namespace {

constexpr uint32_t kReleasePages = (1u << 20) / kPageBytes;  // blocks from here on are released

constexpr uint32_t kMaxPages = UINT32_MAX / 2;

size_t round_up(size_t value, size_t to) { return (value + to - 1) / to * to; }

// Size class whose blocks hold `bytes` and lie at multiples of `alignment`; kSizeClasses if none.
size_t aligned_class(size_t bytes, size_t alignment) {
  if (alignment > kPageBytes || bytes > kMaxSmallBytes) return kSizeClasses;
  size_t c = size_class_of(bytes);
  while (c < kSizeClasses && kClasses[c].bytes % alignment != 0) ++c;
  return c;
}

}  // namespace

// Contended only where no baton rules: in a forked child that left the tape and runs threads.
class Arena::Guard {
 public:
  explicit Guard(std::atomic<bool>& busy) : busy_(busy) {
    while (busy_.exchange(true, std::memory_order_acquire)) sched_yield();
  }
  ~Guard() { busy_.store(false, std::memory_order_release); }

 private:
  std::atomic<bool>& busy_;
};

Arena* Arena::create(void* base, size_t bytes, Release release) {
  const size_t head = round_up(sizeof(Arena), alignof(Span));
  size_t pages = bytes / kPageBytes;
  if (pages > kMaxPages) pages = kMaxPages;
  const size_t metadata = round_up(head + PageRuns::metadata_bytes(static_cast<uint32_t>(pages)),
                                   kPageBytes);
  if (metadata >= pages * kPageBytes) return nullptr;
  auto* const pages_begin = static_cast<char*>(base) + metadata;
  return new (base) Arena(bytes, pages_begin,
                          static_cast<uint32_t>(pages - metadata / kPageBytes), release);
}

Arena::Arena(size_t bytes, char* pages_begin, uint32_t pages, Release release)
    : bytes_(bytes),
      pages_begin_(pages_begin),
      release_(release),
      runs_(reinterpret_cast<char*>(this) + round_up(sizeof(Arena), alignof(Span)), pages,
            reinterpret_cast<uintptr_t>(pages_begin) / kPageBytes) {}

void* Arena::allocate(size_t bytes, size_t alignment, bool zeroed) {
  if (bytes == 0) bytes = 1;
  if (bytes > bytes_) return nullptr;
  bool zero = zeroed;
  void* block;
  {
    const Guard guard(busy_);
    const size_t size_class = aligned_class(bytes, alignment);
    block = size_class < kSizeClasses ? allocate_small(size_class)
                                      : allocate_large(bytes, alignment, &zero);
  }
  if (block != nullptr && zero) memset(block, 0, bytes);
  return block;
}

void* Arena::allocate_small(size_t size_class) {
  Span* span = partial_[size_class].front();
  if (span == nullptr) span = new_small_span(size_class);
  if (span == nullptr) return nullptr;
  size_t word = 0;
  while (span->used[word] == ~uint64_t{0}) ++word;
  const auto bit = static_cast<size_t>(std::countr_one(span->used[word]));
  span->used[word] |= uint64_t{1} << bit;
  if (++span->live == kClasses[size_class].slots) partial_[size_class].remove(span);
  return address_of(span) + (word * 64 + bit) * kClasses[size_class].bytes;
}

Span* Arena::new_small_span(size_t size_class) {
  const SizeClass& c = kClasses[size_class];
  Span* const span = runs_.take(c.pages, 1);
  if (span == nullptr) return nullptr;
  span->state = Span::State::small;
  span->size_class = static_cast<uint8_t>(size_class);
  span->zeroed = false;
  span->live = 0;
  for (size_t word = 0; word < kMaxSlots / 64; ++word) {
    const size_t first = word * 64;
    const size_t slots = c.slots > first ? c.slots - first : 0;
    span->used[word] = slots >= 64 ? 0 : ~uint64_t{0} << slots;
  }
  partial_[size_class].push_front(span);
  return span;
}

void* Arena::allocate_large(size_t bytes, size_t alignment, bool* zero) {
  const size_t pages = (bytes + kPageBytes - 1) / kPageBytes;
  const size_t step = alignment > kPageBytes ? alignment / kPageBytes : 1;
  if (pages > kMaxPages || step > kMaxPages) return nullptr;
  Span* const span = runs_.take(static_cast<uint32_t>(pages), static_cast<uint32_t>(step));
  if (span == nullptr) return nullptr;
  *zero = *zero && !span->zeroed;
  span->zeroed = false;
  return address_of(span);
}

Arena::Place Arena::place_of(const void* block) const {
  const size_t offset =
      reinterpret_cast<uintptr_t>(block) - reinterpret_cast<uintptr_t>(pages_begin_);
  if (offset >= bytes_ || offset % 16 != 0) return {.fault = Fault::not_a_block};
  Span* const span = runs_.span_of(static_cast<uint32_t>(offset / kPageBytes));
  if (span == nullptr) return {.fault = Fault::double_free};
  const size_t inside = offset - size_t{span->first_page} * kPageBytes;
  if (span->state == Span::State::large)
    return inside == 0 ? Place{.span = span} : Place{.fault = Fault::not_a_block};
  const SizeClass& c = kClasses[span->size_class];
  const auto slot = static_cast<uint32_t>(inside * c.reciprocal >> 40);
  if (slot >= c.slots || inside != size_t{slot} * c.bytes) return {.fault = Fault::not_a_block};
  if (!in_use(span, slot)) return {.fault = Fault::double_free};
  return {.span = span, .slot = slot};
}

Arena::Block Arena::block_at(uintptr_t address) {
  const Guard guard(busy_);
  const size_t offset = address - reinterpret_cast<uintptr_t>(pages_begin_);
  if (offset >= bytes_) return {};
  const Span* const span = runs_.span_of(static_cast<uint32_t>(offset / kPageBytes));
  if (span == nullptr) return {};
  if (span->state == Span::State::large) return {begin_of(span, 0), size_t{span->pages} * kPageBytes};
  const SizeClass& c = kClasses[span->size_class];
  const auto slot = static_cast<uint32_t>((address - begin_of(span, 0)) * c.reciprocal >> 40);
  if (slot >= c.slots || !in_use(span, slot)) return {};
  return {begin_of(span, slot), c.bytes};
}

Arena::Fault Arena::free(void* block) {
  {
    const Guard guard(busy_);
    const Place place = place_of(block);
    if (place.fault != Fault::none) return place.fault;
    if (place.span->state == Span::State::small) {
      free_small(place.span, place.slot);
      return Fault::none;
    }
    if (release_ == Release::never || place.span->pages < kReleasePages) {
      runs_.give_back(place.span);
      return Fault::none;
    }
  }
  release_and_free(block);
  return Fault::none;
}

void Arena::free_small(Span* span, uint32_t slot) {
  SpanList& partial = partial_[span->size_class];
  if (span->live == kClasses[span->size_class].slots) partial.push_front(span);
  span->used[slot / 64] &= ~(uint64_t{1} << slot % 64);
  if (--span->live != 0) return;
  if (partial.front() == span && span->next == nullptr) return;
  partial.remove(span);
  runs_.give_back(span);
}

// The lock is not held across the system call: a signal handler may run there, and allocate.
void Arena::release_and_free(void* block) {
  Span* span;
  {
    const Guard guard(busy_);
    span = place_of(block).span;
  }
  const int saved = errno;
  const bool released = madvise(block, size_t{span->pages} * kPageBytes, MADV_DONTNEED) == 0;
  errno = saved;
  const Guard guard(busy_);
  span->zeroed = released;
  runs_.give_back(span);
}

size_t Arena::usable_size(const void* block, Fault* fault) {
  const Guard guard(busy_);
  const Place place = place_of(block);
  *fault = place.fault;
  if (place.fault != Fault::none) return 0;
  return place.span->state == Span::State::large ? size_t{place.span->pages} * kPageBytes
                                                 : kClasses[place.span->size_class].bytes;
}

size_t Arena::bytes_in_use() {
  const Guard guard(busy_);
  return size_t{runs_.pages_in_use()} * kPageBytes;
}

}  // namespace reprise::mem
