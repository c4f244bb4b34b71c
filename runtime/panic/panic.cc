// gopanic and what becomes of it: the chain of a goroutine's deferred calls, boundaries and panics.
//
// The frames are left by C++'s own unwinding, so that destructors and deferred calls run interleaved. What
// travels (detail::PanicUnwind, or goexit's token) is only the carrier: which panic runs, whether it was recovered, and
// whether the goroutine shall end stand on the chain. That is what lets a deferred call panic in the
// middle of an unwinding, which C++ does not allow: the new carrier is caught where the deferred call was
// made, its record stays on the chain above the old one, and the old carrier goes on in its name.
//
// Invariants: the chain is in stack order, but for panics: a panic stands above everything that existed
// when it began, and stays there while frames below it are left. So a record that is not on top when its
// frame is left has only panics above it. A carrier is caught by the innermost boundary, the last one
// being the goroutine's first frame.
//
// Where a panic began is for the report of one that nobody recovers, and then the frames are gone. A walk through them
// costs a microsecond for three of them, so the stack is copied as it stands, and walked when it comes to that. Walked
// at once are stacks that are too deep for a copy, those with frames of C in between, which lie elsewhere, and, in
// sanitizers' builds, all.
//
// Rejected: the reference's way, which calls the deferred from gopanic on top of the panicking frame and
// then cuts the stack: destructors would have to wait for it, and C++ code relies on their order.
#include "runtime/panic/panic.h"

#include <cxxabi.h>
#include <unwind.h>

#include <cstdlib>
#include <cstring>
#include <new>

#include "runtime/cgo/callbacks.h"
#include "runtime/sched/here.h"
#include "runtime/sched/sched.h"

namespace reprise {

namespace rt {

namespace {

using detail::DeferredCall;
using detail::PanicUnwind;
using detail::Record;
using State = PanicRecord::State;

Record* top(const G* gp) { return static_cast<Record*>(gp->panic); }

PanicRecord* as_panic(Record* record) {
  return record != nullptr && record->kind == Record::Kind::panic ? static_cast<PanicRecord*>(record) : nullptr;
}

PanicRecord* top_panic(const G* gp) { return as_panic(top(gp)); }

// The panic that a deferred call may recover, if any.
PanicRecord* running_panic(const G* gp) {
  PanicRecord* panic = top_panic(gp);
  return panic != nullptr && panic->state == State::running ? panic : nullptr;
}

// Sets the state of the panics on top of the chain, and of those that they replaced.
void settle(G* gp, State state) {
  for (PanicRecord* panic = top_panic(gp); panic != nullptr; panic = as_panic(panic->outer)) {
    if (panic->state != State::done) panic->state = state;
  }
}

// Only panics are above it, see the invariants.
void remove_from_chain(G* gp, Record* record) {
  if (top(gp) == record) {
    gp->panic = record->outer;
    return;
  }
  Record* above = top(gp);
  while (above->outer != record) above = above->outer;
  above->outer = record->outer;
}

bool somebody_defers(const G* gp) {
  for (const Record* record = top(gp); record != nullptr; record = record->outer) {
    if (record->kind == Record::Kind::deferred) return true;
  }
  return false;
}

// The goroutine that may be unwound from here; null: the process ends where it stands.
G* unwindable() {
  G* gp = goroutine_here();
  if (gp == nullptr || gp->no_preempt != 0) return nullptr;
  const M* mp = gp->ctx.m;
  if (mp->locks != 0 || mp->mallocing != 0 || sched.dying.load(std::memory_order_relaxed)) return nullptr;
  if (mp->dying.load(std::memory_order_relaxed) != 0) return nullptr;  // one crosses C already (runtime/cgo)
  return somebody_defers(gp) ? gp : nullptr;
}

_Unwind_Reason_Code note_frame(_Unwind_Context* context, void* arg) {
  auto& panic = *static_cast<PanicRecord*>(arg);
  if (panic.frames == PanicRecord::kMaxFrames) return _URC_END_OF_STACK;
  int exact = 0;
  const uint64_t pc = _Unwind_GetIPInfo(context, &exact);
  panic.pcs[panic.frames++] = pc + (exact != 0);  // readers take one off
  return _URC_NO_REASON;
}

#ifndef REPRISE_SANITIZED
constexpr size_t kMostCopied = 32 << 10;

// Those from which the caller's stack can be unwound.
[[gnu::always_inline]] inline void note_registers(Registers* registers) {
  asm volatile(
      "movq %%rbx, 24(%0)\n\tmovq %%rbp, 48(%0)\n\tmovq %%rsp, 56(%0)\n\t"
      "movq %%r12, 96(%0)\n\tmovq %%r13, 104(%0)\n\tmovq %%r14, 112(%0)\n\tmovq %%r15, 120(%0)\n\t"
      "leaq 0f(%%rip), %%rax\n\tmovq %%rax, 128(%0)\n0:"
      :
      : "r"(registers->r)
      : "rax", "memory");
}

// From the frame whose registers are noted up to the goroutine's first one. False: not to be done.
bool copy_stack(const G* gp, PanicRecord* panic) {
  const uint64_t sp = panic->registers.r[7];
  if (sp < gp->ctx.stack_lo || sp > gp->ctx.stack_hi || gp->ctx.stack_hi - sp > kMostCopied) return false;
  if (cgo_callbacks.load(std::memory_order_relaxed) != 0) return false;
  const size_t bytes = gp->ctx.stack_hi - sp;
  panic->stack.reset(new (std::nothrow) char[bytes]);
  if (panic->stack == nullptr) return false;
  std::memcpy(panic->stack.get(), reinterpret_cast<const void*>(sp), bytes);
  panic->bounds = {sp, gp->ctx.stack_hi, panic->stack.get()};
  return true;
}
#else
void note_registers(Registers*) {}
bool copy_stack(const G*, PanicRecord*) { return false; }
#endif

// One deferred call while its frame is being left. Whatever it begins is left on the chain. A forced unwinding is caught by a
// reference to no object.
__attribute__((no_sanitize("null"))) void call_in_unwinding(G* gp, DeferredCall call, void* closure) {
  PanicRecord* const panic = running_panic(gp);
  auto* const token = reinterpret_cast<_Unwind_Exception*>(gp->exit_token);
  _Unwind_Exception_Cleanup_Fn swallowed = nullptr;
  try {
    call(closure, Recover(panic));
  } catch (const PanicUnwind& unwind) {
    unwind.arrive();
    PanicRecord* newer = top_panic(gp);
    for (PanicRecord* older = as_panic(newer->outer); older != nullptr; older = as_panic(older->outer)) {
      if (older->state == State::running) older->state = State::aborted;
    }
    return;
  } catch (abi::__forced_unwind&) {
    // goexit(): the unwinding that leaves the frame goes on to that end, and may itself be goexit's, of the
    // same token. Here the token is swallowed on purpose.
    settle(gp, State::done);
    swallowed = std::exchange(token->exception_cleanup, nullptr);
  }
  if (swallowed != nullptr) {
    token->exception_cleanup = swallowed;
    return;
  }
  if (panic != nullptr && panic->state == State::recovered) settle(gp, State::done);
}

}  // namespace

void gopanic_with(std::shared_ptr<const detail::PanicInfo> info) {
  G* gp = unwindable();
  if (gp == nullptr) die_of_panic(info->text);
  auto* panic = new PanicRecord;
  static_cast<Record&>(*panic) = {top(gp), Record::Kind::panic};
  panic->info = std::move(info);
  gp->panic = panic;
  note_registers(&panic->registers);
  if (!copy_stack(gp, panic)) _Unwind_Backtrace(note_frame, panic);
  throw PanicUnwind{};
}

void gopanic(std::string_view message) {
  if (unwindable() == nullptr) die_of_panic(message);
  std::string text(message);
  gopanic_with(std::make_shared<const detail::PanicInfo>(detail::PanicInfo{RuntimeError{text}, text}));
}

std::span<const uint64_t> frames_of(PanicRecord* panic) {
  if (panic->frames == 0 && panic->stack != nullptr) {
    panic->frames = unwind(panic->registers, panic->bounds, panic->pcs);
    ++panic->pcs[0];  // the instruction itself, the others are behind a call
  }
  return {panic->pcs, panic->frames};
}

PanicRecord* unrecovered(const G* gp) {
  PanicRecord* panic = top_panic(gp);
  return panic != nullptr && panic->state != State::done ? panic : nullptr;
}

std::string panic_text(const G* gp, std::string_view last) {
  std::string text(last);
  for (const Record* record = gp != nullptr ? top(gp) : nullptr; record != nullptr; record = record->outer) {
    if (record->kind != Record::Kind::panic) continue;
    const auto* panic = static_cast<const PanicRecord*>(record);
    if (panic->state == State::done) continue;
    const char* const note = panic->state == State::recovered ? " [recovered]" : "";
    text = panic->info->text + note + (text.empty() ? "" : "\n\tpanic: ") + text;
  }
  return text;
}

void drop_panics(G* gp) {
  while (PanicRecord* panic = top_panic(gp)) {
    gp->panic = panic->outer;
    delete panic;
  }
}

}  // namespace rt

// ---- what the inline part calls ------------------------------------------------------------------------

namespace detail {

void call_unwinding(rt::G* gp, Record* record, DeferredCall call, void* closure) {
  rt::remove_from_chain(gp, record);
  rt::call_in_unwinding(gp, call, closure);
}

void Boundary::remove() { rt::remove_from_chain(gp_, &record_); }

void Boundary::land(const PanicUnwind& unwind) {
  if (rt::unrecovered(gp_) != nullptr) throw;
  unwind.arrive();
  rt::drop_panics(gp_);
}

void PanicUnwind::swallowed() { rt::throw_("panic: a catch (...) did not rethrow"); }

std::string type_text(const std::type_info& type) {
  int status = 0;
  char* name = abi::__cxa_demangle(type.name(), nullptr, nullptr, &status);
  std::string text = std::string("(") + (status == 0 ? name : type.name()) + ")";
  std::free(name);
  return text;
}

}  // namespace detail

Panic Recover::recovered() const {
  if (panic_->state != rt::PanicRecord::State::running) return Panic();
  panic_->state = rt::PanicRecord::State::recovered;
  return Panic(panic_->info);
}

// ---- Defers --------------------------------------------------------------------------------------------

// Free records of one thread, as the reference keeps them on the P: no lock, and warm. What is more goes back
// to the heap.
struct Defers::Pool {
  static constexpr size_t kRoom = 64;
  static constexpr size_t kMost = 64;
  Deferred* first = nullptr;
  size_t count = 0;

  ~Pool() {
    while (Deferred* d = std::exchange(first, first == nullptr ? nullptr : first->next)) ::operator delete(d);
  }
  // Not inlined: the thread's part is found anew after every switch.
  [[gnu::noinline]] static Pool& of_this_thread() {
    thread_local Pool pool;
    asm volatile("");
    return pool;
  }
};

Defers::Deferred* Defers::get(size_t bytes) {
  if (bytes <= Pool::kRoom) {
    Pool& pool = Pool::of_this_thread();
    if (pool.first != nullptr) {
      --pool.count;
      return std::exchange(pool.first, pool.first->next);
    }
    bytes = Pool::kRoom;
  }
  auto* d = static_cast<Deferred*>(::operator new(sizeof(Deferred) + bytes));
  d->room = bytes;
  return d;
}

void Defers::put(Deferred* d) {
  Pool& pool = Pool::of_this_thread();
  if (d->room != Pool::kRoom || pool.count == Pool::kMost) return ::operator delete(d);
  d->next = pool.first;
  pool.first = d;
  ++pool.count;
}

// Off the list before it is called, so that whatever ends the call finds those that are left.
struct Defers::Running {
  Deferred* d;
  explicit Running(Deferred*& first) : d(std::exchange(first, first->next)) {}
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;
  ~Running() {
    d->destroy(d->closure());
    put(d);
  }
};

// The record stays until the list is empty: a call that panics leaves others that defer.
void Defers::run() {
  const bool quiet = gp_ == nullptr || (gp_->panic == &record_ && !gp_->exiting);
  try {
    while (quiet && first_ != nullptr) {
      const Running running(first_);
      running.d->call(running.d->closure(), Recover());
    }
  } catch (...) {  // also goexit(): what is left runs before it goes on
    run_unwinding();
    throw;
  }
  run_unwinding();
}

void Defers::run_unwinding() {
  while (first_ != nullptr) {
    const Running running(first_);
    rt::call_in_unwinding(gp_, running.d->call, running.d->closure());
  }
  if (gp_ != nullptr) rt::remove_from_chain(gp_, &record_);
}

}  // namespace reprise
