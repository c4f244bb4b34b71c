// Recovery on first use, identity of binaries, packs.
#include "tools/cli/trace_files.h"

#include <fmt/format.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "replay/build_id.h"
#include "replay/recovery.h"
#include "tools/cli/outcome.h"

namespace reprise::cli {

trace::Error open_trace(const std::string& path, trace::TraceReader& reader) {
  if (access(path.c_str(), F_OK) != 0 && access(trace::part_path(path).c_str(), F_OK) == 0) {
    uint64_t records = 0;
    if (trace::Error e = trace::recover(path, &records)) return e;
    say(fmt::format("{}: the recorder was killed; finished the trace from what it left, {} records",
                    path, grouped(records)));
  }
  return reader.open(path);
}

std::string pack_root_of(const std::string& path) {
  std::string root = path + ".pack";
  struct stat st {};
  if (stat(root.c_str(), &st) != 0 || !S_ISDIR(st.st_mode)) return {};
  char absolute[PATH_MAX];
  return realpath(root.c_str(), absolute) ? absolute : root;
}

trace::Error objects_of(trace::TraceReader& reader, std::vector<trace::ObjectFile>& out) {
  if (reader.footer()) return out = reader.footer()->objects, trace::Error{};
  out = {reader.header().executable};
  trace::DecodedChunk chunk;
  reader.rewind();
  for (bool more = true; more;) {
    if (trace::Error e = reader.next(chunk, &more)) return e;
    if (more) out.insert(out.end(), chunk.objects.begin(), chunk.objects.end());
    chunk.objects.clear();
  }
  reader.rewind();
  return {};
}

namespace {

std::string identity(const trace::ObjectFile& object) {
  if (!object.build_id.empty()) return "build id " + object.build_id;
  return fmt::format("no build id, {} bytes", object.size_bytes);
}

}  // namespace

trace::Error check_objects(trace::TraceReader& reader, const std::string& pack_root) {
  std::vector<trace::ObjectFile> objects;
  if (trace::Error e = objects_of(reader, objects)) return e;
  for (const trace::ObjectFile& recorded : objects) {
    trace::ObjectFile now = trace::object_file(pack_root + recorded.path);
    bool same = recorded.build_id.empty() ? now.size_bytes == recorded.size_bytes && now.build_id.empty()
                                          : now.build_id == recorded.build_id;
    if (same) continue;
    std::string found = now.size_bytes == 0 ? "it is not there" : "found " + identity(now);
    return {trace::Error::Kind::wrong_file, now.path, 0,
            fmt::format("expected the recorded file ({}), {}", identity(recorded), found)};
  }
  return {};
}

}  // namespace reprise::cli
