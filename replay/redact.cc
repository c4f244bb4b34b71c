// Redaction works on the bytes of the initial stack image: there an environment string starts after
// a NUL. An argument that happens to read NAME=value is redacted too, which errs on the safe side.
#include "replay/redact.h"

#include <cstring>
#include <string_view>

namespace reprise::trace {
namespace {

void redact_in(char* bytes, size_t size, const std::string& name) {
  std::string wanted = name + "=";
  std::string_view all(bytes, size);
  for (size_t at = all.find(wanted); at != std::string_view::npos; at = all.find(wanted, at + 1)) {
    if (at > 0 && bytes[at - 1] != '\0') continue;
    for (char* p = bytes + at + wanted.size(); p < bytes + size && *p; ++p) *p = 'x';
  }
}

}  // namespace

void redact(const RecordView& start, const std::vector<std::string>& names) {
  start.each_segment([&](int, Bytes bytes) {
    auto* p = reinterpret_cast<char*>(const_cast<std::byte*>(bytes.data()));
    for (const std::string& name : names) redact_in(p, bytes.size(), name);
  });
}

std::vector<std::string> redacted(const std::vector<std::string>& environment,
                                  const std::vector<std::string>& names) {
  std::vector<std::string> out = environment;
  for (std::string& entry : out) {
    for (const std::string& name : names) {
      if (entry.starts_with(name + "=")) entry.resize(name.size() + 1);
    }
  }
  return out;
}

}  // namespace reprise::trace
