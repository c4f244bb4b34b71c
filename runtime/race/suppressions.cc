// Suppressions: reading the file, matching.
#include "runtime/race/suppressions.h"

#include <fnmatch.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

namespace reprise::race {
namespace {

std::vector<std::string>& patterns() {
  static auto& list = *new std::vector<std::string>;  // outlives static destructors, which may race too
  return list;
}

std::string trimmed(const char* line) {
  std::string text = line;
  text.erase(std::min(text.find('#'), text.size()));
  const size_t last = text.find_last_not_of(" \t\r\n");
  text.erase(last == std::string::npos ? 0 : last + 1);
  return text.substr(std::min(text.find_first_not_of(" \t"), text.size()));
}

bool matches(const std::string& pattern, const std::string& text) {
  return fnmatch(pattern.c_str(), text.c_str(), 0) == 0;
}

}  // namespace

bool read_suppressions(const std::string& path, std::string* error) {
  const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path.c_str(), "re"), std::fclose);
  if (file == nullptr) {
    *error = path + ": " + std::strerror(errno);
    return false;
  }
  char line[1024];
  for (int number = 1; std::fgets(line, sizeof line, file.get()) != nullptr; ++number) {
    const std::string text = trimmed(line);
    if (text.empty()) continue;
    if (!text.starts_with("race:") || text.size() == 5) {
      *error = path + ":" + std::to_string(number) + ": not race:PATTERN";
      return false;
    }
    patterns().push_back("*" + text.substr(5) + "*");
  }
  return true;
}

bool suppressed(const Stack& stack) {
  for (const std::string& pattern : patterns()) {
    for (const rt::SourceFrame& frame : stack) {
      if (matches(pattern, frame.function) || matches(pattern, frame.file)) return true;
    }
  }
  return false;
}

}  // namespace reprise::race
