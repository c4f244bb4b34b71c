// The tape: the shared mapping through which a controlled program talks to the `reprise` parent.
//
// One file, mapped by both sides. A control page, then a ring of bytes. While recording, the
// program's stage is the producer and the parent (the scribe) the consumer; while replaying the
// parent produces and the stage consumes. The ring carries *records*: a fixed 16-byte head, then
// `segments` times { uint32_t length; bytes padded to 4 }, the whole padded to 8. The stage maps
// the ring twice in a row, so that a record never wraps for it.
//
// Thread safety: one producer and one consumer. The producer alone stores `written`, the consumer
// alone stores `read`; each publishes with release and reads the other's with acquire. Inside the
// program the baton makes the stage one producer whatever the number of threads. Whole records are
// published. A waiting scribe is woken when `wake_at` is reached, the ring is full, and at the end; the
// stage does not fence before it looks for waiters, so wait with a limit, and takes `consumer_waits`
// back when it wakes. A waiting stage is woken by whatever comes, and waits 100 ms at most.
//
// This header is read by freestanding code: nothing but fixed-size types.
#pragma once

#include <cstddef>
#include <cstdint>

namespace reprise::tape {

inline constexpr uint64_t kMagic = 0x3145'5041'545a'5052;  // "RPZTAPE1"
inline constexpr uint32_t kVersion = 3;

// Everything of ours lies from 0x7e80'0000'0000 up; everything of the program's below.
inline constexpr uint64_t kProgramEnd = 0x7e80'0000'0000;
inline constexpr uint64_t kStageBase = 0x7e90'0000'0000;
inline constexpr uint64_t kTapeBase = 0x7ea0'0000'0000;
inline constexpr uint64_t kThreadBase = 0x7eb0'0000'0000;  // the stage's per-thread blocks
inline constexpr uint64_t kRuntimeArena = 0x7ec0'0000'0000;  // malloc on g0
inline constexpr uint64_t kPolicyArena = 0x7ec8'0000'0000;   // malloc of policies
inline constexpr uint64_t kProgramArena = 0x7c80'0000'0000;  // malloc on goroutines and threads
inline constexpr uint64_t kStackArena = 0x7800'0000'0000;    // goroutine stacks

inline constexpr size_t kControlBytes = 64 << 10;
inline constexpr size_t kMinRingBytes = 4u << 20;  // a power of two, as every ring's
inline constexpr size_t kMaxRecordBytes = 1u << 20;  // a longer one goes on in kContinue records
inline constexpr uint64_t kCheckpointEvents = 512;  // records between two kCheckpoint

// What a run is. `off` is a forked child that left the tape.
enum class Mode : uint32_t { off = 0, run = 1, record = 2, replay = 3 };

// Record kinds. Below 0x400 the kind is a system call number, `check` a hash of its arguments and
// input bytes, `value` its result, the segments what the kernel wrote, in the model's order.
enum Kind : uint16_t {
  kFirstDecision = 0x400,  // + DecisionKind: value is the choice, or the 64 bits drawn
  kLastDecision = 0x41f,
  kStart = 0x420,         // segments: executable, interpreter, working directory, initial stack
                          // image, stage::StartState. One for each image: again after an exec
  kSignalBefore = 0x421,  // value: signal; segment: siginfo. Delivered before the next call of `thread`
  kSignalAfter = 0x422,   // delivered after the call just recorded
  kThreadStart = 0x423,   // value: thread id
  kClock = 0x424,         // check: clock id, and a unit of ClockUnit if not ns; value: the time
  kRdtsc = 0x425,         // value: the counter
  kRdrand = 0x426,        // value: the number
  kCheckpoint = 0x427,    // check: events so far, low bits; value: the fingerprint so far
  kGoroutine = 0x428,     // value: goid; segment: its parent's goid (0 the scheduler), spawn site
  kMark = 0x429,          // any deterministic event that the runtime wants compared: check, value
  kLeave = 0x42a,         // the program left the tape on purpose (exec refused, detach)
  kContinue = 0x42b,      // more bytes for segment `check` of the record before it: one segment;
                          // value: bytes of that segment still to come, these included
  kChildOutput = 0x42c,   // a child process, which has left the tape, wrote these bytes to the program's
                          // stdout (value 1) or stderr (2). The parent puts it, between the records
                          // of what the program had done and what it did after; no event
  kDecisions = 0x42d,     // up to eight decisions of `thread`, one after another. check: how many;
                          // value: a byte each, the first lowest, see packed(). On the tape of a
                          // recording only: the parent takes them apart, a trace holds none
  kMemory = 0x42e,        // value: address. What the program's call before wrote to a file appears there,
                          // in a shared mapping of that file
  kPreempt = 0x430,       // a goroutine was preempted between two instructions of counted code. value: ticks
                          // of counted code so far; segment: PreemptKey. Between the records of what
                          // the program did before and after
  kCpuid = 0x431,         // check: leaf and subleaf; value: two registers, eax and ebx of an execution of
                          // cpuid in one record, ecx and edx in the next (Option::kStrict)
  kEnd = 0x42f,           // value: wait status as waitpid gives it. Followed by nothing. The stage
                          // puts it and sets `finished`; where a signal ended the program before
                          // it could (`finished` is 0), the parent puts it
};

// Added to a clock id: what the program will not see is not recorded. For redis-server, which asks
// gettimeofday twice a request, the difference is half the trace.
enum ClockUnit : uint32_t { kMicroseconds = 0x40, kSeconds = 0x80 };

struct Record {
  uint16_t kind;
  uint8_t segments;
  uint8_t thread;   // index in order of creation, 0 the first
  uint32_t check;   // compared on replay
  int64_t value;    // imposed on replay
};
static_assert(sizeof(Record) == 16);

// Most decisions are small numbers, and records of 16 bytes that go through two processors' caches
// would be most of what they cost. So a recording packs those below 16, a byte each.
inline constexpr uint32_t kPackedDecisions = 8;
inline constexpr uint8_t kFirstUnpacked = 0xc0;  // no packed decision's byte is this or above
constexpr bool packable(uint16_t kind, int64_t value) {
  return kind >= kFirstDecision && kind < kFirstDecision + (kFirstUnpacked >> 4) && value >= 0 && value < 16;
}
constexpr uint8_t packed(uint16_t kind, int64_t value) {
  return static_cast<uint8_t>((kind - kFirstDecision) << 4 | value);
}
// The decision that a byte stands for, without its check.
constexpr Record unpacked(uint8_t byte, uint8_t thread) {
  return {static_cast<uint16_t>(kFirstDecision + (byte >> 4)), 0, thread, 0, byte & 15};
}

// A server decides once or twice between two system calls, so up to four decisions of `thread` ride on
// its next call's record: the kind has this bit, and in place of the check, which nobody keeps, stand
// their bytes, the first lowest, kNoDecision above the last. Only where the check is none that is kept.
inline constexpr uint16_t kWithDecisions = 0x8000;
inline constexpr uint32_t kCarriedDecisions = 4;
inline constexpr uint8_t kNoDecision = 0xff;
constexpr uint32_t carried(uint32_t bytes) {
  uint32_t count = 0;
  while (count < kCarriedDecisions && (bytes >> 8 * count & 0xff) != kNoDecision) ++count;
  return count;
}

// Checks are hashes and do not compress: kept in the trace they would be most of it. So the trace
// drops a check of kKeptCheck and above, and the checks of packed decisions, and a replay sees it as
// 0, which means: not kept, do not compare; but count the check that the replay computed into the
// fingerprint, as always. The next kCheckpoint then finds a wrong argument or output byte; a wrong
// kind, thread or small check is found at its record.
inline constexpr uint32_t kKeptCheck = 256;

// Where exactly a preemption falls: at this instruction, in the stretch of code between two ticks that
// the record's value names. Within it an instruction is executed once, but for recursion (another sp),
// iterations of a `rep` (another rcx) and cycles that no tick divides, such as those of `lock cmpxchg`
// (other registers).
struct PreemptKey {
  uint64_t pc, sp, rcx;
  uint64_t flags;      // arithmetic ones. Imposed, not compared: after a tick they depend on its counter,
                       // and nothing of the program reads them then
  uint64_t registers;  // hash of all others, vector registers included
};

// How the segment starts that names a mapped file (the first of an mmap that maps one, and the first
// two of kStart); the path follows, up to a NUL or the segment's end. The parent reads it to learn
// build ids.
struct MappedFile {
  uint32_t as_it_is;  // 1: replay maps the file itself. 2: a shared mapping of file number `head`
  uint32_t is_elf;
  uint64_t size;
  uint64_t head;      // the stage's business
};

// Options of a run, set by the parent before the stage starts.
enum Option : uint32_t {
  kHashMemory = 1,    // hash all writable memory of the program at its end
  kVerbose = 2,
  kReplayQuiet = 4,   // replay writes nothing to stdout and stderr
  kStrictClock = 8,   // trap rdtsc for ever, not only until clocks are read often
  kOtherFiles = 16,   // replay: map files though they are not the recorded ones
  kStrict = 32,       // trap cpuid, and let it deny what cannot be repeated; needs cpuid faulting
};

// Why the stage ended a run by itself; the parent turns it into a message and a status.
enum class Verdict : uint32_t {
  none = 0,         // the program ended by itself
  divergence = 1,   // replay: `message` holds expected and actual; exit 70
  unmodelled = 2,   // a system call that the World does not model; exit 70
  cut_off = 3,      // replay reached the end of an unfinished tape; exit 74
  broken = 4,       // an invariant of the stage failed
  bad_start = 5,    // the program could not be loaded; exit 64
  detached = 6,     // recording went on without a scribe
  reached = 7,      // replay: stopped at until_event; `message` holds where each thread is
  stuck = 8,        // a thread computed for long while others could have run; exit 70
};

// SIGSTKFLT: nothing on Linux sends it, so programs do not use it.
inline constexpr int kWatchdogSignal = 16;
enum WatchdogQuestion : uint32_t {
  kKeepsWaiting = 1,  // the thread has computed for long without an event: is somebody kept waiting?
  kEndRun = 2,        // the run's time is over: it ends here, whatever it does
};

// A fork server and its runs (runtime/stage/fork_server.h). The parent asks for one run after another, the
// program says how each went. Words before `run` belong to parent and stage, the others to the program.
struct Forks {
  uint32_t wanted;     // set by the parent before the start, with `read` so that kPrefixBytes are taken
  uint32_t reached;    // stage: the program came to its fork point and serves
  uint32_t asked;      // futex word: so many runs the parent has asked for
  uint32_t ended;      // futex word: one more than runs that the stage has seen the end of
  int32_t child;       // process id of the run, 0 if there is none
  int32_t wait_status; // of the last run that ended

  uint64_t run;        // parent: its index, for Policy::begin_run()
  uint64_t max_steps;  // parent: more steps end the run as a livelock; 0: no limit
  uint64_t prefix;     // parent: so many decisions, at prefix_of(), the run begins with
  uint64_t longest;    // steps of the longest run so far
  uint64_t steps;      // of this run so far, and at its end
  uint64_t behaviour;  // the same for runs that differ in the order of independent steps only
  uint32_t over;       // the policy has nothing left to explore; the run did not happen
  uint32_t outcome;    // 0: the program did not say, else 1 + seam::Outcome::Kind
  char message[1024];  // of the outcome, NUL-terminated
};

// The end of a fork server's ring is the parent's: decisions with which a run begins, as Records.
inline constexpr uint64_t kPrefixBytes = 1u << 20;
inline constexpr uint64_t kMostPrefix = kPrefixBytes / sizeof(Record);

// Offset 0 of the tape file.
struct Control {
  uint64_t magic;
  uint32_t version;
  Mode mode;
  uint32_t options;
  int32_t parent_pid;  // the scribe; gone means: go on without it
  uint64_t ring_bytes;
  char policy[256];    // catalog name or path of a shared object
  uint64_t seed;
  uint64_t until_event;  // replay: stop there; ~0 for never

  alignas(64) uint64_t written;      // bytes ever produced; atomic, producer stores
  uint32_t written_seq;              // futex word, bumped by the producer if `consumer_waits`
  uint32_t consumer_waits;
  uint32_t finished;                 // producer: nothing more will come
  uint64_t wake_at;                  // recording: how much has to be written; scribe stores
  alignas(64) uint64_t read;         // bytes ever consumed; atomic, consumer stores
  uint32_t read_seq;                 // futex word, bumped by the consumer if `producer_waits`
  uint32_t producer_waits;
  uint32_t detached;                 // the consumer is gone; the producer drops

  alignas(64) uint64_t events;       // records so far; stage stores
  uint64_t fingerprint;              // over every record, argument hash and output byte
  uint64_t memory_hash;              // at the end, if kHashMemory
  uint64_t input_bytes;              // bytes in segments
  // Recording: a kDecisions record in the making, which a killed program leaves here. The stage
  // stores it; it counts only if packed_at is `written`, since it is not in the ring then.
  Record packed;
  uint64_t packed_at;
  Verdict verdict;
  int32_t exit_status;               // as the program gave it, -1 before
  uint32_t final;                    // 1: fingerprint and memory_hash are of the end of the run
  char message[8192];                // one line or a report, NUL-terminated

  // Replay: where executables and libraries are looked for first, as root + recorded path. Set by
  // the parent for a packed trace, else empty.
  char file_root[1024];

  // Set by the parent, to a WatchdogQuestion, just before it sends kWatchdogSignal to a thread; cleared
  // by the stage when it has looked.
  uint32_t watchdog_asks;

  // Output of child processes while recording (replay/child_output.h). The parent fills `child_pipe`
  // and `child_stream` before the stage starts; all zero: children keep the program's own streams.
  struct ChildStream {
    uint64_t device, inode;  // what the program's stdout or stderr is
    uint64_t taken;          // bytes that the parent took from the pipe and wrote; parent stores
    uint32_t closed;         // parent: nobody reads what is written any more
  };
  int32_t child_pipe[2];     // write ends for stdout, stderr, the same number if both are one file; stage
                             // stores where it moved them
  uint32_t had_children;     // stage: there may be somebody who writes to the pipes
  uint32_t output_lock;      // whoever holds it alone writes to stdout and stderr (output_lock.h)
  uint32_t output_seq;       // futex word, bumped by the parent after it wrote
  ChildStream child_stream[2];

  // The stage halts before it ends a run by a verdict of its own, so that the parent can look at the
  // program's memory: with `halt_wanted`, set by the parent before the start, it fills what follows,
  // sets `halted`, and waits (on the futex word) until the parent has stored 0 there or is gone.
  uint32_t halt_wanted;
  uint32_t halted;
  uint64_t halt_registers[17];  // of the stage's frame, by DWARF number: 3 rbx, 6 rbp, 7 rsp, 12 to
                                // 15, 16 rip; call frame information leads on into the program
  uint64_t goroutines;          // address of the program's seam::GoroutineList, 0 if it has none

  uint64_t slice_ns;  // live, set by the parent: how long a goroutine runs counted code before it is
                      // preempted, under policies that leave that to time

  Forks forks;
};
static_assert(sizeof(Control) <= kControlBytes);

// In the program.
inline const Record* prefix_of(const Control& control) {
  return reinterpret_cast<const Record*>(kTapeBase + kControlBytes + control.ring_bytes - kPrefixBytes);
}

}  // namespace reprise::tape
