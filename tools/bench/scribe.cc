// scribe TRACE [ROUNDS]: what the scribe's half of recording costs, without a program and without a
// second processor. The records of TRACE are laid out in memory as a recording puts them on the tape, and
// written to a trace ROUNDS (20) times, in the pieces in which a live scribe finds them. Prints CPU time
// of the quickest round and of the median one. What a live scribe pays on top is fetching the records from
// another processor's cache, and waking up. Under `valgrind --tool=callgrind --toggle-collect='*write_once*'`
// one round shows where the instructions go.
#include <fmt/format.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "replay/records.h"
#include "replay/scribe.h"
#include "replay/trace_reader.h"
#include "replay/trace_writer.h"

namespace {

using namespace reprise;

[[noreturn]] void stop(const std::string& why) {
  fmt::print(stderr, "scribe: {}\n", why);
  std::exit(1);
}

void must(const trace::Error& error) {
  if (error) stop(error.text());
}

// A tape of records, with small decisions packed as a stage does (runtime/stage/tape_writer.cc). The
// checks that a trace does not keep become numbers that it does not keep either.
class Tape {
 public:
  void add(const trace::RecordView& record) {
    tape::Record head = record.head();
    decisions_ += trace::is_decision(head.kind);
    ++records_;
    if (tape::packable(head.kind, head.value)) return pack(head);
    const bool call = head.kind < tape::kFirstDecision;
    if (call && head.check == 0) head.check = tape::kKeptCheck;
    carry(head);
    std::vector<trace::Bytes> segments;
    record.each_segment([&](int, trace::Bytes bytes) { segments.push_back(bytes); });
    put(head, segments);
  }
  void end() { flush(); }

  const std::vector<std::byte>& bytes() const { return bytes_; }
  uint64_t records() const { return records_; }
  uint64_t decisions() const { return decisions_; }

 private:
  void put(const tape::Record& head, std::span<const trace::Bytes> segments) {
    trace::append_record(bytes_, head, segments);
  }
  void pack(const tape::Record& head) {
    if (pack_.check != 0 && pack_.thread != head.thread) flush();
    if (pack_.check == 0) pack_ = {tape::kDecisions, 0, head.thread, 0, 0};
    pack_.value |= static_cast<int64_t>(uint64_t{tape::packed(head.kind, head.value)} << 8 * pack_.check);
    if (++pack_.check == tape::kPackedDecisions) flush();
  }
  void carry(tape::Record& head) {
    const bool can = head.kind < tape::kFirstDecision && head.check >= tape::kKeptCheck && pack_.check > 0 &&
                     pack_.check <= tape::kCarriedDecisions && pack_.thread == head.thread;
    if (!can) return flush();
    head.kind |= tape::kWithDecisions;
    head.check = static_cast<uint32_t>(static_cast<uint64_t>(pack_.value) | ~0ull << 8 * pack_.check);
    pack_.check = 0;
  }
  void flush() {
    if (pack_.check != 0) put(pack_, {});
    pack_.check = 0;
  }

  std::vector<std::byte> bytes_;
  tape::Record pack_{};
  uint64_t records_ = 0, decisions_ = 0;
};

Tape tape_of(trace::TraceReader& reader) {
  Tape tape;
  trace::DecodedChunk chunk;
  for (bool more = true;;) {
    must(reader.next(chunk, &more));
    if (!more) break;
    trace::RecordView record;
    for (trace::Bytes rest = chunk.records; record.parse(rest); rest = rest.subspan(record.size())) tape.add(record);
  }
  tape.end();
  return tape;
}

uint64_t cpu_ns() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(t.tv_nsec);
}

struct Round {
  uint64_t ns, bytes;
};

[[gnu::noinline]] Round write_once(const Tape& tape, const trace::Header& header, const std::string& path) {
  trace::TraceWriter writer;
  must(writer.open(path));
  must(writer.begin(header));
  const uint64_t start = cpu_ns();
  writer.limit_chunks(trace::kRingBytes / 2);
  uint64_t position = 0;
  for (trace::Bytes rest = tape.bytes(); !rest.empty(); rest = trace::Bytes(tape.bytes()).subspan(position)) {
    if (writer.due()) must(writer.flush());
    position += writer.take(rest, position);
  }
  must(writer.flush());
  const Round round{cpu_ns() - start, writer.file_bytes()};
  writer.discard();
  return round;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) stop("usage: scribe TRACE [ROUNDS]");
  const int rounds = argc > 2 ? std::max(1, std::atoi(argv[2])) : 20;
  trace::TraceReader reader;
  must(reader.open(argv[1]));
  const Tape tape = tape_of(reader);
  const std::string path = fmt::format("{}.bench-{}", argv[1], getpid());
  std::vector<uint64_t> took;
  uint64_t bytes = 0;
  for (int i = 0; i < rounds; ++i) {
    const Round round = write_once(tape, reader.header(), path);
    took.push_back(round.ns);
    bytes = round.bytes;
  }
  std::ranges::sort(took);
  const auto each = [](uint64_t ns, uint64_t count) { return static_cast<double>(ns) / static_cast<double>(std::max<uint64_t>(count, 1)); };
  fmt::print("{} records, {} decisions, {} bytes of tape, {} of trace; CPU a record {:.1f} ns (median {:.1f}), a decision {:.1f} ns\n",
             tape.records(), tape.decisions(), tape.bytes().size(), bytes, each(took.front(), tape.records()),
             each(took[took.size() / 2], tape.records()), each(took.front(), tape.decisions()));
  return 0;
}
