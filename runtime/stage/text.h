// Strings without a libc, and the text that the stage writes.
//
// Thread safety: a Text belongs to its user; say() is one write(2).
#pragma once

#include <cstddef>
#include <cstdint>

extern "C" {
void* memcpy(void* to, const void* from, size_t size);
void* memmove(void* to, const void* from, size_t size);
void* memset(void* to, int byte, size_t size);
int memcmp(const void* a, const void* b, size_t size);
}

namespace reprise::stage {

size_t length(const char* text);
bool equal(const char* a, const char* b);
bool starts_with(const char* text, const char* prefix);
bool contains(const char* text, const char* part);

// A bounded, always terminated piece of text; what does not fit is dropped.
class Text {
 public:
  Text(char* buffer, size_t capacity) : at_(buffer), end_(buffer + capacity - 1) { *at_ = 0; }
  Text& operator<<(const char* text);
  Text& operator<<(int64_t number);
  Text& operator<<(uint64_t number);
  Text& operator<<(int number) { return *this << int64_t{number}; }
  Text& operator<<(uint32_t number) { return *this << uint64_t{number}; }
  Text& hex(uint64_t number);

 private:
  void put(char c);
  void digits(uint64_t number, unsigned base);
  char* at_;
  char* end_;
};

// A Text with its own room.
struct Line : Text {
  Line() : Text(text, sizeof text) {}
  char text[1024];
};

void say(const char* text);  // to the report descriptor

}  // namespace reprise::stage
