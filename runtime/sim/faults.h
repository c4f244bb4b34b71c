// Faults: what the simulated world may do to a call, chosen by the policy.
//
// A call names the faults that could befall it, the policy picks one or none. The default of the
// decision is none, so that a shrunk schedule has only the faults that its failure needs.
//
// Thread safety: the world's.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <iterator>

namespace reprise::sim {

enum class Fault : uint8_t {
  none,
  one_byte,   // a read or write of one byte
  half,       // of half of what it could be
  delay_1ms,  // what was sent arrives so much later
  delay_1s,
  reset,      // the connection is reset by the other side's machine
  refuse,     // a connect is refused
  silence,    // nothing of this connection arrives any more, in both directions
  interrupt,  // EINTR
  no_space,   // ENOSPC
  io_error,   // EIO
};
constexpr const char* name_of(Fault fault) {
  constexpr const char* kNames[] = {"none",  "one byte", "half",    "delay of 1 ms", "delay of 1 s", "reset",
                                    "refused", "silence",  "EINTR", "ENOSPC",        "EIO"};
  return static_cast<uint8_t>(fault) < std::size(kNames) ? kNames[static_cast<uint8_t>(fault)] : "unknown";
}

// Which faults are asked for: bits of seam::FaultSet.
void use_faults(uint32_t set);

// The policy's pick. Fault::none without a decision if none of the faults is of the set in use.
Fault choose_fault(std::initializer_list<Fault> possible);

// True: fewer bytes than `size` are to be transferred, *size says how many.
bool cut_short(Fault fault, uint64_t* size);

}  // namespace reprise::sim
