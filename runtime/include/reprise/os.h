// Files, pipes and the process, for goroutines.
//
// Calls look blocking and block the calling goroutine only: pipes, FIFOs and terminals wait in the
// network poller, everything else runs on a worker thread. File is a cheap shared handle: copies
// name the same open file, which is closed by close() or with the last copy.
//
// Thread safety: any goroutine, at the same time. Reads of one file are serialised, writes too.
// Only on goroutines, except args, getenv and exit.
#pragma once

#include <fcntl.h>
#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <reprise/result.h>
#include <reprise/time.h>

namespace reprise::os {

namespace detail {
struct OpenFile;
}

enum class FileType : unsigned char { regular, directory, symlink, pipe, socket, device };

struct FileInfo {
  std::string name;      // the last element of the path
  int64_t size = 0;      // bytes
  FileType type = FileType::regular;
  uint32_t mode = 0;     // permission bits
  int64_t modified_ns = 0;  // since the epoch
};

struct DirEntry {
  std::string name;
  FileType type = FileType::regular;
};

enum class Whence : int { start = 0, current = 1, end = 2 };

class File {
 public:
  File() = default;  // names no file: every call reports ErrorKind::closed
  explicit File(std::shared_ptr<detail::OpenFile> file) : file_(std::move(file)) {}
  explicit operator bool() const { return file_ != nullptr; }

  // At least one byte; 0 at the end of the file.
  Result<size_t> read(void* to, size_t size);
  Result<size_t> read(std::span<char> to) { return read(to.data(), to.size()); }
  // All of them; ErrorKind::end_of_file if the file ends before.
  Status read_full(void* to, size_t size);
  Result<size_t> read_at(void* to, size_t size, int64_t offset);
  // To the end of the file.
  Result<std::string> read_all();

  Status write_all(const void* from, size_t size);
  Status write_all(std::string_view text) { return write_all(text.data(), text.size()); }
  Status write_at(const void* from, size_t size, int64_t offset);

  Result<int64_t> seek(int64_t offset, Whence whence = Whence::start);
  Result<FileInfo> stat();
  Status truncate(int64_t size);
  Status sync();
  // All entries of a directory but "." and "..", by name.
  Result<std::vector<DirEntry>> readdir();
  Status set_deadline(TimePoint deadline);  // pipes and terminals only; {} for none
  Status close();

  const std::string& name() const;  // the path that it was opened by

 private:
  std::shared_ptr<detail::OpenFile> file_;
};

// `flags` are those of open(2); O_CLOEXEC is added.
Result<File> open(std::string_view path, int flags = O_RDONLY, mode_t permissions = 0666);
Result<File> create(std::string_view path);  // truncates what is there

struct Pipe {
  File reader, writer;
};
Result<Pipe> pipe();

Result<std::string> read_file(std::string_view path);
Status write_file(std::string_view path, std::string_view text, mode_t permissions = 0666);
Result<FileInfo> stat(std::string_view path);
Status remove(std::string_view path);  // a file or an empty directory
Status rename(std::string_view from, std::string_view to);
Status mkdir(std::string_view path, mode_t permissions = 0777);

// The process. args()[0] is the program.
std::vector<std::string> args();
std::optional<std::string> getenv(std::string_view name);
// Ends the process with this status at once: flushes stdio, waits for no goroutine, runs no
// destructor.
[[noreturn]] void exit(int status);

}  // namespace reprise::os
