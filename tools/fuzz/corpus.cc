// Files: read whole, written to a name of this process's own, and renamed.
#include "tools/fuzz/corpus.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>

namespace reprise::fuzz {
namespace {

constexpr std::string_view kSuffix = ".schedule";
constexpr off_t kMostBytes = 4 << 20;  // more than kMostPrefix decisions take

std::vector<std::string> names_in(DIR* directory) {
  std::vector<std::string> names;
  while (const dirent* entry = readdir(directory)) {
    if (std::string_view(entry->d_name).ends_with(kSuffix)) names.emplace_back(entry->d_name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::optional<std::string> contents(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode) || status.st_size > kMostBytes) return {};
  std::ifstream file(path, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(file)), {});
  return file.bad() ? std::nullopt : std::optional(std::move(text));
}

bool write_whole(const std::string& path, std::string_view text, std::string* why) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  int failed = fd < 0 ? errno : 0;
  while (failed == 0 && !text.empty()) {
    const ssize_t n = write(fd, text.data(), text.size());
    if (n < 0 && errno != EINTR) failed = errno;
    if (n > 0) text.remove_prefix(static_cast<size_t>(n));
  }
  if (fd >= 0 && close(fd) != 0 && failed == 0) failed = errno;
  if (failed != 0) *why = path + ": " + std::strerror(failed);
  return failed == 0;
}

}  // namespace

bool Corpus::open(const std::string& directory, const std::string& program, std::string* why,
                  std::vector<std::string>* warnings) {
  directory_ = directory;
  mkdir(directory.c_str(), 0777);
  DIR* dir = opendir(directory.c_str());
  if (dir == nullptr) return *why = "--corpus " + directory + ": " + std::strerror(errno), false;
  const std::vector<std::string> names = names_in(dir);
  closedir(dir);
  for (const std::string& name : names) {
    const std::string path = directory + "/" + name;
    const std::optional<std::string> text = contents(path);
    std::optional<Schedule> schedule;
    if (text && name_of(*text) == name) schedule = parsed(*text);
    if (!schedule) {
      warnings->push_back(path + ": is not what its name says; passed over");
    } else if (schedule->program == program) {
      schedules_.push_back(*std::move(schedule));
    }
  }
  std::stable_partition(schedules_.begin(), schedules_.end(), [](const Schedule& s) { return !s.failure.empty(); });
  return true;
}

bool Corpus::add(const Schedule& schedule, std::string* why) {
  if (broken_) return true;
  const std::string text = written(schedule);
  const std::string path = directory_ + "/" + name_of(text);
  if (access(path.c_str(), F_OK) == 0) return true;
  const std::string part = path + "." + std::to_string(getpid()) + ".part";
  bool done = write_whole(part, text, why);
  if (done && rename(part.c_str(), path.c_str()) != 0) {
    *why = path + ": " + std::strerror(errno);
    done = false;
  }
  if (!done) unlink(part.c_str());
  broken_ = !done;
  added_ += done;
  return done;
}

}  // namespace reprise::fuzz
