// The reservation. Its size is address space only; MAP_NORESERVE keeps it out of what the kernel promises.
#include "runtime/race/memory.h"

#include <sys/mman.h>

#include "runtime/panic/report.h"
#include "runtime/sched/proc.h"
#include "runtime/seam/tape.h"

namespace reprise::race {
namespace {

// Beside the policies' arena; 64 GiB of tape.h's sections are left free above.
constexpr uint64_t kRaceArena = 0x7ed0'0000'0000;
static_assert(kRaceArena > tape::kPolicyArena && tape::kPolicyArena > tape::kProgramEnd);
constexpr size_t kBytes = size_t{80} << 30;

char* next = nullptr;
size_t left = 0;

// Without the stage something may lie at our address: then anywhere, since nothing shows it.
void map() {
  constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  void* const wanted = reinterpret_cast<void*>(kRaceArena);
  void* at = mmap(wanted, kBytes, PROT_READ | PROT_WRITE, kFlags | MAP_FIXED_NOREPLACE, -1, 0);
  if (at == MAP_FAILED) at = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, kFlags, -1, 0);
  if (at == MAP_FAILED) rt::throw_("race: cannot reserve 80 GiB of address space (ulimit -v?)");
  next = static_cast<char*>(at);
  left = kBytes;
}

}  // namespace

void* reserve(size_t bytes) {
  if (next == nullptr) map();
  bytes = (bytes + 63) & ~size_t{63};
  if (bytes > left) rt::throw_("race: out of address space");
  char* const at = next;
  next += bytes;
  left -= bytes;
  return at;
}

}  // namespace reprise::race
