// Stands in for the stage in tests of the scribe: a child that speaks the tape's protocol, and
// nothing else. It runs no program and is never installed.
//
//   fake_stage TAPE_FD REPORT_FD SEED COUNT LARGEST END
//
// record: puts the COUNT random records of SEED. replay: compares what comes with them as a trace
// keeps them; exits 70 at a difference. END: exit code, or "kill N": that signal to itself.
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <string>

#include "tests/support/random_tape.h"

namespace {

using namespace reprise;

tape::Control* control;
std::byte* ring;

template <typename T>
std::atomic_ref<T> shared(T& word) { return std::atomic_ref<T>(word); }

void sleep_on(uint32_t& word, uint32_t value) {
  timespec limit{0, 100'000'000};
  syscall(SYS_futex, &word, FUTEX_WAIT, value, &limit, nullptr, 0);
}

void wake(uint32_t& word) {
  shared(word).fetch_add(1);
  syscall(SYS_futex, &word, FUTEX_WAKE, 1, nullptr, nullptr, 0);
}

bool map(int fd) {
  int protection = PROT_READ | PROT_WRITE;
  void* p = mmap(nullptr, tape::kControlBytes, protection, MAP_SHARED, fd, 0);
  if (p == MAP_FAILED) return false;
  control = static_cast<tape::Control*>(p);
  size_t size = control->ring_bytes;
  ring = static_cast<std::byte*>(mmap(nullptr, 2 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  for (size_t half : {size_t{0}, size}) {
    mmap(ring + half, size, protection, MAP_SHARED | MAP_FIXED, fd, tape::kControlBytes);
  }
  return control->magic == tape::kMagic;
}

void put(const trace::RecordView& record) {
  uint64_t at = control->written;
  while (control->ring_bytes - (at - shared(control->read).load()) < record.size()) {
    uint32_t seq = shared(control->read_seq).load();
    shared(control->producer_waits).store(1);
    if (control->ring_bytes - (at - shared(control->read).load()) < record.size()) {
      sleep_on(control->read_seq, seq);
    }
    shared(control->producer_waits).store(0);
  }
  std::memcpy(ring + (at & (control->ring_bytes - 1)), record.whole().data(), record.size());
  shared(control->written).store(at + record.size());
  shared(control->events).store(control->events + 1);
}

// Waits for a record at `at`. False: nothing will come.
bool wait_for(uint64_t at) {
  while (shared(control->written).load() == at) {
    uint32_t seq = shared(control->written_seq).load();
    bool finished = shared(control->finished).load() != 0;
    if (finished && shared(control->written).load() == at) return false;
    shared(control->consumer_waits).store(1);
    if (shared(control->written).load() == at) sleep_on(control->written_seq, seq);
    shared(control->consumer_waits).store(0);
  }
  return true;
}

bool same_as_next(const trace::RecordView& expected) {
  uint64_t at = control->read;
  if (!wait_for(at)) return false;
  const std::byte* p = ring + (at & (control->ring_bytes - 1));
  bool same = std::memcmp(p, expected.whole().data(), expected.size()) == 0;
  shared(control->read).store(at + expected.size());
  if (shared(control->producer_waits).load()) wake(control->read_seq);
  shared(control->events).store(control->events + 1);
  return same;
}

void fail(tape::Verdict verdict, const char* text) {
  control->verdict = verdict;
  std::strcpy(control->message, text);
  _exit(70);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 7 || !map(std::atoi(argv[1]))) return 1;
  auto records = test::random_records(std::strtoull(argv[3], nullptr, 0), std::strtoul(argv[4], nullptr, 0),
                                      std::strtoul(argv[5], nullptr, 0));
  bool recording = control->mode != tape::Mode::replay;
  if (!recording) records = test::as_kept(records);
  trace::RecordView record;
  for (trace::Bytes rest = records; record.parse(rest); rest = rest.subspan(record.size())) {
    if (recording) put(record);
    else if (!same_as_next(record)) fail(tape::Verdict::divergence, "a record differs");
  }
  std::string end = argv[6];
  if (!recording && wait_for(control->read) && end[0] != 'k') fail(tape::Verdict::divergence, "more records");
  if (end[0] == 'k') {
    kill(getpid(), std::atoi(end.c_str() + 5));
    pause();
  }
  shared(control->finished).store(1);
  return std::atoi(end.c_str());
}
