// Which faults a simulated world may bring, as a mask, and its spelling on command lines; and how a run's
// tape::Control::options carry them.
//
// Pure functions, any thread. Read by tools and runtime alike.
#pragma once

#include <cstdint>
#include <string_view>

namespace reprise::seam {

// Each fault is a decision of kind `fault`; without its bit it is not even asked for.
enum FaultSet : uint32_t {
  kNoFaults = 0,
  kNetFaults = 1,        // short reads and writes, delays, resets, refused connects
  kPartitionFaults = 2,  // a connection or a connect of which nothing arrives any more
  kFileFaults = 4,       // short reads and writes, EINTR, ENOSPC, EIO
  kAllFaults = 7,
};

// "none", "all", or some of "net", "partition" and "file", separated by commas. False: anything else.
bool parse_faults(std::string_view text, uint32_t* set);

// ---- in Control::options, beside the bits of tape::Option ----

inline constexpr uint32_t kSimulatedWorld = 64;     // the program's network and files are its own
inline constexpr uint32_t kEndsStuck = 128;         // goroutines that wait for each other's locks end the run
inline constexpr uint32_t kSeesAllLeaks = 2048;     // when main returns, also those whom nobody of the others can wake
inline constexpr uint32_t kFaultsShift = 8;         // three bits of FaultSet
inline constexpr uint32_t kFaultRateShift = 16;     // how many faults happen, of 65,535 that could
// What a replay keeps of them.
inline constexpr uint32_t kWorldOptions =
    kSimulatedWorld | kEndsStuck | kSeesAllLeaks | kAllFaults << kFaultsShift | 0xffffu << kFaultRateShift;

constexpr uint32_t world_options(uint32_t faults, double rate) {
  return kSimulatedWorld | faults << kFaultsShift | static_cast<uint32_t>(rate * 0xffff) << kFaultRateShift;
}
constexpr uint32_t faults_of(uint32_t options) { return options >> kFaultsShift & kAllFaults; }
constexpr double fault_rate_of(uint32_t options) { return (options >> kFaultRateShift) / 65'535.0; }

}  // namespace reprise::seam
