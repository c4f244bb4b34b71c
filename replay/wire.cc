// Header and footer, to and from Cap'n Proto.
//
// Invariant: parse(x_message(v)) == v. Strings are cut at nothing and checked for nothing: they come
// from the kernel (arguments, environment, paths) and may hold any byte but NUL.
#include "replay/wire.h"

#include <cstring>

namespace reprise::trace {
namespace {

constexpr uint64_t kMaxWords = 64u << 20;  // traversal limit: bounds work on a hostile message

::capnp::Text::Reader text(const std::string& s) { return {s.c_str(), s.size()}; }
std::string text(::capnp::Text::Reader r) { return {r.begin(), r.size()}; }

void put_texts(::capnp::List<::capnp::Text>::Builder to, const std::vector<std::string>& from) {
  for (unsigned i = 0; i < from.size(); ++i) to.set(i, text(from[i]));
}

std::vector<std::string> get_texts(::capnp::List<::capnp::Text>::Reader from) {
  std::vector<std::string> out;
  for (auto t : from) out.push_back(text(t));
  return out;
}

std::string to_hex(::capnp::Data::Reader bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (uint8_t b : bytes) out += kDigits[b >> 4], out += kDigits[b & 15];
  return out;
}

std::vector<uint8_t> from_hex(const std::string& hex) {
  auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  std::vector<uint8_t> out;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    out.push_back(static_cast<uint8_t>(digit(hex[i]) << 4 | digit(hex[i + 1])));
  }
  return out;
}

template <typename Read>
bool guarded(std::span<const uint64_t> words, std::string* why, Read read) {
  try {
    ::capnp::ReaderOptions options;
    options.traversalLimitInWords = kMaxWords;
    ::capnp::FlatArrayMessageReader message(
        {reinterpret_cast<const ::capnp::word*>(words.data()), words.size()}, options);
    read(message);
    return true;
  } catch (const kj::Exception& e) {
    *why = e.getDescription().cStr();
    return false;
  }
}

void put_limits(::capnp::List<schema::Limit>::Builder to, const std::vector<Limit>& from) {
  for (unsigned i = 0; i < from.size(); ++i) {
    to[i].setResource(from[i].resource);
    to[i].setSoft(from[i].soft);
    to[i].setHard(from[i].hard);
  }
}

void put_objects(::capnp::List<schema::ObjectFile>::Builder to,
                 const std::vector<ObjectFile>& from) {
  for (unsigned i = 0; i < from.size(); ++i) put_object(to[i], from[i]);
}

}  // namespace

void flatten(::capnp::MessageBuilder& message, std::vector<std::byte>& out) {
  auto segments = message.getSegmentsForOutput();
  out.resize(::capnp::computeSerializedSizeInWords(segments) * sizeof(::capnp::word));
  kj::ArrayOutputStream stream({reinterpret_cast<kj::byte*>(out.data()), out.size()});
  ::capnp::writeMessage(stream, segments);
}

// One segment: the root's pointer, the root's only pointer, the blob. Pointers as Cap'n Proto's encoding has
// them: a struct of no data and one pointer, right behind; a list of bytes, right behind.
size_t begin_blob_message(size_t blob_bytes, std::byte* to) {
  const uint64_t start[] = {
      static_cast<uint64_t>(blob_message_bytes(blob_bytes) / sizeof(uint64_t) - 1) << 32,
      uint64_t{1} << 48,
      1 | (uint64_t{blob_bytes} << 3 | 2) << 32,
  };
  std::memcpy(to, start, sizeof start);
  return sizeof start;
}

size_t blob_message_bytes(size_t blob_bytes) { return (3 + (blob_bytes + 7) / 8) * sizeof(uint64_t); }

void put_object(schema::ObjectFile::Builder to, const ObjectFile& from) {
  to.setPath(text(from.path));
  std::vector<uint8_t> id = from_hex(from.build_id);
  to.setBuildId({id.data(), id.size()});
  to.setSizeBytes(from.size_bytes);
  to.setMtimeNs(from.mtime_ns);
}

ObjectFile get_object(schema::ObjectFile::Reader from) {
  return {text(from.getPath()), to_hex(from.getBuildId()), from.getSizeBytes(), from.getMtimeNs()};
}

std::vector<std::byte> header_message(const Header& header) {
  ::capnp::MallocMessageBuilder message;
  auto to = message.initRoot<schema::Header>();
  to.setFormatVersion(header.format_version);
  to.setTapeVersion(header.tape_version);
  to.setRepriseVersion(text(header.reprise_version));
  put_object(to.initExecutable(), header.executable);
  put_texts(to.initArguments(header.arguments.size()), header.arguments);
  put_texts(to.initEnvironment(header.environment.size()), header.environment);
  put_texts(to.initRedacted(header.redacted.size()), header.redacted);
  to.setWorkingDirectory(text(header.working_directory));
  put_limits(to.initLimits(header.limits.size()), header.limits);
  to.setCpu(text(header.cpu));
  to.setKernel(text(header.kernel));
  to.setPolicy(text(header.policy));
  to.setSeed(header.seed);
  to.setFlavour(text(header.flavour));
  to.setOptions(header.options);
  to.setStartedUnixNs(header.started_unix_ns);
  std::vector<std::byte> out;
  flatten(message, out);
  return out;
}

bool parse_header(std::span<const uint64_t> words, Header& out, std::string* why) {
  return guarded(words, why, [&](::capnp::MessageReader& message) {
    auto from = message.getRoot<schema::Header>();
    out.format_version = from.getFormatVersion();
    out.tape_version = from.getTapeVersion();
    out.reprise_version = text(from.getRepriseVersion());
    out.executable = get_object(from.getExecutable());
    out.arguments = get_texts(from.getArguments());
    out.environment = get_texts(from.getEnvironment());
    out.redacted = get_texts(from.getRedacted());
    out.working_directory = text(from.getWorkingDirectory());
    out.limits.clear();
    for (auto l : from.getLimits()) out.limits.push_back({l.getResource(), l.getSoft(), l.getHard()});
    out.cpu = text(from.getCpu());
    out.kernel = text(from.getKernel());
    out.policy = text(from.getPolicy());
    out.seed = from.getSeed();
    out.flavour = text(from.getFlavour());
    out.options = from.getOptions();
    out.started_unix_ns = from.getStartedUnixNs();
  });
}

std::vector<std::byte> footer_message(const Footer& footer) {
  ::capnp::MallocMessageBuilder message;
  auto to = message.initRoot<schema::Footer>();
  to.setWaitStatus(footer.wait_status);
  to.setCutOff(text(footer.cut_off));
  to.setEnded(footer.ended);
  to.setFingerprint(footer.fingerprint);
  to.setMemoryHash(footer.memory_hash);
  to.setEvents(footer.events);
  to.setRecords(footer.records);
  to.setInputBytes(footer.input_bytes);
  auto counts = to.initCounts(footer.counts.size());
  unsigned n = 0;
  for (auto [kind, count] : footer.counts) {
    counts[n].setKind(kind);
    counts[n++].setCount(count);
  }
  auto chunks = to.initChunks(footer.chunks.size());
  for (unsigned i = 0; i < footer.chunks.size(); ++i) {
    chunks[i].setOffsetBytes(footer.chunks[i].offset);
    chunks[i].setFirstRecord(footer.chunks[i].first_record);
  }
  put_objects(to.initObjects(footer.objects.size()), footer.objects);
  to.setDurationNs(footer.duration_ns);
  to.setInputFrameBytes(footer.input_frame_bytes);
  std::vector<std::byte> out;
  flatten(message, out);
  return out;
}

bool parse_footer(std::span<const uint64_t> words, Footer& out, std::string* why) {
  return guarded(words, why, [&](::capnp::MessageReader& message) {
    auto from = message.getRoot<schema::Footer>();
    out = {};
    out.wait_status = from.getWaitStatus();
    out.cut_off = text(from.getCutOff());
    out.ended = from.getEnded();
    out.fingerprint = from.getFingerprint();
    out.memory_hash = from.getMemoryHash();
    out.events = from.getEvents();
    out.records = from.getRecords();
    out.input_bytes = from.getInputBytes();
    for (auto c : from.getCounts()) out.counts[c.getKind()] = c.getCount();
    for (auto c : from.getChunks()) out.chunks.push_back({c.getOffsetBytes(), c.getFirstRecord()});
    for (auto o : from.getObjects()) out.objects.push_back(get_object(o));
    out.duration_ns = from.getDurationNs();
    out.input_frame_bytes = from.getInputFrameBytes();
  });
}

uint64_t Footer::decisions() const {
  uint64_t sum = 0;
  for (auto [kind, count] : counts) {
    if (kind >= 0x400 && kind <= 0x41f) sum += count;
  }
  return sum;
}

}  // namespace reprise::trace
