// Events: the one place where record and replay meet.
//
// Invariant: for the same program both modes call count_record() for the same sequence, which is
// what makes fingerprint and event numbers comparable. Nothing is consumed before it was compared.
#include "runtime/stage/events.h"

#include <errno.h>

#include "runtime/stage/bounce.h"
#include "runtime/stage/child_output.h"
#include "runtime/stage/maps.h"
#include "runtime/stage/model.h"
#include "runtime/stage/outputs.h"
#include "runtime/stage/preempt.h"
#include "runtime/stage/raw.h"
#include "runtime/stage/report.h"
#include "runtime/stage/shared_files.h"
#include "runtime/stage/signals.h"
#include "runtime/stage/tape_map.h"
#include "runtime/stage/text.h"
#include "runtime/stage/vfork.h"

extern "C" long stage_interruptible(long nr, long a0, long a1, long a2, long a3, long a4, long a5,
                                    const volatile int* pending);

namespace reprise::stage {
namespace {

void final_hashes(int wait_status) {
  preempt_settle();
  if (option(tape::kHashMemory)) control->memory_hash = hash_memory();
  const bool exited = (wait_status & 0x7f) == 0;
  control->exit_status = exited ? wait_status >> 8 & 0xff : -1;
  control->final = 1;
}

// The recording ends here: by a signal that came from outside, or because it was cut off.
[[noreturn]] void end_of_tape(const Record* end) {
  const int status = static_cast<int>(end->value);
  if (end->value >= 0 && (status & 0x7f) != 0) {
    final_hashes(status);
    die_by_signal(status & 0x7f);
  }
  Line line;
  line << "the recording was cut off after event " << control->events;
  fail(Verdict::cut_off, line.text);
}

bool brings_own_mask(const Call& call) {
  switch (call.nr) {
    case SYS_rt_sigsuspend: return true;
    case SYS_ppoll: return call.args[3];
    case SYS_pselect6: return call.args[5];
    case SYS_epoll_pwait:
    case SYS_epoll_pwait2: return call.args[4];
    default: return false;
  }
}

// A signal that came before the call was entered, or that interrupted a call which SA_RESTART
// makes run again: it counts as before the call, and nothing is recorded of this attempt.
bool counts_as_not_entered(Thread& t, const Call& call, long result) {
  if (result == kMustTrap) return true;
  return result == -EINTR && t.pending && model::restarts(call.nr) && first_signal_restarts(t);
}

// With the baton put down, unless it has to be kept.
long ask_kernel(Thread& t, const Call& call, const long* a, bool keeps_baton) {
  t.own_mask = brings_own_mask(call);
  const bool left = !keeps_baton && baton_leave();
  long result;
  do {
    result = stage_interruptible(call.nr, a[0], a[1], a[2], a[3], a[4], a[5], &t.pending);
  } while (slice_interrupted(t) && result == -EINTR && !t.pending);
  if (left) baton_take();
  t.own_mask = false;
  return result;
}

// What the program has been told of a child's end, it may act on: the child's output comes before.
bool tells_of_child(const Call& call, long result) {
  return result >= 0 && (call.nr == SYS_wait4 || call.nr == SYS_waitid);
}

long perform_blocking(Thread& t, const Call& call, const model::Before& before) {
  const OutputTurn turn(call);
  const Bounce bounce(t, call);
  const long asked = ask_kernel(t, call, bounce.args(), changes_mapped_file(call));
  if (counts_as_not_entered(t, call, asked)) return kMustTrap;
  Segment segments[model::kMaxSegments];
  int count;
  const long result = bounce.finish(asked, before, segments, &count);
  if (tells_of_child(call, result)) await_child_output();
  put(t, call.nr, call.check, result, segments, count);
  return result;
}

long perform_plain(Thread& t, const Call& call, const model::Before& before) {
  if (model::blocks(call)) return perform_blocking(t, call, before);
  const long* a = call.args;
  const long result = raw6(call.nr, a[0], a[1], a[2], a[3], a[4], a[5]);
  Segment segments[model::kMaxSegments];
  const int count = model::outputs(call, result, before, segments);
  put(t, call.nr, call.check, result, segments, count);
  return result;
}

long impose_plain(Thread& t, const Call& call, const model::Before& before) {
  const Record* record = expect(t, call, model::blocks(call));
  const long result = record->value;
  Segment places[model::kMaxSegments];
  const int count = model::outputs(call, result, before, places);
  if (count != record->segments) diverge(t, call, record);
  if (!take_segments(places, count, call.check)) {
    fail(Verdict::broken, "a record of the tape is longer than its place in the program");
  }
  return result;
}

}  // namespace

const Record* turn(Thread& t, bool may_block) {
  const Record* next = peek();
  if (next->kind == tape::kEnd) end_of_tape(next);
  if (next->thread == t.index || !may_block) return next;
  owner_pass();
  owner_wait(t.index);
  next = peek();
  if (next->kind == tape::kEnd) end_of_tape(next);
  return next;
}

const Record* expect(Thread& t, const Call& call, bool may_block) {
  if (control->events >= control->until_event) reached(t, &call);
  const Record* next = turn(t, may_block);
  if (next->kind != call.nr || next->thread != t.index || !check_agrees(next, call.check)) {
    diverge(t, call, next);
  }
  return next;
}

const Record* expect(Thread& t, uint16_t kind, uint32_t check) {
  if (control->events >= control->until_event) reached(t, nullptr);
  const Record* next = turn(t, false);
  if (next->kind != kind || next->thread != t.index || !check_agrees(next, check)) {
    diverge(t, kind, check, next);
  }
  return next;
}

int64_t next_value(const Thread& t, const Call& call) {
  const Record* next = peek();
  return next->kind == call.nr && next->thread == t.index ? next->value : 0;
}

long settled(Thread& t, const Call& call, long result) {
  if (live()) {
    put(t, call.nr, call.check, result);
    return result;
  }
  const Record* record = expect(t, call, false);
  if (record->value != result) diverge(t, call, record);
  advance(call.check);
  return result;
}

long plain(Thread& t, Call& call) {
  const model::Before before = model::before(call);
  const long result = live() ? perform_plain(t, call, before) : impose_plain(t, call, before);
  if (result >= 0) follow_descriptors(call, result);
  follow_file_writes(t, call, result);
  if (!live()) replay_output(call, result);
  return result;
}

int64_t note(Thread& t, uint16_t kind, uint32_t check, int64_t value) {
  if (live()) {
    put_number(t, kind, check, value);
    return value;
  }
  value = expect(t, kind, check)->value;
  advance(check);
  return value;
}

void note_bytes(Thread& t, uint16_t kind, uint32_t check, int64_t value, const void* bytes, uint32_t size) {
  if (live()) {
    const Segment segment = {reinterpret_cast<uint64_t>(bytes), size};
    return put(t, kind, check, value, &segment, 1);
  }
  const Record* record = expect(t, kind, check);
  const Bytes recorded = segment(record, 0);
  const bool same = record->value == value && recorded.size == size && memcmp(recorded.at, bytes, size) == 0;
  if (!same) diverge(t, kind, check, record);
  advance(check);
}

// kEnd is not an event: where a signal ended the program it is the parent's. A recording that was
// cut off in its last instant has no kEnd, and nothing else there either.
void finish(Thread& t, int wait_status) {
  if (t.vforked) return vforked_ends(t);
  if (!live()) {
    const Record* end = peek();
    if (end->kind != tape::kEnd) diverge(t, tape::kEnd, 0, end);
  }
  final_hashes(wait_status);
  if (live()) put_end(t, wait_status);
}

}  // namespace reprise::stage
