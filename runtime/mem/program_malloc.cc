// The malloc family as strong symbols of the executable.
//
// Who owns the heap is decided at the first call, by the auxiliary vector, and never changes: a
// block must go back to where it came from. The arenas are reserved then, whole, so that growing
// makes no system call in the middle of a run: what the scheduler and the policies allocate differs
// between record and replay, and must not show on the tape. What it costs is address space.
//
// State lies in the arenas themselves. The variables below are written once, or are 0 whenever a
// policy is not running, so that the program's own data is the same in record and replay.
#include "runtime/mem/program_malloc.h"

#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bit>
#include <cerrno>

#include "runtime/mem/arena.h"
#include "runtime/sched/g_m_p.h"
#include "runtime/seam/policy_memory.h"
#include "runtime/seam/tape.h"
#include "runtime/stage/abi.h"

namespace reprise::mem {
namespace {

// Watched blocks of libc's take the way of the arenas' up to where they come from.
enum class Owner : uint8_t { unknown, libc, watched_libc, arenas };

constexpr size_t kGiB = size_t{1} << 30;

Owner heap_owner = Owner::unknown;
const HeapWatch* heap_watch = nullptr;
Arena* program_arena;
Arena* runtime_arena;
Arena* policy_arena;

[[noreturn]] void die(const char* message) {
  // Nothing to do about an error: the process ends on the next line.
  [[maybe_unused]] const auto written = write(STDERR_FILENO, message, strlen(message));
  abort();
}

// Under a limit on address space the largest power of two that fits is used.
Arena* reserve(uint64_t base, size_t bytes, Arena::Release release) {
  constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
  for (; bytes >= kGiB / 16; bytes /= 2) {
    void* const at = reinterpret_cast<void*>(base);
    if (mmap(at, bytes, PROT_READ | PROT_WRITE, kFlags, -1, 0) == at)
      return Arena::create(at, bytes, release);
  }
  die("reprise: cannot reserve address space for the heap\n");
}

[[gnu::noinline, gnu::cold]] void decide_owner() {
  const int saved = errno;
  if (getauxval(stage::kAuxTable) == 0) {
    heap_owner = Owner::libc;
  } else {
    program_arena = reserve(tape::kProgramArena, 64 * kGiB, Arena::Release::large_blocks);
    runtime_arena = reserve(tape::kRuntimeArena, 4 * kGiB, Arena::Release::never);
    policy_arena = reserve(tape::kPolicyArena, 4 * kGiB, Arena::Release::never);
    heap_owner = Owner::arenas;
  }
  errno = saved;
}

bool libc_owns() {
  if (__builtin_expect(heap_owner == Owner::unknown, 0)) decide_owner();
  return heap_owner == Owner::libc;
}

bool on_g0() {
  const rt::G* gp = rt::getg();
  return gp != nullptr && gp->ctx.m != nullptr && gp->ctx.m->ctx.g0 == gp;
}

}  // namespace

Arena* current_arena() {
  if (libc_owns() || heap_owner == Owner::watched_libc) return nullptr;
  if (seam::policy_memory_depth != 0) return policy_arena;
  return on_g0() ? runtime_arena : program_arena;
}

Arena* program_blocks() { return program_arena; }
Arena* runtime_blocks() { return runtime_arena; }

void watch_heap(const HeapWatch* watch) {
  if (libc_owns()) heap_owner = Owner::watched_libc;
  heap_watch = watch;
}

void mallocinit() {
  Arena* const arena = current_arena();
  void* const block = malloc(1);
  if (arena != nullptr && !arena->contains(block))
    die("reprise: the program's malloc is not the executable's: is another linked or preloaded?\n");
  free(block);
}

}  // namespace reprise::mem

#ifndef REPRISE_SANITIZED

extern "C" {
// libc's own, under the names that it exports for replacements.
void* __libc_malloc(size_t);
void __libc_free(void*);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);
}

namespace reprise::mem {
namespace {

Arena* arena_of(const void* block) {
  for (Arena* arena : {program_arena, runtime_arena, policy_arena})
    if (arena->contains(block)) return arena;
  return nullptr;
}

[[noreturn]] void die_of(const char* call, Arena::Fault fault) {
  char text[80];
  strcpy(text, call);
  strcat(text, fault == Arena::Fault::double_free ? "(): double free detected\n"
                                                  : "(): invalid pointer\n");
  die(text);
}

size_t libc_usable_size(void* block) {
  using UsableSize = size_t (*)(void*);
  static const auto libc_s = reinterpret_cast<UsableSize>(dlsym(RTLD_NEXT, "malloc_usable_size"));
  return libc_s(block);
}

void* libc_allocate(size_t bytes, size_t alignment, bool zeroed) {
  if (zeroed) return __libc_calloc(1, bytes);
  return alignment <= 16 ? __libc_malloc(bytes) : __libc_memalign(alignment, bytes);
}

void* allocate(size_t bytes, size_t alignment, bool zeroed) {
  void* block = nullptr;
  if (bytes <= PTRDIFF_MAX) {
    Arena* const arena = current_arena();
    block = arena != nullptr ? arena->allocate(bytes, alignment, zeroed) : libc_allocate(bytes, alignment, zeroed);
  }
  if (block == nullptr) {
    errno = ENOMEM;
  } else if (heap_watch != nullptr) {
    heap_watch->allocated(block, bytes);
  }
  return block;
}

size_t usable_size(const char* call, void* block);

void free_block(void* block) {
  if (heap_watch != nullptr) heap_watch->freed(block, usable_size("free", block));
  if (heap_owner == Owner::watched_libc) return __libc_free(block);
  Arena* const arena = arena_of(block);
  const auto fault = arena != nullptr ? arena->free(block) : Arena::Fault::not_a_block;
  if (fault != Arena::Fault::none) die_of("free", fault);
}

size_t usable_size(const char* call, void* block) {
  if (heap_owner == Owner::watched_libc) return libc_usable_size(block);
  Arena* const arena = arena_of(block);
  Arena::Fault fault = Arena::Fault::not_a_block;
  const size_t bytes = arena != nullptr ? arena->usable_size(block, &fault) : 0;
  if (fault != Arena::Fault::none) die_of(call, fault);
  return bytes;
}

void* reallocate(void* block, size_t bytes) {
  const size_t usable = usable_size("realloc", block);
  if (bytes <= usable && (bytes >= usable / 2 || usable <= 64)) return block;
  void* const moved = allocate(bytes, 16, false);
  if (moved == nullptr) return nullptr;
  memcpy(moved, block, usable < bytes ? usable : bytes);
  free_block(block);
  return moved;
}

void* aligned(size_t alignment, size_t bytes) {
  if (libc_owns()) return __libc_memalign(alignment, bytes);
  if (alignment > PTRDIFF_MAX / 2) {
    errno = EINVAL;
    return nullptr;
  }
  return allocate(bytes, std::bit_ceil(alignment < 16 ? size_t{16} : alignment), false);
}

}  // namespace
}  // namespace reprise::mem

namespace mem = reprise::mem;

extern "C" {

void* malloc(size_t bytes) noexcept {
  return mem::libc_owns() ? __libc_malloc(bytes) : mem::allocate(bytes, 16, false);
}

void free(void* block) noexcept {
  if (mem::libc_owns()) return __libc_free(block);
  if (block != nullptr) mem::free_block(block);
}

void* calloc(size_t count, size_t bytes) noexcept {
  if (mem::libc_owns()) return __libc_calloc(count, bytes);
  size_t total;
  if (__builtin_mul_overflow(count, bytes, &total)) total = SIZE_MAX;
  return mem::allocate(total, 16, true);
}

void* realloc(void* block, size_t bytes) noexcept {
  if (mem::libc_owns()) return __libc_realloc(block, bytes);
  if (block == nullptr) return mem::allocate(bytes, 16, false);
  if (bytes != 0) return mem::reallocate(block, bytes);
  mem::free_block(block);  // as glibc does
  return nullptr;
}

void* reallocarray(void* block, size_t count, size_t bytes) noexcept {
  size_t total;
  if (__builtin_mul_overflow(count, bytes, &total)) {
    errno = ENOMEM;
    return nullptr;
  }
  return realloc(block, total);
}

void* memalign(size_t alignment, size_t bytes) noexcept { return mem::aligned(alignment, bytes); }

void* aligned_alloc(size_t alignment, size_t bytes) noexcept {
  return mem::aligned(alignment, bytes);
}

int posix_memalign(void** out, size_t alignment, size_t bytes) noexcept {
  if (!std::has_single_bit(alignment) || alignment % sizeof(void*) != 0) return EINVAL;
  const int saved = errno;
  void* const block = mem::aligned(alignment, bytes);
  errno = saved;
  if (block == nullptr) return ENOMEM;
  *out = block;
  return 0;
}

void* valloc(size_t bytes) noexcept { return mem::aligned(mem::kPageBytes, bytes); }

void* pvalloc(size_t bytes) noexcept {
  const size_t up = mem::kPageBytes - 1;
  if (bytes > PTRDIFF_MAX - up) {
    errno = ENOMEM;
    return nullptr;
  }
  return mem::aligned(mem::kPageBytes, (bytes + up) & ~up);
}

size_t malloc_usable_size(void* block) noexcept {
  if (block == nullptr) return 0;
  if (!mem::libc_owns()) return mem::usable_size("malloc_usable_size", block);
  return mem::libc_usable_size(block);
}

}  // extern "C"

#endif  // REPRISE_SANITIZED
