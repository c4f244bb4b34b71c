// REPRISE_UNCOUNTED: leaves a function out of the counted flavour.
//
// Counted code (`reprise_instrument(target COUNTED)` in CMake) has a tick at every function entry and
// loop back edge, by which a goroutine can be preempted at any instruction and the run still replays
// exactly. A function marked REPRISE_UNCOUNTED has none, is not inlined, and is never interrupted; a
// loop in it runs to its end whatever the policy wants. Meant for ifunc resolvers, which run before
// anything is set up, and for inner loops that have been measured to need it.
//
//     REPRISE_UNCOUNTED uint64_t checksum(std::span<const uint64_t> words);
//
// Where a unit is not counted the macro only keeps the function from being inlined.
#pragma once

#if defined(REPRISE_COUNTED) && defined(__clang__)
#define REPRISE_UNCOUNTED [[gnu::noinline, clang::annotate("reprise_uncounted")]]
#elif defined(REPRISE_COUNTED)
#define REPRISE_UNCOUNTED [[gnu::noinline, gnu::reprise_uncounted]]
#else
#define REPRISE_UNCOUNTED [[gnu::noinline]]
#endif
