// Interpreter lines: "#!interpreter [one argument]", nested at most four deep, as in the kernel.
#include "runtime/stage/script.h"

#include <fcntl.h>

#include "runtime/stage/raw.h"
#include "runtime/stage/text.h"

namespace reprise::stage {
namespace {

char* lists[2][kScriptArguments];

bool blank(char c) { return c == ' ' || c == '\t'; }

// Splits line in place; *argument is null if there is none.
char* interpreter_of(char* line, char** argument) {
  char* p = line + 2;
  while (blank(*p)) ++p;
  char* const name = p;
  while (*p && !blank(*p) && *p != '\n') ++p;
  const bool more = blank(*p);
  if (*p == '\n' || !more) {
    *p = 0;
    *argument = nullptr;
    return name;
  }
  *p++ = 0;
  while (blank(*p)) ++p;
  *argument = p;
  while (*p && *p != '\n') ++p;
  while (p > *argument && blank(p[-1])) --p;
  *p = 0;
  if (!**argument) *argument = nullptr;
  return name;
}

long read_line(const char* path, char* line, long capacity) {
  const long fd = raw(SYS_open, path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  const long n = raw(SYS_pread64, fd, line, capacity - 1, 0);
  raw(SYS_close, fd);
  line[n > 0 ? n : 0] = 0;
  return n;
}

}  // namespace

const char* follow_scripts(const char** path, char*** argv, Script* room) {
  for (int depth = 0; depth < kScriptDepth; ++depth) {
    char* line = room->line[depth];
    if (read_line(*path, line, sizeof room->line[depth]) < 3 || line[0] != '#' || line[1] != '!') return nullptr;
    char* argument;
    char* interpreter = interpreter_of(line, &argument);
    if (!*interpreter) return "its interpreter line is empty";
    Text(room->name[depth], sizeof room->name[depth]) << *path;
    char** out = lists[depth & 1];
    int n = 0;
    out[n++] = interpreter;
    if (argument) out[n++] = argument;
    out[n++] = room->name[depth];
    for (char** rest = *argv + (**argv != nullptr); *rest; ++rest) {
      if (n == kScriptArguments - 1) return "its arguments are too many";
      out[n++] = *rest;
    }
    out[n] = nullptr;
    *path = interpreter;
    *argv = out;
  }
  return "its interpreters are nested too deep";
}

}  // namespace reprise::stage
