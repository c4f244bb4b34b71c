// The compiled lines of model.inc, for those who interpret them: model.cc (what a call reads and
// writes) and bounce.cc (where that is copied to). Everybody else asks model.h.
//
// Pure: constants of the build.
#pragma once

#include <linux/futex.h>

#include "runtime/stage/call.h"

namespace reprise::stage::model {

inline constexpr int kMaxItems = 5;
inline constexpr uint64_t kMaxVectors = 1024;  // IOV_MAX

// One item of a line; the letters are explained at the head of model.inc.
struct Item {
  uint8_t argument;
  char kind;
  uint8_t other;
  uint16_t n;
};
struct Entry {
  bool known = false;
  uint8_t arguments = 6;
  uint8_t flags = 0;
  uint8_t count = 0;
  Item items[kMaxItems] = {};
};

const Entry& entry(long nr);

inline int futex_command(const Call& call) { return call.args[1] & FUTEX_CMD_MASK; }

template <typename T>
T* pointer(uint64_t at) {
  return reinterpret_cast<T*>(at);
}

}  // namespace reprise::stage::model
