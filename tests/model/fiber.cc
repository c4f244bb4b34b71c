// The first frame of a fiber: what RESTORE_CALLEE pops, then reprise_model_entry.
#include "tests/model/fiber.h"

#include <cstdint>

namespace reprise::model {

void Fiber::start(void (*entry)()) {
  if (stack_ == nullptr) stack_ = std::make_unique<std::byte[]>(kBytes);
  const auto top = (reinterpret_cast<uintptr_t>(stack_.get()) + kBytes) & ~uintptr_t{15};
  auto* frame = reinterpret_cast<uint64_t*>(top) - 10;
  constexpr uint64_t kControlWords = 0x1f80 | (uint64_t{0x037f} << 32);  // the ABI's defaults
  frame[0] = kControlWords;
  for (int i = 1; i <= 6; ++i) frame[i] = 0;            // r15 r14 r13 r12 rbx rbp
  frame[5] = reinterpret_cast<uint64_t>(entry);         // rbx
  frame[7] = reinterpret_cast<uint64_t>(&reprise_model_entry);
  sp_ = frame;
}

}  // namespace reprise::model
