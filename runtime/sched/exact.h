// Preemption of counted code in controlled modes: the runtime's side of stage/preempt.h.
//
// The stage finds the instruction, records it and meets it again; here is what it asks (may this
// goroutine be switched out, how far away is the next preemption) and what a preempted goroutine does:
// it goes into the ready set like one whose slice is over.
//
// Thread safety: the thread that holds the P, and the baton with it.
#pragma once

#include <cstdint>

#include "runtime/stage/abi.h"

namespace reprise::rt {

// Lets counted code be preempted, if the program has any. g0, when the policy is there.
void exact_install(const stage::Table& table);

// The policy's answer, in the terms of stage::CountedCode::Distance: 64 random bits become a distance on
// every scale, from one tick to a million, each power of two as likely, since nobody knows how long what
// a program does between two of its mistakes takes; and up to 63 instructions behind the tick, likewise.
// A policy that answers Policy::kUnbounded leaves it to time.
stage::CountedCode::Distance distance_of(uint64_t bits);

}  // namespace reprise::rt
