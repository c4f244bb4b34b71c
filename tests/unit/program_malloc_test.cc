// The malloc family in a program started directly: libc's heap behind our symbols. Under the stage
// the same calls are exercised by every recorded program, and its edges by tests/e2e.
#include "runtime/mem/program_malloc.h"

#include <gtest/gtest.h>
#include <malloc.h>
#include <reprise/go.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>

namespace reprise::mem {
namespace {

// Hides a value from the optimiser, which knows malloc's rules.
template <class T>
T opaque(T value) {
  asm volatile("" : "+r"(value));
  return value;
}

TEST(ProgramMalloc, started_directly_libc_owns_the_heap) { EXPECT_EQ(current_arena(), nullptr); }

TEST(ProgramMalloc, alignments_are_as_asked) {
  for (size_t alignment = 16; alignment <= 1 << 20; alignment *= 2) {
    void* blocks[] = {memalign(alignment, 100), aligned_alloc(alignment, alignment), nullptr};
    ASSERT_EQ(posix_memalign(&blocks[2], alignment, 1), 0);
    for (void* block : blocks) {
      EXPECT_EQ(reinterpret_cast<uintptr_t>(block) % alignment, 0u);
      free(block);
    }
  }
}

#ifndef REPRISE_SANITIZED  // a sanitizer's heap ends the program
TEST(ProgramMalloc, impossible_sizes_fail_with_enomem) {
  void* out = nullptr;
  errno = 0;
  EXPECT_EQ(malloc(opaque(SIZE_MAX / 2 + 1)), nullptr);
  EXPECT_EQ(errno, ENOMEM);
  errno = 0;
  EXPECT_EQ(calloc(opaque(SIZE_MAX / 2), 3), nullptr);
  EXPECT_EQ(errno, ENOMEM);
  errno = 0;
  EXPECT_EQ(reallocarray(nullptr, opaque(SIZE_MAX / 2), 3), nullptr);
  EXPECT_EQ(errno, ENOMEM);
  errno = 7;
  EXPECT_EQ(posix_memalign(&out, 16, opaque(SIZE_MAX / 2 + 1)), ENOMEM);
  EXPECT_EQ(posix_memalign(&out, opaque(size_t{3}), 1), EINVAL);
  EXPECT_EQ(errno, 7);
}
#endif

TEST(ProgramMalloc, realloc_keeps_contents_while_growing_and_shrinking) {
  auto* block = static_cast<char*>(malloc(1));
  block[0] = 'x';
  for (const size_t bytes : {size_t{10}, size_t{1000}, size_t{1} << 20, size_t{20}, size_t{1}}) {
    block = static_cast<char*>(realloc(block, bytes));
    ASSERT_EQ(block[0], 'x');
    EXPECT_GE(malloc_usable_size(block), bytes);
  }
  free(block);
}

TEST(ProgramMalloc, goroutines_and_threads_free_each_others_blocks) {
  char* block = nullptr;
  std::atomic<bool> done = false;
  go([&] {
    block = strdup("made by a goroutine");
    done = true;
  });
  while (!done) yield();
  std::thread([&] {
    EXPECT_STREQ(block, "made by a goroutine");
    free(block);
  }).join();
}

TEST(ProgramMalloc, a_forked_child_allocates) {
  const pid_t child = fork();
  if (child == 0) {
    std::string text(100000, 'x');
    _exit(text.size() == 100000 ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace reprise::mem
