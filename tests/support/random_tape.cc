// Random tapes. The mix is skewed to what programs do (few shapes, small values) with a tail of
// everything else, because encodings are chosen by what dominates.
#include "tests/support/random_tape.h"

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "replay/frame.h"
#include "replay/trace_reader.h"
#include "replay/trace_writer.h"

namespace reprise::test {

uint64_t Random::next() {  // splitmix64
  uint64_t z = state_ += 0x9e37'79b9'7f4a'7c15u;
  z = (z ^ z >> 30) * 0xbf58'476d'1ce4'e5b9u;
  z = (z ^ z >> 27) * 0x94d0'49bb'1331'11ebu;
  return z ^ z >> 31;
}

namespace {

int64_t random_value(Random& random) {
  uint64_t v = random.next() >> random.below(64);
  return static_cast<int64_t>(random.below(4) == 0 ? 0 - v : v);
}

std::vector<std::byte> random_bytes(Random& random, size_t size) {
  std::vector<std::byte> out(size);
  uint64_t pattern = random.next();
  for (size_t i = 0; i < size; ++i) {
    out[i] = static_cast<std::byte>(pattern >> (i % 8 * 8) ^ (random.below(16) == 0 ? random.next() : 0));
  }
  return out;
}

tape::Record random_head(Random& random) {
  static constexpr uint16_t kCommon[] = {0, 1, 232, 202, 0x400, 0x402, tape::kClock, tape::kStart};
  tape::Record head{};
  head.kind = random.below(4) != 0 ? kCommon[random.below(8)]
                                   : static_cast<uint16_t>(random.below(tape::kEnd + 1));
  if (head.kind == tape::kDecisions) head.kind = tape::kMark;  // what is packed is not kept as it is
  head.thread = static_cast<uint8_t>(random.below(8) == 0 ? random.below(255) : random.below(2));
  head.check = static_cast<uint32_t>(random.below(4) == 0 ? random.below(300) : random.next());
  head.value = random.below(2) == 0 ? static_cast<int64_t>(random.below(50)) : random_value(random);
  return head;
}

size_t random_length(Random& random, const tape::Record& head, size_t largest) {
  if (random.below(3) == 0 && head.value >= 0 && head.value < 4096) {
    return static_cast<size_t>(head.value) * (1 + random.below(2));
  }
  if (random.below(50) == 0) return random.below(largest + 1);
  return random.below(40);
}

}  // namespace

std::vector<std::byte> random_records(uint64_t seed, size_t count, size_t largest) {
  Random random(seed);
  std::vector<std::byte> out;
  for (size_t i = 0; i < count; ++i) {
    tape::Record head = random_head(random);
    head.segments = static_cast<uint8_t>(random.below(100) == 0 ? random.below(256) : random.below(3));
    std::vector<std::vector<std::byte>> owned;
    for (int s = 0; s < head.segments; ++s) {
      owned.push_back(random_bytes(random, random_length(random, head, s == 0 ? largest : 64)));
    }
    std::vector<trace::Bytes> segments(owned.begin(), owned.end());
    trace::append_record(out, head, segments);
  }
  return out;
}

std::vector<std::byte> as_kept(trace::Bytes records) {
  std::vector<std::byte> out;
  trace::RecordView record;
  for (; record.parse(records); records = records.subspan(record.size())) {
    tape::Record head = record.head();
    if (head.check >= tape::kKeptCheck && head.kind != tape::kCheckpoint) head.check = 0;
    std::vector<trace::Bytes> segments;
    record.each_segment([&](int, trace::Bytes bytes) { segments.push_back(bytes); });
    trace::append_record(out, head, segments);
  }
  return out;
}

trace::Header sample_header() {
  trace::Header header;
  header.format_version = trace::kFormatVersion;
  header.tape_version = tape::kVersion;
  header.reprise_version = "0.0.0-test";
  header.executable = {"/bin/program", "00ff17", 12345, 1'700'000'000'000'000'000};
  header.arguments = {"program", "--flag", ""};
  header.environment = {"PATH=/bin", "EMPTY="};
  header.redacted = {"TOKEN"};
  header.working_directory = "/somewhere";
  header.limits = {{3, 8 << 20, ~uint64_t{0}}, {7, 1024, 4096}};
  header.cpu = "model name: a processor\n";
  header.kernel = "Linux";
  header.policy = "fair";
  header.seed = 0x1234'5678'9abc'def0;
  header.flavour = "plain";
  header.options = 1;
  header.started_unix_ns = 1'700'000'000'000'000'001;
  return header;
}

namespace {

void must(const trace::Error& error) {
  if (error) throw std::runtime_error(error.text());
}

}  // namespace

void write_trace(const std::string& path, trace::Bytes records, size_t flush_every) {
  trace::TraceWriter writer;
  must(writer.open(path));
  must(writer.begin(sample_header()));
  trace::RecordView record;
  uint64_t position = 0, n = 0;
  for (; record.parse(records); records = records.subspan(record.size())) {
    position += record.size();
    must(writer.add(record, position));
    if (flush_every != 0 && ++n % flush_every == 0) must(writer.flush());
  }
  trace::Footer footer;
  footer.wait_status = 3 << 8;
  footer.fingerprint = 0xfeed;
  footer.duration_ns = 7;
  must(writer.finish(footer));
}

std::vector<std::byte> read_trace(const std::string& path, std::string* error) {
  error->clear();
  std::vector<std::byte> out;
  trace::TraceReader reader;
  trace::Error failed = reader.open(path);
  trace::DecodedChunk chunk;
  for (bool more = true; !failed;) {
    failed = reader.next(chunk, &more);
    if (failed || !more) break;
    out.insert(out.end(), chunk.records.begin(), chunk.records.end());
  }
  if (failed) *error = failed.text();
  return out;
}

TemporaryFolder::TemporaryFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "reprise-test-XXXXXX").string();
  if (!mkdtemp(name.data())) throw std::runtime_error("mkdtemp failed");
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;  // a leftover folder harms nobody
  std::filesystem::remove_all(path_, ignored);
}

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

void write_file(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

}  // namespace reprise::test
