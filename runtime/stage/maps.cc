// Parser of /proc/self/maps.
//
// The whole file is read first: it is consistent only within one read of a page, and the stage
// does not change mappings while it looks.
#include "runtime/stage/maps.h"

#include <fcntl.h>

#include "runtime/stage/raw.h"
#include "runtime/stage/text.h"

namespace reprise::stage {
namespace {

char buffer[4 << 20];
char* cursor;

uint64_t hex_number(char** at) {
  uint64_t value = 0;
  for (;; ++*at) {
    const char c = **at;
    if (c >= '0' && c <= '9') {
      value = value << 4 | (c - '0');
    } else if (c >= 'a' && c <= 'f') {
      value = value << 4 | (c - 'a' + 10);
    } else {
      return value;
    }
  }
}

void skip_field(char** at) {
  while (**at == ' ') ++*at;
  while (**at && **at != ' ' && **at != '\n') ++*at;
}

}  // namespace

bool read_maps() {
  const long fd = raw(SYS_open, "/proc/self/maps", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  size_t size = 0;
  for (long n; (n = raw(SYS_read, fd, buffer + size, sizeof buffer - 1 - size)) > 0;) size += n;
  raw(SYS_close, fd);
  buffer[size] = 0;
  cursor = buffer;
  return true;
}

bool next_mapping(Mapping* out) {
  char* at = cursor;
  if (!*at) return false;
  out->begin = hex_number(&at);
  ++at;
  out->end = hex_number(&at);
  ++at;
  out->readable = at[0] == 'r';
  out->writable = at[1] == 'w';
  out->executable = at[2] == 'x';
  out->shared = at[3] == 's';
  at += 5;
  out->offset = hex_number(&at);
  skip_field(&at);  // device
  skip_field(&at);  // inode
  while (*at == ' ') ++at;
  out->path = at;
  while (*at && *at != '\n') ++at;
  if (*at) *at++ = 0;
  cursor = at;
  return true;
}

bool module_of(uint64_t address, char* path, size_t capacity, uint64_t* offset) {
  if (!read_maps()) return false;
  for (Mapping m; next_mapping(&m);) {
    if (address < m.begin || address >= m.end || m.path[0] != '/') continue;
    Text(path, capacity) << m.path;
    *offset = address - m.begin + m.offset;
    return true;
  }
  return false;
}

bool executable(uint64_t address) {
  if (!read_maps()) return false;
  for (Mapping m; next_mapping(&m);) {
    if (address >= m.begin && address < m.end) return m.executable;
  }
  return false;
}

}  // namespace reprise::stage
