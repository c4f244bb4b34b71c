// RESP2. Limits and texts of errors are those of Redis 7, since its clients know them.
#include "corpus/programs/kvd/resp.h"

#include <charconv>
#include <cstring>

namespace kvd {
namespace {

constexpr size_t kMaxInline = 64 << 10;
constexpr int64_t kMaxArguments = 1 << 20;
constexpr int64_t kMaxBulk = 512 << 20;

bool parse_integer(std::string_view text, int64_t* value) {
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && stop == text.data() + text.size() && !text.empty();
}

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

// One word of an inline command, quoted or not. False: quotes do not match.
bool take_word(std::string_view text, size_t* at, std::string* word) {
  word->clear();
  const char quote = text[*at] == '"' || text[*at] == '\'' ? text[*at] : '\0';
  if (!quote) {
    while (*at < text.size() && !is_space(text[*at])) word->push_back(text[(*at)++]);
    return true;
  }
  for (++*at; *at < text.size(); ++*at) {
    const char c = text[*at];
    if (c == quote) {
      ++*at;
      return *at == text.size() || is_space(text[*at]);  // closing quotes end a word
    }
    const bool escaped = c == '\\' && *at + 1 < text.size() &&
                         (quote == '"' || text[*at + 1] == '\'');
    if (escaped) ++*at;
    const char e = text[*at];
    word->push_back(!escaped || quote == '\'' ? e : e == 'n' ? '\n' : e == 'r' ? '\r' : e == 't' ? '\t' : e);
  }
  return false;
}

}  // namespace

char* RequestParser::reserve(size_t bytes) {
  if (begin_ == end_) begin_ = end_ = 0;
  if (buffer_.size() - end_ < bytes) {
    if (begin_ > 0) std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
    if (buffer_.size() - end_ < bytes) buffer_.resize(std::max(end_ + bytes, buffer_.size() * 2));
  }
  return buffer_.data() + end_;
}

// The line that starts at *at, without its end; *at moves behind it. False: not there yet.
bool RequestParser::line(size_t* at, std::string_view* text) {
  const char* from = buffer_.data() + *at;
  const char* newline = static_cast<const char*>(std::memchr(from, '\n', end_ - *at));
  if (!newline) return false;
  size_t length = static_cast<size_t>(newline - from);
  *at += length + 1;
  if (length > 0 && from[length - 1] == '\r') --length;
  *text = {from, length};
  return true;
}

RequestParser::Outcome RequestParser::fail(std::string text) {
  error_ = "ERR Protocol error: " + std::move(text);
  return Outcome::protocol_error;
}

RequestParser::Outcome RequestParser::inline_request() {
  size_t at = begin_;
  std::string_view text;
  if (!line(&at, &text)) {
    return end_ - begin_ > kMaxInline ? fail("too big inline request") : Outcome::need_more;
  }
  inline_words_.clear();
  for (size_t i = 0; i < text.size();) {
    if (is_space(text[i])) {
      ++i;
      continue;
    }
    if (!take_word(text, &i, &inline_words_.emplace_back())) return fail("unbalanced quotes in request");
  }
  arguments_.assign(inline_words_.begin(), inline_words_.end());
  begin_ = at;
  return Outcome::request;
}

RequestParser::Outcome RequestParser::bulk(size_t* at, std::string_view* argument) {
  std::string_view head;
  if (!line(at, &head)) {
    return end_ - *at > kMaxInline ? fail("too big bulk count string") : Outcome::need_more;
  }
  if (!head.starts_with('$')) {
    return fail("expected '$', got '" + std::string(head.empty() ? " " : head.substr(0, 1)) + "'");
  }
  int64_t length = 0;
  if (!parse_integer(head.substr(1), &length) || length < 0 || length > kMaxBulk) {
    return fail("invalid bulk length");
  }
  const size_t size = static_cast<size_t>(length);
  if (end_ - *at < size + 2) return Outcome::need_more;
  *argument = {buffer_.data() + *at, size};
  *at += size + 2;
  return Outcome::request;
}

RequestParser::Outcome RequestParser::array_request() {
  size_t at = begin_;
  std::string_view head;
  if (!line(&at, &head)) {
    return end_ - begin_ > kMaxInline ? fail("too big mbulk count string") : Outcome::need_more;
  }
  int64_t count = 0;
  if (!parse_integer(head.substr(1), &count) || count > kMaxArguments) {
    return fail("invalid multibulk length");
  }
  arguments_.clear();
  for (int64_t i = 0; i < count; ++i) {
    const Outcome outcome = bulk(&at, &arguments_.emplace_back());
    if (outcome != Outcome::request) return outcome;
  }
  begin_ = at;
  return Outcome::request;
}

RequestParser::Outcome RequestParser::next() {
  arguments_.clear();
  if (begin_ == end_) return Outcome::need_more;
  return buffer_[begin_] == '*' ? array_request() : inline_request();
}

void Reply::line(char kind, std::string_view text) {
  bytes_ += kind;
  bytes_ += text;
  bytes_ += "\r\n";
}

void Reply::integer(int64_t value) {
  char digits[24];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, value);
  line(':', {digits, static_cast<size_t>(end - digits)});
}

void Reply::bulk(std::string_view text) {
  char digits[24];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, text.size());
  line('$', {digits, static_cast<size_t>(end - digits)});
  bytes_ += text;
  bytes_ += "\r\n";
}

void Reply::array(size_t count) { line('*', std::to_string(count)); }

}  // namespace kvd
