// cgocall and cgocallback.
//
// One record a call (CgoCall), on the goroutine's stack in cgocall's frame, and named by the last bytes of the stack
// that C got. Its `inside` says who runs: C, or a callback. A callback comes from the stack of a call that is in C,
// and a call ends in C; anything else means that frames between were left without returning. That is how longjmp is
// found.
//
// While C runs the thread's g is g0, as in the reference: nothing may park the goroutine, which has no P (native mode).
// The goroutine's own stack, below the frame of cgocall, is free meanwhile: callbacks run there. So a collector
// that scans it sees all of Reprise's frames, and none of C's.
#include "runtime/cgo/cgo.h"

#include <cxxabi.h>

#include <string>
#include <typeinfo>

#include "asm/asm.h"
#include "asm/cgo.h"
#include "runtime/cgo/callbacks.h"
#include "runtime/cgo/cstack.h"
#include "runtime/include/reprise/panic.h"
#include "runtime/panic/panic.h"
#include "runtime/sched/foreign.h"
#include "runtime/sched/sched.h"
#include "runtime/sched/syscall.h"

namespace reprise::rt {

struct CgoCall {
  enum class Inside : uint8_t { c, callback };

  int32_t (*fn)(void*);
  void* arg;
  G* gp;
  void* below;          // where a callback's frames may begin on the goroutine's stack
  bool native;          // the P was let go
  Inside inside = Inside::c;
  int32_t result = 0;
};

namespace {

constexpr size_t kRoomBytes = 256;  // below cgocall's frame, for the frame that changes stacks

[[gnu::noinline]] void set_g(G* gp) {
  asm volatile("" : "+r"(gp));
  reprise_tls_g = gp;
}

}  // namespace

std::atomic<uint32_t> cgo_callbacks{0};

namespace {

[[noreturn]] void frames_were_skipped() {
  throw_("cgo: longjmp, or an unwinding of C's own, has left frames of the runtime");
}

[[noreturn]] void exception_at_the_border(const char* where) {
  std::string text = std::string("cgo: a C++ exception leaves ") + where;
  if (const std::type_info* type = abi::__cxa_current_exception_type()) text += ": " + detail::type_text(*type);
  throw_(text);
}

// C's side of the border. On the stack for C.
void run_c(void* arg) {
  auto* const call = static_cast<CgoCall*>(arg);
  call->result = call->fn(call->arg);
}

// Native mode: a goroutine in a callback keeps its thread, because C's frames are on it.
void lock_to_m(G* gp) {
  if (gp->locked_count++ != 0) return;
  M* const mp = gp->ctx.m;
  gp->locked_m = mp;
  mp->locked_g = gp;
}
void unlock_from_m(G* gp) {
  if (gp->locked_count == 0) throw_("cgocallback: the goroutine has unlocked the thread that C's frames are on");
  if (--gp->locked_count != 0 || gp->stays_on_m) return;
  gp->ctx.m->locked_g = nullptr;
  gp->locked_m = nullptr;
}

// From C back into the runtime and, at its end, out again: also where a panic leaves.
class InCallback {
 public:
  explicit InCallback(CgoCall* call) : call_(call) {
    if (call->inside != CgoCall::Inside::c) frames_were_skipped();
    call->inside = CgoCall::Inside::callback;
    cgo_callbacks.fetch_add(1, std::memory_order_relaxed);
    if (!call->native) return;
    set_g(call->gp);
    lock_to_m(call->gp);
    exitsyscall();
  }
  InCallback(const InCallback&) = delete;
  InCallback& operator=(const InCallback&) = delete;
  ~InCallback() {
    G* const gp = call_->gp;
    if (crossing) gp->ctx.m->dying.store(1, std::memory_order_relaxed);  // this M's; read by it alone
    if (call_->native) {
      entersyscall();
      unlock_from_m(gp);
      set_g(gp->ctx.m->ctx.g0);
    }
    call_->inside = CgoCall::Inside::c;
    cgo_callbacks.fetch_sub(1, std::memory_order_relaxed);
  }
  bool crossing = true;

 private:
  CgoCall* call_;
};

struct Callback {
  CgoCall* call;
  void (*fn)(void*);
  void* arg;
};

// On the goroutine's stack.
__attribute__((no_sanitize("null"))) void run_callback(void* arg) {  // as call_in_unwinding()
  const auto* const callback = static_cast<const Callback*>(arg);
  InCallback in(callback->call);
  try {
    callback->fn(callback->arg);
  } catch (const reprise::detail::PanicUnwind&) {
    throw;
  } catch (abi::__forced_unwind&) {
    throw;
  } catch (...) {
    exception_at_the_border("a callback, for frames of C");
  }
  in.crossing = false;
}

// Back from C, whichever way.
void leave_c(CgoCall* call, void* stack) {
  if (call->inside != CgoCall::Inside::c) frames_were_skipped();
  cstack_put(stack);
  call->gp->ctx.m->dying.store(0, std::memory_order_relaxed);  // before the goroutine may change its M
  if (!call->native) return;
  set_g(call->gp);
  exitsyscall();
}

}  // namespace

uint64_t goroutine_above_c(uint64_t sp) {
  const CgoCall* const call = call_of_stack(reinterpret_cast<const void*>(sp));
  return call != nullptr ? reinterpret_cast<uint64_t>(call->below) : 0;
}

[[gnu::noinline]] __attribute__((no_sanitize("null"))) int32_t cgocall(int32_t (*fn)(void*), void* arg) {
  __builtin_unwind_init();  // what callers keep in registers, onto this frame: the collector sees none of C's
  G* const gp = require_goroutine("cgocall");
  uint64_t sp;
  asm("movq %%rsp, %0" : "=r"(sp));
  CgoCall call{fn, arg, gp, reinterpret_cast<void*>(sp - kRoomBytes), can_enter_syscall()};
  void* const stack = cstack_get(&call);
  if (call.native) {
    entersyscall();
    set_g(gp->ctx.m->ctx.g0);
  }
  try {
    reprise_asmcgocall(stack, run_c, &call);
  } catch (const reprise::detail::PanicUnwind&) {
    leave_c(&call, stack);
    throw;
  } catch (abi::__forced_unwind&) {
    leave_c(&call, stack);
    throw;
  } catch (...) {
    exception_at_the_border("a C function, for frames of Reprise");
  }
  leave_c(&call, stack);
  return call.result;
}

[[gnu::noinline]] void cgocallback(void (*fn)(void*), void* arg) {
  require_booted("cgocallback");
  if (CgoCall* const call = call_of_stack(__builtin_frame_address(0))) {
    Callback callback{call, fn, arg};
    return reprise_asmcgocall(call->below, run_callback, &callback);
  }
  const G* const gp = getg();
  if (gp == nullptr && seam_active) return run_on_goroutine(fn, arg);
  if (gp == nullptr) return run_on_foreign_thread(fn, arg);
  if (gp != curg()) throw_("cgocallback: on the scheduler's stack");
  fn(arg);
}

}  // namespace reprise::rt

extern "C" void reprise_cgocallback(void (*fn)(void*), void* arg) { reprise::rt::cgocallback(fn, arg); }
