// Bugs of programs that trust their disk.
#include <fcntl.h>
#include <reprise/os.h>
#include <reprise/panic.h>
#include <reprise/sim.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <string_view>

#include "corpus/programs/sim_bugs/sim_bugs.h"

namespace sim_bugs {

namespace {

namespace os = reprise::os;

constexpr char kFolder[] = "/settings-of-a-simulation";

void must(bool done, const char* what) {
  if (!done) reprise::panic(what);
}

std::string path_of(std::string_view name) { return std::string(kFolder) + "/" + std::string(name); }

void sync_folder(const char* path) {
  auto folder = os::open(path);
  must(folder && folder->sync() && folder->close(), "the folder cannot be synced");
}

void save(std::string_view text, bool synced) {
  auto file = os::create(path_of("new"));
  must(bool(file) && file->write_all(text), "the file cannot be written");
  if (synced) must(bool(file->sync()), "the file cannot be synced");
  must(file->close() && os::rename(path_of("new"), path_of("current")), "the file cannot be renamed");
  if (synced) sync_folder(kFolder);
}

// Appends one record of eight bytes by libc's calls. False: the disk is full, or the like.
bool append(int fd, std::string_view record, bool whole) {
  while (!record.empty()) {
    const ssize_t written = write(fd, record.data(), record.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    if (!whole) return true;
    record.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

}  // namespace

void lost_settings(bool fixed) {
  must(bool(os::mkdir(kFolder)), "no folder");
  sync_folder("/");
  save("first version", true);
  save("second version", fixed);
  reprise::sim::crash();
  auto text = os::read_file(path_of("current"));
  if (!text || *text != "second version") reprise::panic("what was saved is gone");
}

void torn_log(bool fixed) {
  const int fd = open("/log-of-a-simulation", O_RDWR | O_CREAT | O_APPEND, 0600);
  if (fd < 0) return;  // the disk was full from the start
  bool good = true;
  for (int i = 0; i < 3 && good; ++i) good = append(fd, "record.\n", fixed);
  const off_t size = lseek(fd, 0, SEEK_END);
  close(fd);
  if (good && size != 24) reprise::panic("a record is not whole");
}

}  // namespace sim_bugs
