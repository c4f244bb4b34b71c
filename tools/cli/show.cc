// `reprise show`: what a trace holds, for people and as JSON.
//
// bytes/decision is the whole file without its Inputs frames, divided by the decisions of the seam:
// system calls, clock reads and everything else in the trace count in the numerator.
#include <fmt/format.h>

#include <cstdio>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "replay/build_id.h"
#include "replay/kind_names.h"
#include "tools/cli/command.h"
#include "tools/cli/outcome.h"
#include "tools/cli/symbols.h"
#include "tools/cli/trace_files.h"

namespace reprise::cli {
namespace {

struct Summary {
  trace::Header header;
  trace::Footer footer;  // of a trace without one: counted
  std::string cut_off;
  bool has_footer = false;
  uint64_t file_bytes = 0, input_frame_bytes = 0;
  std::map<uint64_t, uint64_t> spawn_sites;    // site of the runtime: goroutines created there
  std::map<std::string, uint64_t> spawned_at;  // the same by lines of the program

  double per(uint64_t n) const {
    return n == 0 ? 0 : static_cast<double>(file_bytes - input_frame_bytes) / static_cast<double>(n);
  }
};

// A goroutine's record holds its parent's id and the site of its creation.
void note_goroutine(const trace::RecordView& record, Summary& out) {
  record.each_segment([&](int, trace::Bytes bytes) {
    uint64_t words[2];
    if (bytes.size() != sizeof words) return;
    std::memcpy(words, bytes.data(), sizeof words);
    if (words[1] != 0) ++out.spawn_sites[words[1]];
  });
}

void name_spawn_sites(const std::string& pack_root, Summary& out) {
  const trace::ObjectFile& recorded = out.header.executable;
  const std::string path = pack_root + recorded.path;
  const bool same = !recorded.build_id.empty() && trace::object_file(path).build_id == recorded.build_id;
  const SiteNames names(same ? path : "");
  for (auto [site, count] : out.spawn_sites) out.spawned_at[names.user_line(site)] += count;
}

// Reads every chunk: proves that the trace is whole, and counts.
trace::Error summarise(trace::TraceReader& reader, Summary& out) {
  out.header = reader.header();
  out.has_footer = reader.footer().has_value();
  out.cut_off = reader.cut_off();
  out.file_bytes = reader.file_bytes();
  out.input_frame_bytes = reader.input_frame_bytes();
  trace::DecodedChunk chunk;
  for (bool more = true;;) {
    if (trace::Error e = reader.next(chunk, &more)) return e;
    if (!more) break;
    trace::RecordView record;
    for (trace::Bytes rest = chunk.records; record.parse(rest); rest = rest.subspan(record.size())) {
      ++out.footer.counts[record.head().kind];
      if (record.head().kind == tape::kGoroutine) note_goroutine(record, out);
      record.each_segment([&](int, trace::Bytes b) { out.footer.input_bytes += b.size(); });
    }
    out.footer.records += chunk.count;
  }
  if (out.has_footer) out.footer = *reader.footer();
  if (!out.has_footer) return objects_of(reader, out.footer.objects);
  return {};
}

std::string outcome(const Summary& s) {
  if (!s.has_footer) return "cut off: " + s.cut_off;
  std::string text = describe(s.footer.wait_status);
  if (!s.cut_off.empty()) return "cut off: " + s.cut_off;
  return s.footer.ended ? text : text + ", seen from outside only";
}

void print_counts(const Summary& s) {
  fmt::print("decisions         {}\n", grouped(s.footer.decisions()));
  for (auto [kind, count] : s.footer.counts) {
    if (trace::is_decision(kind)) fmt::print("  {:<20} {:>12}\n", trace::kind_name(kind), grouped(count));
  }
  fmt::print("system calls and other events\n");
  for (auto [kind, count] : s.footer.counts) {
    if (!trace::is_decision(kind)) fmt::print("  {:<20} {:>12}\n", trace::kind_name(kind), grouped(count));
  }
}

void print_goroutines(const Summary& s) {
  if (s.spawned_at.empty()) return;
  fmt::print("goroutines created at\n");
  for (const auto& [place, count] : s.spawned_at) fmt::print("  {:>12} {}\n", grouped(count), place);
}

void print_text(const Summary& s, const std::string& path) {
  const trace::Header& h = s.header;
  fmt::print("trace             {} (format {}, tape {}, reprise {})\n", path, h.format_version,
             h.tape_version, h.reprise_version);
  fmt::print("program           {}\n", fmt::join(h.arguments, " "));
  fmt::print("executable        {} {}\n", h.executable.path,
             h.executable.build_id.empty() ? "without build id" : h.executable.build_id);
  for (const trace::ObjectFile& o : s.footer.objects) {
    if (o.path != h.executable.path) fmt::print("library           {} {}\n", o.path, o.build_id);
  }
  fmt::print("directory         {}\n", h.working_directory);
  fmt::print("environment       {} variables{}\n", h.environment.size(),
             h.redacted.empty() ? "" : fmt::format(", redacted: {}", fmt::join(h.redacted, " ")));
  fmt::print("kernel            {}\n", h.kernel);
  fmt::print("policy            {}\nseed              {}\nflavour           {}\n", h.policy, h.seed,
             h.flavour);
  print_counts(s);
  print_goroutines(s);
  fmt::print("records           {}\n", grouped(s.footer.records));
  fmt::print("input bytes       {} ({} in the file)\n", grouped(s.footer.input_bytes),
             grouped(s.input_frame_bytes));
  fmt::print("file bytes        {}\n", grouped(s.file_bytes));
  if (s.footer.decisions() > 0) {
    fmt::print("bytes/decision: {:.3f}\n", s.per(s.footer.decisions()));
  } else {
    fmt::print("bytes/decision: none (no decisions: recorded by the stage alone)\n");
  }
  fmt::print("bytes/record: {:.3f}\n", s.per(s.footer.records));
  if (s.footer.events) {
    fmt::print("events            {}\n", grouped(s.footer.events));
    fmt::print("fingerprint       {:016x}\n", s.footer.fingerprint);
  }
  if (s.footer.memory_hash) fmt::print("memory hash       {:016x}\n", s.footer.memory_hash);
  if (s.has_footer) fmt::print("duration          {:.3f} s\n", static_cast<double>(s.footer.duration_ns) / 1e9);
  fmt::print("outcome           {}\n", outcome(s));
}

// Paths and environment are bytes; JSON is UTF-8: what does not fit is replaced.
std::string json_text(const nlohmann::json& value) {
  return value.dump(2, ' ', false, nlohmann::json::error_handler_t::replace);
}

void print_json(const Summary& s) {
  const trace::Header& h = s.header;
  nlohmann::json counts = nlohmann::json::object(), calls = nlohmann::json::object(), objects;
  for (auto [kind, count] : s.footer.counts) {
    (trace::is_decision(kind) ? counts : calls)[trace::kind_name(kind)] = count;
  }
  for (const trace::ObjectFile& o : s.footer.objects) {
    objects.push_back({{"path", o.path}, {"build_id", o.build_id}, {"size_bytes", o.size_bytes}});
  }
  nlohmann::json out = {
      {"format_version", h.format_version}, {"tape_version", h.tape_version},
      {"reprise_version", h.reprise_version}, {"arguments", h.arguments},
      {"environment", h.environment}, {"redacted", h.redacted},
      {"working_directory", h.working_directory}, {"kernel", h.kernel}, {"cpu", h.cpu},
      {"policy", h.policy}, {"seed", h.seed}, {"flavour", h.flavour}, {"objects", objects},
      {"decisions", s.footer.decisions()}, {"decision_kinds", counts}, {"other_events", calls},
      {"goroutines_created_at", s.spawned_at},
      {"events", s.footer.events}, {"records", s.footer.records}, {"input_bytes", s.footer.input_bytes},
      {"input_frame_bytes", s.input_frame_bytes}, {"file_bytes", s.file_bytes},
      {"bytes_per_decision", s.per(s.footer.decisions())},
      {"bytes_per_record", s.per(s.footer.records)},
      {"fingerprint", fmt::format("{:016x}", s.footer.fingerprint)},
      {"memory_hash", fmt::format("{:016x}", s.footer.memory_hash)},
      {"duration_ns", s.footer.duration_ns}, {"outcome", outcome(s)}, {"cut_off", s.cut_off},
      {"wait_status", s.has_footer ? nlohmann::json(s.footer.wait_status) : nlohmann::json()}};
  fmt::print("{}\n", json_text(out));
}

}  // namespace

int show(const std::string& path, bool json) {
  trace::TraceReader reader;
  Summary summary;
  trace::Error failed = open_trace(path, reader);
  if (!failed) failed = summarise(reader, summary);
  if (!failed) name_spawn_sites(pack_root_of(path), summary);
  if (failed) return say(failed.text()), kBadTrace;
  json ? print_json(summary) : print_text(summary, path);
  return kOk;
}

}  // namespace reprise::cli
