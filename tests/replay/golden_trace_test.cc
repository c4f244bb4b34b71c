// What the reader makes of preemptions and signals in the golden trace of the newest format, record by record. That the
// trace replays is tests/e2e/golden_test.py's; this names the record that is read differently, on any machine.
#include <gtest/gtest.h>

#include <cinttypes>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>

#include "replay/records.h"
#include "replay/trace_reader.h"

namespace reprise::trace {
namespace {

const std::string kGolden = REPRISE_GOLDEN "/4/preempted";

template <typename T>
T only_segment(const RecordView& record) {
  T value{};
  record.each_segment([&](int, Bytes bytes) {
    ASSERT_EQ(bytes.size(), sizeof value);
    std::memcpy(&value, bytes.data(), sizeof value);
  });
  return value;
}

std::string preemption(const RecordView& record) {
  const auto key = only_segment<tape::PreemptKey>(record);
  char line[200];
  std::snprintf(line, sizeof line,
                "preemption: tick %" PRId64 ", pc %" PRIx64 ", sp %" PRIx64 ", rcx %" PRIx64 ", flags %" PRIx64
                ", registers %016" PRIx64 "\n",
                record.head().value, key.pc, key.sp, key.rcx, key.flags, key.registers);
  return line;
}

std::string signal(const RecordView& record, const char* where) {
  const auto info = only_segment<siginfo_t>(record);
  char line[200];
  std::snprintf(line, sizeof line, "signal %s a call: %" PRId64 ", code %d, sender %d\n", where, record.head().value,
                info.si_code, info.si_code == SI_TKILL ? info.si_pid : 0);
  return line;
}

std::string line_of(const RecordView& record) {
  switch (record.head().kind) {
    case tape::kPreempt: return preemption(record);
    case tape::kSignalBefore: return signal(record, "before");
    case tape::kSignalAfter: return signal(record, "after");
    default: return "";
  }
}

TEST(GoldenTrace, preemptions_and_signals_are_read_as_they_were_recorded) {
  TraceReader reader;
  const Error failed = reader.open(kGolden + ".rpz");
  ASSERT_FALSE(failed) << failed.text();
  std::string lines;
  DecodedChunk chunk;
  for (bool more = true;;) {
    const Error broken = reader.next(chunk, &more);
    ASSERT_FALSE(broken) << broken.text();
    if (!more) break;
    RecordView record;
    for (Bytes rest = chunk.records; record.parse(rest); rest = rest.subspan(record.size())) lines += line_of(record);
  }
  std::istringstream actual(lines);
  std::ifstream expected(kGolden + ".records");
  std::string got, wanted;
  size_t line = 0;
  while (std::getline(expected, wanted)) {
    std::getline(actual, got);
    ++line;
    ASSERT_EQ(got, wanted) << "in line " << line;
  }
  EXPECT_FALSE(std::getline(actual, got)) << "too many: " << got;
  EXPECT_GT(line, 100u);
}

}  // namespace
}  // namespace reprise::trace
