// Source-level frames of this process, looked up once: goroutines of one kind wait at one place, and a
// report may be of thousands.
#include <map>
#include <utility>

#include "runtime/panic/dwfl_session.h"
#include "runtime/panic/traceback.h"

namespace reprise::rt {

void each_source_frame(uint64_t pc, bool exact, void (*f)(const SourceFrame&, void*), void* arg) {
  static auto& known = *new std::map<std::pair<uint64_t, bool>, std::vector<SourceFrame>>;
  auto [at, fresh] = known.try_emplace({pc, exact});
  if (fresh) at->second = source_frames(dwfl_session(), pc, exact);
  for (const SourceFrame& frame : at->second) f(frame, arg);
}

}  // namespace reprise::rt
