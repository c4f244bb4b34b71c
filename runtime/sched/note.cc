// Notes: words of note_word.h over the kernel's futexes.
#include "runtime/sched/note.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>

#include "runtime/sched/note_word.h"
#include "runtime/sys/syscall.h"

namespace reprise::rt {

namespace {

constexpr int64_t kSecond = 1'000'000'000;

struct Kernel {
  const timespec* limit = nullptr;
  void wait(Note& note, uint32_t value) {
    sys::call(SYS_futex, &note, FUTEX_WAIT_PRIVATE, value, limit, nullptr, 0);
  }
  void wake(Note& note) {
    sys::call(SYS_futex, &note, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
  }
};

}  // namespace

void note_sleep(Note* note) {
  Kernel kernel;
  note_word_sleep(*note, kernel);
}

bool note_sleep_for(Note* note, int64_t limit_ns) {
  const timespec limit{limit_ns / kSecond, limit_ns % kSecond};
  Kernel kernel{&limit};
  return note_word_sleep_once(*note, kernel);
}

void note_wakeup(Note* note) {
  Kernel kernel;
  note_word_wakeup(*note, kernel);
}

}  // namespace reprise::rt
