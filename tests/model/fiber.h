// A stack of its own for each explored thread, switched cooperatively.
//
// Thread safety: none. A fiber may be started anew at any time; what lay on its stack is dropped
// without destructors.
#pragma once

#include <cstddef>
#include <memory>

extern "C" void reprise_model_switch(void** save, void* load);
extern "C" void reprise_model_entry();

namespace reprise::model {

class Fiber {
 public:
  // entry never returns: it ends by switching away for good.
  void start(void (*entry)());
  // Leaves `from`, which may be the thread's own stack, for this one.
  void enter(Fiber& from) { reprise_model_switch(&from.sp_, sp_); }

 private:
  static constexpr size_t kBytes = 128 << 10;
  std::unique_ptr<std::byte[]> stack_;
  void* sp_ = nullptr;
};

}  // namespace reprise::model
