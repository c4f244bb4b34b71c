// A read of the file gives whole lines only. Nothing is mapped between two reads but by whoever looks.
#include "runtime/sys/mappings.h"

#include <fcntl.h>
#include <sys/syscall.h>

#include <algorithm>
#include <charconv>

#include "runtime/sys/syscall.h"

namespace reprise::rt {

namespace {

constexpr size_t kBufferBytes = 32 << 10;
char buffer[kBufferBytes];

std::string_view take_field(std::string_view* line) {
  line->remove_prefix(std::min(line->find_first_not_of(' '), line->size()));
  const std::string_view field = line->substr(0, line->find(' '));
  line->remove_prefix(field.size());
  return field;
}

bool parse_hex(std::string_view text, uintptr_t* out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *out, 16);
  return error == std::errc{} && end == text.data() + text.size();
}

}  // namespace

bool parse_mapping(std::string_view line, Mapping* out) {
  const std::string_view range = take_field(&line);
  const size_t dash = range.find('-');
  if (dash == range.npos || !parse_hex(range.substr(0, dash), &out->begin) || !parse_hex(range.substr(dash + 1), &out->end)) {
    return false;
  }
  const std::string_view access = take_field(&line);
  if (access.size() != 4) return false;
  out->readable = access[0] == 'r';
  out->writable = access[1] == 'w';
  out->executable = access[2] == 'x';
  out->shared = access[3] == 's';
  take_field(&line);  // offset
  take_field(&line);  // device
  const std::string_view inode = take_field(&line);
  out->of_file = inode != "0";
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  out->name = line;
  return !inode.empty();
}

Mappings::~Mappings() {
  if (fd_ >= 0) sys::call_kernel(SYS_close, fd_);
}

bool Mappings::open() {
  fd_ = sys::call_kernel(SYS_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC, 0);
  return fd_ >= 0;
}

bool Mappings::fill() {
  const long n = sys::call_kernel(SYS_read, fd_, buffer, kBufferBytes);
  complete_ = n == 0;
  begin_ = 0;
  end_ = n > 0 ? static_cast<size_t>(n) : 0;
  return n > 0;
}

bool Mappings::next(Mapping* out) {
  if (begin_ == end_ && !fill()) return false;
  const std::string_view rest{buffer + begin_, end_ - begin_};
  const std::string_view line = rest.substr(0, rest.find('\n'));
  begin_ += std::min(line.size() + 1, rest.size());
  return parse_mapping(line, out);
}

}  // namespace reprise::rt
