// Verdicts with their reports: event, thread, expected and actual, and where in the program.
//
// Addresses are given as module+offset, so that the parent can symbolise them and that they mean
// the same in another run.
#include "runtime/stage/report.h"

#include <stddef.h>

#include "runtime/stage/halt.h"
#include "runtime/stage/hash.h"
#include "runtime/stage/maps.h"
#include "runtime/stage/model.h"
#include "runtime/stage/raw.h"
#include "runtime/stage/tape_reader.h"
#include "runtime/stage/text.h"

namespace reprise::stage {
namespace {

constexpr const char* kNames[] = {
#include "syscall_names.inc"
};

constexpr int kFrames = 24;

Text message() { return Text(control->message, sizeof control->message); }

void place(Text& out, uint64_t address) {
  char module[512];
  uint64_t offset;
  if (module_of(address, module, sizeof module, &offset)) {
    out << module << "+";
    out.hex(offset);
  } else {
    out.hex(address);
  }
}

void describe(Text& out, const Call& call) {
  out << kind_name(call.nr) << "(";
  const int n = model::argument_count(call.nr);
  for (int i = 0; i < n; ++i) {
    if (i) out << ", ";
    const auto value = static_cast<uint64_t>(call.args[i]);
    if (value < 10 || -value < 4096) {
      out << call.args[i];
    } else {
      out.hex(value);
    }
  }
  out << ")";
  char text[128];
  if (model::first_string(call, text, sizeof text)) out << " \"" << text << "\"";
  out << " [check ";
  out.hex(static_cast<uint32_t>(call.check)) << "] at ";
  place(out, call.ip);
}

void describe_preemption(Text& out, const Record& record) {
  const Bytes key = segment(&record, 0);
  if (record.segments != 1 || key.size != sizeof(tape::PreemptKey)) return;
  out << " at ";
  place(out, load64(key.at + offsetof(tape::PreemptKey, pc)));
}

void describe(Text& out, const Record& record) {
  if (record.kind == tape::kEnd) {
    out << "the end of the recording";
    return;
  }
  out << kind_name(record.kind) << " of thread " << uint32_t{record.thread} << " = " << record.value;
  if (record.kind == tape::kPreempt) describe_preemption(out, record);
  if (record.check == 0) return;  // the trace did not keep it
  out << " [check ";
  out.hex(record.check) << "]";
}

[[noreturn]] void diverge_with(const Thread& t, const Record* expected, void (*actual)(Text&, const void*),
                               const void* what) {
  Text out = message();
  out << "divergence at event " << control->events << ", thread " << t.index << "\n  expected: ";
  describe(out, *expected);
  out << "\n  actual:   ";
  actual(out, what);
  fail(Verdict::divergence, nullptr);
}

// Return addresses by frame pointers where they lead upwards on the stack, else whatever on the
// stack points behind a call in executable memory.
void backtrace(Text& out, const Call& call) {
  out << "\n  #0 ";
  place(out, call.ip);
  int frame = 1;
  for (uint64_t at = call.sp & ~7ull; frame < kFrames && at < call.sp + 16384; at += 8) {
    uint64_t value = 0;
    if (!guarded([&] { value = *reinterpret_cast<uint64_t*>(at); })) break;
    if (value >= tape::kProgramEnd || !executable(value)) continue;
    out << "\n  #" << frame++ << " ";
    place(out, value);
  }
}

}  // namespace

const char* kind_name(uint32_t kind) {
  switch (kind) {
    case tape::kStart: return "(start)";
    case tape::kSignalBefore: return "(signal before the next call)";
    case tape::kSignalAfter: return "(signal after the call)";
    case tape::kThreadStart: return "(thread start)";
    case tape::kClock: return "(clock)";
    case tape::kRdtsc: return "(rdtsc)";
    case tape::kRdrand: return "(rdrand)";
    case tape::kCpuid: return "(cpuid)";
    case tape::kCheckpoint: return "(checkpoint)";
    case tape::kGoroutine: return "(goroutine)";
    case tape::kMark: return "(mark)";
    case tape::kLeave: return "(leave)";
    case tape::kContinue: return "(continuation)";
    case tape::kChildOutput: return "(output of a child)";
    case tape::kMemory: return "(memory of a mapped file)";
    case tape::kPreempt: return "(preemption)";
    case tape::kEnd: return "(end)";
    default: break;
  }
  if (kind >= tape::kFirstDecision && kind <= tape::kLastDecision) return "(decision)";
  if (kind >= sizeof kNames / sizeof *kNames || !kNames[kind][0]) return "(unknown)";
  return kNames[kind];
}

void fail(Verdict verdict, const char* text) {
  if (text) message() << text;
  control->verdict = verdict;
  if (option(tape::kVerbose)) {
    Line line;
    line << "reprise-stage: ";
    say(line.text);
    say(control->message);
    say("\n");
  }
  if (verdict != Verdict::bad_start) halt();
  raw(SYS_exit_group, 70);
  __builtin_unreachable();
}

void diverge(const Thread& t, const Call& call, const Record* expected) {
  diverge_with(t, expected, [](Text& out, const void* what) { describe(out, *static_cast<const Call*>(what)); },
               &call);
}

void diverge(const Thread& t, uint16_t kind, uint32_t check, const Record* expected) {
  const Record actual = {kind, 0, static_cast<uint8_t>(t.index), check, 0};
  diverge_with(t, expected,
               [](Text& out, const void* what) {
                 auto* record = static_cast<const Record*>(what);
                 out << kind_name(record->kind) << " [check ";
                 out.hex(record->check) << "]";
               },
               &actual);
}

void diverge(const Thread& t, int signal, const siginfo_t* info, uint64_t ip, const Record* expected) {
  struct Fault {
    int signal;
    const siginfo_t* info;
    uint64_t ip;
  } fault = {signal, info, ip};
  diverge_with(t, expected,
               [](Text& out, const void* what) {
                 auto* f = static_cast<const Fault*>(what);
                 out << "the program faults: signal " << f->signal << " (" << f->info->si_code << ") at ";
                 place(out, f->ip);
                 out << ", address ";
                 out.hex(reinterpret_cast<uint64_t>(f->info->si_addr));
               },
               &fault);
}

void unmodelled(const Thread& t, const Call& call, const char* detail) {
  Text out = message();
  out << "system call " << kind_name(call.nr) << " (number " << static_cast<int64_t>(call.nr) << ")";
  if (detail) out << ": " << detail;
  if (call.nr == SYS_ioctl || call.nr == SYS_futex || call.nr == SYS_prctl) {
    out << " ";
    out.hex(static_cast<uint32_t>(call.args[call.nr != SYS_prctl]));
  }
  out << " is not modelled; event " << control->events << ", thread " << t.index;
  backtrace(out, call);
  fail(Verdict::unmodelled, nullptr);
}

void stuck(const Thread& t, const Call& call, const char* waiting) {
  Text out = message();
  out << "a loop that never gives way: no event for long after event " << control->events << ", thread "
      << t.index << " computes, " << waiting << "; let the loop yield, block or use atomics of Reprise's";
  backtrace(out, call);
  fail(live() ? Verdict::stuck : Verdict::cut_off, nullptr);
}

void reached(const Thread& t, const Call* call) {
  Text out = message();
  out << "stopped before event " << control->events << ", thread " << t.index << ", at ";
  if (call) {
    describe(out, *call);
    backtrace(out, *call);
  } else {
    describe(out, *peek());
  }
  fail(Verdict::reached, nullptr);
}

}  // namespace reprise::stage
