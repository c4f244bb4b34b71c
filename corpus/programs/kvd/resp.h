// RESP2, the protocol between kvd and its clients: requests are parsed, replies appended.
//
// Thread safety: none; each connection has its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kvd {

// Parses requests out of a buffer that the connection fills. Requests are arrays of bulk strings,
// or lines of words (inline commands). Arguments are views into the buffer.
class RequestParser {
 public:
  enum class Outcome { need_more, request, protocol_error };

  // Room for at least `bytes`, to read into; commit() what was read. Invalidates arguments.
  char* reserve(size_t bytes);
  void commit(size_t bytes) { end_ += bytes; }

  // The next whole request. An empty argument list is a request that wants no answer.
  Outcome next();
  const std::vector<std::string_view>& arguments() const { return arguments_; }
  // After protocol_error: what Redis says.
  const std::string& error() const { return error_; }

 private:
  bool line(size_t* at, std::string_view* text);
  Outcome fail(std::string text);
  Outcome inline_request();
  Outcome array_request();
  Outcome bulk(size_t* at, std::string_view* argument);

  std::vector<char> buffer_;
  size_t begin_ = 0;  // unparsed bytes are [begin_, end_)
  size_t end_ = 0;
  std::vector<std::string_view> arguments_;
  std::vector<std::string> inline_words_;  // unquoted, so not views into the buffer
  std::string error_;
};

// Replies, one appended to the other.
class Reply {
 public:
  void simple(std::string_view text) { line('+', text); }
  void error(std::string_view text) { line('-', text); }
  void integer(int64_t value);
  void bulk(std::string_view text);
  void null() { bytes_ += "$-1\r\n"; }
  void array(size_t count);

  std::string_view bytes() const { return bytes_; }
  bool empty() const { return bytes_.empty(); }
  void clear() { bytes_.clear(); }

 private:
  void line(char kind, std::string_view text);

  std::string bytes_;
};

}  // namespace kvd
