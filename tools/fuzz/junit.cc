// By libxml2's writer, which escapes; what XML cannot hold at all is replaced before.
#include "tools/fuzz/junit.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <libxml/xmlwriter.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "tools/cli/outcome.h"
#include "tools/fuzz/report.h"

namespace reprise::fuzz {
namespace {

// ASCII as it is, but for the control characters that XML forbids; everything else as '?': what programs
// print need not be UTF-8.
std::string plain(const std::string& text) {
  std::string out;
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    const bool good = u == '\n' || u == '\t' || (u >= 0x20 && u < 0x7f);
    out += good ? c : '?';
  }
  return out;
}

const xmlChar* chars(const std::string& text) { return reinterpret_cast<const xmlChar*>(text.c_str()); }

// Elements and attributes; remembers whether anything failed.
class Writer {
 public:
  explicit Writer(xmlTextWriterPtr to) : to_(to) {
    xmlTextWriterSetIndent(to_, 1);
    check(xmlTextWriterStartDocument(to_, nullptr, "UTF-8", nullptr));
  }
  Writer& open(const std::string& name) { return check(xmlTextWriterStartElement(to_, chars(name))); }
  Writer& with(const std::string& name, const std::string& value) {
    return check(xmlTextWriterWriteAttribute(to_, chars(name), chars(plain(value))));
  }
  Writer& text(const std::string& value) { return check(xmlTextWriterWriteString(to_, chars(plain(value)))); }
  Writer& close() { return check(xmlTextWriterEndElement(to_)); }
  bool end() {
    check(xmlTextWriterEndDocument(to_));
    check(xmlTextWriterFlush(to_));
    return good_;
  }

 private:
  Writer& check(int result) {
    good_ = good_ && result >= 0;
    return *this;
  }
  xmlTextWriterPtr to_;
  bool good_ = true;
};

void write_property(Writer& w, const std::string& name, const std::string& value) {
  w.open("property").with("name", name).with("value", value).close();
}

void write_failure(Writer& w, const Found& found, const Plan& plan) {
  w.open("testcase").with("classname", plan.program).with("name", found.failure.kind + ": " + found.failure.message);
  w.open("failure").with("type", found.failure.kind).with("message", found.failure.message);
  w.text(report::text_of(found, plan)).close().close();
}

void write_suite(Writer& w, const Summary& s, const Plan& plan) {
  const bool trouble = !s.trouble.empty();
  const size_t tests = s.found.size() + (s.found.empty() || trouble);
  w.open("testsuite").with("name", "reprise fuzz " + plan.program).with("tests", std::to_string(tests));
  w.with("failures", std::to_string(s.found.size())).with("errors", trouble ? "1" : "0");
  w.with("time", fmt::format("{:.3f}", s.seconds));
  w.open("properties");
  write_property(w, "policy", plan.options.policy);
  write_property(w, "seed", std::to_string(plan.seed));
  write_property(w, "schedules", std::to_string(s.schedules));
  write_property(w, "behaviours", std::to_string(s.distinct));
  write_property(w, "chance of a new one", fmt::format("{:.3g}", s.chance));
  w.close();
  for (const Found& found : s.found) write_failure(w, found, plan);
  if (s.found.empty() || trouble) {
    w.open("testcase").with("classname", plan.program).with("name", "every schedule");
    if (trouble) w.open("error").with("message", s.trouble.substr(0, s.trouble.find('\n'))).text(s.trouble).close();
    w.close();
  }
  w.close();
}

}  // namespace

bool can_write_junit(const std::string& path, std::string* why) {
  const int fresh = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fresh >= 0) {
    close(fresh);
    unlink(path.c_str());
    return true;
  }
  struct stat there {};
  if (errno == EEXIST && stat(path.c_str(), &there) == 0 && S_ISDIR(there.st_mode)) errno = EISDIR;
  else if (errno == EEXIST && access(path.c_str(), W_OK) == 0) return true;
  *why = path + ": cannot write the JUnit file: " + std::strerror(errno);
  return false;
}

bool write_junit(const std::string& path, const Summary& summary, const Plan& plan, std::string* why) {
  const std::unique_ptr<xmlTextWriter, decltype(&xmlFreeTextWriter)> to(xmlNewTextWriterFilename(path.c_str(), 0),
                                                                        xmlFreeTextWriter);
  *why = path + ": cannot write the JUnit file";
  if (to == nullptr) return false;
  Writer w(to.get());
  w.open("testsuites");
  write_suite(w, summary, plan);
  w.close();
  return w.end();
}

}  // namespace reprise::fuzz
