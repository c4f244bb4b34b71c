// The untyped channel as the typed headers see it. Programs use <reprise/chan.h>.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace reprise::rt {

struct hchan;

// How the untyped core treats the elements of a channel. `relocate` builds *dst, which is raw
// storage, from *src and leaves *src raw; null means a copy of the bytes. `destroy` null means
// that there is nothing to destroy. Both run under the channel's lock: they must not call back
// into the runtime. <reprise/chan.h> boxes every element that might.
struct ElemType {
  size_t size;  // 0 for elements without state
  size_t align;
  void (*relocate)(void* dst, void* src) noexcept;
  void (*destroy)(void* elem) noexcept;
};

// A new channel with one reference. Panics if size is negative or too large.
hchan* makechan(const ElemType* elemtype, int64_t size);
void chan_retain(hchan* c);
void chan_release(hchan* c);  // the last one destroys what was never received; null is ignored

// c <- *ep. True: *ep was relocated away. Panics if c is closed. Blocks the goroutine, unless
// block is false: then false means that nobody was ready, and *ep is untouched.
bool chansend(hchan* c, void* ep, bool block);

struct RecvResult {
  bool selected;  // false only for block == false and nobody ready
  bool received;  // *ep holds an element; false: c is closed and empty, *ep untouched
};
// *ep = <-c, into raw storage. Blocks the goroutine unless block is false.
RecvResult chanrecv(hchan* c, void* ep, bool block);

// A select of one case and a default (the reference's names): chanrecv and chansend that do not block.
RecvResult selectnbrecv(hchan* c, void* ep);
bool selectnbsend(hchan* c, void* ep);

void closechan(hchan* c);  // panics if c is null or closed
int64_t chanlen(hchan* c);
int64_t chancap(const hchan* c);

// One case of a select. A null channel is never ready.
struct scase {
  hchan* c;
  void* elem;
  bool is_send;
};
struct SelectResult {
  int index;      // -1: block was false and nothing was ready
  bool received;  // for a receive: as RecvResult's
};
// Carries out one ready case, chosen among all that are ready in one instant; waits for one if
// block is true. Panics if the chosen case sends on a closed channel.
SelectResult selectgo(std::span<scase> cases, bool block);
// The same with a limit: index -2 if none became ready within timeout_ns.
SelectResult selectgo_timeout(std::span<scase> cases, int64_t timeout_ns);
inline constexpr int kSelectDefault = -1;
inline constexpr int kSelectTimeout = -2;

}  // namespace reprise::rt
