// `reprise pack`: copies of the executable, its loader and libraries in TRACE.pack, under their full
// paths, so that the trace replays where those files are others or none. Modification times are kept.
// Reprise itself goes into TRACE.pack/reprise/ with its own loader and libraries, all in one directory,
// so that the pack needs nothing of the machine it is taken to.
//
// A pack is built beside its final name and renamed, so that a half-made one is never used. It replaces
// nothing but an earlier pack or an empty directory: what else is there may be somebody's only copy.
#include <fcntl.h>
#include <link.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <filesystem>

#include "replay/build_id.h"
#include "tools/cli/command.h"
#include "tools/cli/launch.h"
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

// This command, the stage, and every object mapped into this process. False and *why.
bool copy_reprise(const fs::path& to, std::string* why) {
  std::string stage = find_stage(why);
  if (stage.empty()) return false;
  std::vector<std::string> files{fs::read_symlink("/proc/self/exe"), stage};
  auto add = [](dl_phdr_info* info, size_t, void* list) {
    if (info->dlpi_name[0] == '/') static_cast<std::vector<std::string>*>(list)->push_back(info->dlpi_name);
    return 0;
  };
  dl_iterate_phdr(add, &files);
  std::error_code failed;
  fs::create_directories(to, failed);
  for (const std::string& file : files) {
    fs::path name = to / fs::path(file).filename();
    if (!failed) fs::copy_file(file, name, fs::copy_options::overwrite_existing, failed);
    if (failed) return *why = file + ": " + failed.message(), false;
  }
  return true;
}

// The loader's name among the files that copy_reprise() copied.
std::string loader_name(const fs::path& folder) {
  for (const auto& entry : fs::directory_iterator(folder)) {
    std::string name = entry.path().filename();
    if (name.starts_with("ld-")) return name;
  }
  return {};
}

// Whether a pack may take this place. False and *why.
bool may_replace(const fs::path& there, std::string* why) {
  std::error_code failed;
  const fs::file_status status = fs::symlink_status(there, failed);
  if (!fs::exists(status)) return true;
  const bool old_pack = fs::is_directory(status) && fs::exists(there / "reprise" / "reprise-stage", failed);
  if (old_pack || (fs::is_directory(status) && fs::is_empty(there, failed) && !failed)) return true;
  return *why = there.string() + ": is there already, and is not a pack; it is left alone", false;
}

// Fills `making`. False and *why.
bool make_pack(const std::vector<trace::ObjectFile>& objects, const fs::path& making, std::string* why) {
  for (const trace::ObjectFile& object : objects) {
    if (!copy_file(object.path, making, why)) return false;
  }
  return copy_reprise(making / "reprise", why);
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
  while (into.size() > 1 && into.ends_with("/")) into.pop_back();
  const fs::path making = into + ".part";
  std::error_code failed;
  std::string why;
  if (!may_replace(into, &why) || !may_replace(making, &why)) return say(why), kUsage;
  fs::remove_all(making, failed);
  if (!make_pack(objects, making, &why)) {
    fs::remove_all(making, failed);
    return say(why), kUsage;
  }
  fs::remove_all(into, failed);
  fs::rename(making, into, failed);
  if (failed) return say(into + ": " + failed.message()), kUsage;
  fmt::print("{}: {} files; keep it beside the trace\n", into, objects.size());
  std::string own = into + "/reprise", loader = loader_name(own);
  fmt::print("without Reprise there: {0}/{1} --library-path {0} {0}/reprise replay {2}\n",
             shell_word(own), loader, shell_word(path));
  return kOk;
}

}  // namespace reprise::cli
