// DEFER, Defers, recovering: calls that run when a scope or a function is left, also by a panic.
//
//   void transfer(Ledger& ledger) {
//     reprise::recovering([&] {
//       DEFER { if (auto p = recover()) log(p.text()); };
//       DEFER { ledger.unlock(); };
//       …                                    // a panic in here: unlocked, logged, and recovering() returns
//     });
//   }
//
// DEFER { … }; runs its block when the enclosing scope is left: at its end, by return, by an exception, by
// goexit(), by a panic; the last deferred first, interleaved with destructors. (In Go it is the function
// that counts; here the scope, because the block refers to variables that go with it.) Its record lies in the
// frame; it costs two stores and two loads, and no allocation: the reference's open-coded defer. Defers
// is for loops and for calls that must wait for the end of the function: records come from a pool, and the
// closures own what they need.
//
// recover() exists inside a DEFER block, and nowhere else: it is the parameter `recover` of that block, so what
// the block calls cannot recover unless it is given it. It answers the panic that is running through the
// goroutine and stops it, once; at any other time a false Panic. A recovered panic goes on running the
// deferred calls between there and the innermost recovering(f), which then returns a value-initialised
// result (Go's function that returns zero values; write to captured variables for others). Without a
// recovering() the goroutine's own function returns.
//
// A deferred call may itself panic: the new one takes the place of the old. Thread safety: records belong to
// the goroutine that made them; on other threads DEFER is a plain guard. Deferred calls may block.
//
// The chain of records is the reference's g._defer and g._panic in one (reference, section 10).
#pragma once

#include <type_traits>
#include <utility>

#include <reprise/panic.h>

#include "runtime/sched/g_m_p.h"

namespace reprise {

namespace rt {
struct PanicRecord;
}

// Stops the panic that runs through the goroutine, see above. Valid as long as the deferred call runs.
class Recover {
 public:
  Recover() = default;
  explicit Recover(rt::PanicRecord* panic) : panic_(panic) {}
  Panic operator()() const { return panic_ != nullptr ? recovered() : Panic(); }

 private:
  Panic recovered() const;

  rt::PanicRecord* panic_ = nullptr;
};

namespace detail {

// One link of a goroutine's chain, innermost first. What defers and what recovers lies in frames.
struct Record {
  enum class Kind : uint8_t { deferred, boundary, panic };
  Record* outer;
  Kind kind;
};

// Thrown by a panic; says nothing itself, the chain does.
class PanicUnwind {
 public:
  PanicUnwind() = default;
  PanicUnwind(const PanicUnwind&) = delete;
  PanicUnwind& operator=(const PanicUnwind&) = delete;
  ~PanicUnwind() {
    if (!arrived_) swallowed();
  }
  void arrive() const { arrived_ = true; }

 private:
  [[noreturn]] static void swallowed();

  mutable bool arrived_ = false;
};

// The goroutine, read in one piece: a compiler may not keep the thread's part across a switch.
inline rt::G* this_goroutine() {
  rt::G* gp;
  asm volatile("movq reprise_tls_g@GOTTPOFF(%%rip), %0\n\tmovq %%fs:(%0), %0" : "=r"(gp));
  return gp;
}

inline void push(rt::G* gp, Record* record) {
  if (gp == nullptr) return;
  record->outer = static_cast<Record*>(gp->panic);
  gp->panic = record;
}

// True: `record` was innermost and nothing special goes on: it is off the chain.
inline bool pop_quietly(rt::G* gp, Record* record) {
  if (gp == nullptr) return true;
  if (gp->panic != record || gp->exiting) [[unlikely]] return false;
  gp->panic = record->outer;
  return true;
}

using DeferredCall = void (*)(void* closure, Recover recover);
// Takes `record` off the chain and makes the call while a panic or goexit() leaves the frame.
void call_unwinding(rt::G* gp, Record* record, DeferredCall call, void* closure);

template <class F>
class ScopeDefer {
 public:
  explicit ScopeDefer(F&& f) : fn_(std::move(f)) { push(gp_, &record_); }
  ScopeDefer(const ScopeDefer&) = delete;
  ScopeDefer& operator=(const ScopeDefer&) = delete;
  ~ScopeDefer() noexcept(false) {
    if (pop_quietly(gp_, &record_)) [[likely]] {
      fn_(Recover());
    } else {
      call_unwinding(gp_, &record_, [](void* fn, Recover recover) { (*static_cast<F*>(fn))(recover); }, &fn_);
    }
  }

 private:
  rt::G* const gp_ = this_goroutine();
  Record record_{nullptr, Record::Kind::deferred};
  F fn_;
};

struct Deferring {
  template <class F>
  ScopeDefer<F> operator+(F&& f) const {
    return ScopeDefer<F>(std::move(f));
  }
};

// What recovering() registers: here a recovered panic ends.
class Boundary {
 public:
  Boundary() { push(gp_, &record_); }
  Boundary(const Boundary&) = delete;
  Boundary& operator=(const Boundary&) = delete;
  ~Boundary() {
    if (!pop_quietly(gp_, &record_)) remove();
  }
  // In the handler: a panic arrived. Rethrows it unless it was recovered.
  void land(const PanicUnwind& unwind);
  // After the handler: goes on ending the goroutine if a deferred call asked for that meanwhile.
  void leave() {
    if (gp_ != nullptr && gp_->exiting) [[unlikely]] rt::goexit();
  }

 private:
  void remove();

  rt::G* const gp_ = this_goroutine();
  Record record_{nullptr, Record::Kind::boundary};
};

}  // namespace detail

// Calls f() and returns what it returns; after a recovered panic a value-initialised result.
template <class F>
std::invoke_result_t<F> recovering(F&& f) {
  using Result = std::invoke_result_t<F>;
  static_assert(std::is_void_v<Result> || std::is_default_constructible_v<Result>,
                "recovering() returns a value-initialised result after a recovered panic");
  detail::Boundary boundary;
  try {
    return std::forward<F>(f)();
  } catch (const detail::PanicUnwind& unwind) {
    boundary.land(unwind);
  }
  boundary.leave();
  return Result();
}

// The deferred calls of a function, in the order in which it comes to them: for loops.
//
//   reprise::Defers defers;
//   for (auto& file : files) defers([file] { file->close(); });
//
// They run when it is destroyed, the last first. A closure is kept until then, so it must not refer to
// variables that go earlier. It may take a Recover. Not for sharing between goroutines.
class Defers {
 public:
  Defers() { detail::push(gp_, &record_); }
  Defers(const Defers&) = delete;
  Defers& operator=(const Defers&) = delete;
  ~Defers() noexcept(false) {
    if (first_ == nullptr && detail::pop_quietly(gp_, &record_)) return;
    run();
  }

  template <class F>
  void operator()(F&& f) {
    using Fn = std::decay_t<F>;
    static_assert(alignof(Fn) <= kAlign, "a deferred closure is aligned as malloc aligns");
    Deferred* d = get(sizeof(Fn));
    struct Return {
      Deferred* d;
      ~Return() {
        if (d != nullptr) put(d);
      }
    } owned{d};
    new (d->closure()) Fn(std::forward<F>(f));
    owned.d = nullptr;
    d->call = [](void* closure, Recover recover) {
      auto& fn = *static_cast<Fn*>(closure);
      if constexpr (std::is_invocable_v<Fn&, Recover>) {
        fn(recover);
      } else {
        fn();
      }
    };
    d->destroy = [](void* closure) { static_cast<Fn*>(closure)->~Fn(); };
    d->next = first_;
    first_ = d;
  }

 private:
  static constexpr size_t kAlign = 16;
  // The reference's _defer. The closure follows it.
  struct alignas(kAlign) Deferred {
    Deferred* next;
    detail::DeferredCall call;
    void (*destroy)(void* closure);
    size_t room;
    void* closure() { return this + 1; }
  };
  struct Pool;
  struct Running;

  static Deferred* get(size_t bytes);  // from the pool if it is small
  static void put(Deferred* d);
  void run();
  void run_unwinding();

  rt::G* const gp_ = detail::this_goroutine();
  detail::Record record_{nullptr, detail::Record::Kind::deferred};
  Deferred* first_ = nullptr;
};

}  // namespace reprise

#define REPRISE_DEFER_NAME2(line, count) reprise_deferred_##line##_##count
#define REPRISE_DEFER_NAME(line, count) REPRISE_DEFER_NAME2(line, count)
#define DEFER                                                                          \
  const auto REPRISE_DEFER_NAME(__LINE__, __COUNTER__) = ::reprise::detail::Deferring{} + \
      [&]([[maybe_unused]] ::reprise::Recover recover)
