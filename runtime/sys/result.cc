// The texts of I/O errors, in the reference's wording where it has one.
#include <reprise/result.h>

#include <cctype>
#include <cstring>

#include "runtime/sched/proc.h"

namespace reprise {
namespace {

std::string system_text(int code) {
  const char* known = strerrordesc_np(code);
  if (!known) return "errno " + std::to_string(code);
  std::string text = known;
  // The reference writes "connection refused"; libc capitalises. "RPC ..." stays.
  if (text.size() > 1 && std::islower(static_cast<unsigned char>(text[1]))) {
    text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  }
  return text;
}

std::string reason(const Error& error) {
  switch (error.kind()) {
    case ErrorKind::system: return system_text(error.code());
    case ErrorKind::end_of_file: return "EOF";
    case ErrorKind::closed: return "use of closed file or network connection";
    case ErrorKind::timeout: return "i/o timeout";
    case ErrorKind::address: return "";
  }
  rt::throw_("error of unknown kind");
}

}  // namespace

std::string Error::message() const {
  const std::string why = reason(*this);
  if (why.empty()) return context();
  return context().empty() ? why : context() + ": " + why;
}

namespace detail {

void result_without_value(const Error& error) {
  rt::gopanic("value of a failed result: " + error.message());
}

}  // namespace detail
}  // namespace reprise
