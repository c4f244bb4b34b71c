// `reprise pack`: copies of the executable, its loader and libraries in TRACE.pack, under their full
// paths, so that the trace replays where those files are others or none. Modification times are kept.
//
// A pack is built beside its final name and renamed, so that a half-made one is never used.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <filesystem>

#include "replay/build_id.h"
#include "tools/cli/command.h"
#include "tools/cli/outcome.h"
#include "tools/cli/trace_files.h"

namespace reprise::cli {
namespace {

namespace fs = std::filesystem;

// Copies what the path names, links resolved, with its times. False and *why.
bool copy_file(const std::string& path, const fs::path& root, std::string* why) {
  fs::path to = root / fs::path(path).relative_path();
  std::error_code failed;
  fs::create_directories(to.parent_path(), failed);
  if (!failed) fs::copy_file(path, to, fs::copy_options::overwrite_existing, failed);
  struct stat st {};
  if (!failed && stat(path.c_str(), &st) == 0) {
    timespec times[2] = {st.st_atim, st.st_mtim};
    if (utimensat(AT_FDCWD, to.c_str(), times, 0) != 0) failed.assign(errno, std::generic_category());
  }
  if (failed) *why = path + ": " + failed.message();
  return !failed;
}

}  // namespace

int pack(const std::string& path, std::string into) {
  trace::TraceReader reader;
  std::vector<trace::ObjectFile> objects;
  trace::Error error = open_trace(path, reader);
  if (!error) error = objects_of(reader, objects);
  if (!error) error = check_objects(reader, "");
  if (error) return say(error.text()), kBadTrace;
  if (into.empty()) into = path + ".pack";
  fs::path making = into + ".part";
  std::error_code failed;
  fs::remove_all(making, failed);
  std::string why;
  for (const trace::ObjectFile& object : objects) {
    if (!copy_file(object.path, making, &why)) return say(why), kUsage;
  }
  fs::remove_all(into, failed);
  fs::rename(making, into, failed);
  if (failed) return say(into + ": " + failed.message()), kUsage;
  fmt::print("{}: {} files; keep it beside the trace\n", into, objects.size());
  return kOk;
}

}  // namespace reprise::cli
