// Writing is exact, reading strict: what is not as it is written is no schedule.
#include "tools/fuzz/schedule_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "replay/records.h"
#include "tools/fuzz/digest.h"

namespace reprise::fuzz {
namespace {

constexpr std::string_view kTitle = "reprise schedule 1\n";

std::string one_line(std::string text) {
  std::replace_if(text.begin(), text.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');
  return text;
}

// Takes "NAME VALUE\n" off the text.
bool take(std::string_view* text, std::string_view name, std::string_view* value) {
  const size_t end = text->find('\n');
  if (end == std::string_view::npos || !text->starts_with(name) || name.size() >= end) return false;
  if ((*text)[name.size()] != ' ') return false;
  *value = text->substr(name.size() + 1, end - name.size() - 1);
  text->remove_prefix(end + 1);
  return true;
}

template <class T>
bool number(std::string_view text, T* out, int base = 10) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *out, base);
  return error == std::errc{} && end == text.data() + text.size();
}

bool take_decision(std::string_view* text, tape::Record* out) {
  std::string_view value;
  const size_t space = text->find(' ');
  uint16_t kind = 0;
  if (space == std::string_view::npos || !number(text->substr(0, space), &kind)) return false;
  out->kind = static_cast<uint16_t>(tape::kFirstDecision + kind);
  return trace::is_decision(out->kind) && take(text, text->substr(0, space), &value) && number(value, &out->value);
}

void append(std::vector<tape::Record>& to, const tape::Record& decision) {
  if (to.size() < tape::kMostPrefix) to.push_back({decision.kind, 0, 0, 0, decision.value});
}

// Several decisions in one word, the first lowest.
void append_packed(std::vector<tape::Record>& to, uint64_t bytes, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) append(to, tape::unpacked(static_cast<uint8_t>(bytes >> 8 * i), 0));
}

}  // namespace

std::string written(const Schedule& s) {
  std::string out(kTitle);
  out += fmt::format("program {}\nbehaviour {:016x}\nfailure {}\ndecisions {}\n", one_line(s.program), s.behaviour,
                     one_line(s.failure), s.decisions.size());
  for (const tape::Record& d : s.decisions) out += fmt::format("{} {}\n", d.kind - tape::kFirstDecision, d.value);
  return out;
}

std::optional<Schedule> parsed(std::string_view text) {
  Schedule s;
  std::string_view value;
  size_t count = 0;
  if (!text.starts_with(kTitle)) return {};
  text.remove_prefix(kTitle.size());
  if (!take(&text, "program", &value)) return {};
  s.program = value;
  if (!take(&text, "behaviour", &value) || !number(value, &s.behaviour, 16)) return {};
  if (!take(&text, "failure", &value)) return {};
  s.failure = value;
  if (!take(&text, "decisions", &value) || !number(value, &count) || count > tape::kMostPrefix) return {};
  for (size_t i = 0; i < count; ++i) {
    tape::Record decision{};
    if (!take_decision(&text, &decision)) return {};
    s.decisions.push_back(decision);
  }
  return text.empty() ? std::optional(std::move(s)) : std::nullopt;
}

std::string name_of(std::string_view text) { return fmt::format("{:016x}.schedule", digest(text)); }

std::vector<tape::Record> decisions_on(const trace::TapeFile& tape) {
  std::vector<tape::Record> out;
  const tape::Control& control = tape.control();
  trace::RecordView record;
  for (uint64_t at = 0; at < control.written && record.parse({tape.at(at), control.written - at}); at += record.size()) {
    const tape::Record& head = record.head();
    if (head.kind == tape::kDecisions) {
      append_packed(out, static_cast<uint64_t>(head.value), head.check);
    } else if (head.kind & tape::kWithDecisions) {
      append_packed(out, head.check, tape::carried(head.check));
    } else if (trace::is_decision(head.kind)) {
      append(out, head);
    }
  }
  const bool pending = control.packed.check != 0 && control.packed_at == control.written;
  if (pending) append_packed(out, static_cast<uint64_t>(control.packed.value), control.packed.check);
  return out;
}

}  // namespace reprise::fuzz
