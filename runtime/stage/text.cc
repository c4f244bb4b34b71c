// Strings and numbers as text, and the memory functions that the compiler calls by itself.
//
// memcpy and memset use the string instructions above 64 bytes, where microcode is fast, and
// words below, where its start-up would dominate a record of the tape.
#include "runtime/stage/text.h"

#include "runtime/stage/raw.h"
#include "runtime/stage/stage.h"

extern "C" {

void* memcpy(void* to, const void* from, size_t size) {
  void* const result = to;
  if (size <= 64) {
    auto* d = static_cast<uint8_t*>(to);
    auto* s = static_cast<const uint8_t*>(from);
    for (; size >= 8; size -= 8, d += 8, s += 8) {
      uint64_t word;
      __builtin_memcpy(&word, s, 8);
      __builtin_memcpy(d, &word, 8);
    }
    for (; size; --size) {
      *d++ = *s++;
      asm volatile("");  // or the compiler turns the loop into a call of memcpy
    }
    return result;
  }
  asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size)::"memory");
  return result;
}

void* memmove(void* to, const void* from, size_t size) {
  if (to <= from || static_cast<const char*>(from) + size <= to) return memcpy(to, from, size);
  auto* d = static_cast<uint8_t*>(to) + size;
  auto* s = static_cast<const uint8_t*>(from) + size;
  for (; size; --size) {
    *--d = *--s;
    asm volatile("");
  }
  return to;
}

void* memset(void* to, int byte, size_t size) {
  void* const result = to;
  asm volatile("rep stosb" : "+D"(to), "+c"(size) : "a"(byte) : "memory");
  return result;
}

int memcmp(const void* a, const void* b, size_t size) {
  auto* x = static_cast<const uint8_t*>(a);
  auto* y = static_cast<const uint8_t*>(b);
  for (; size; --size, ++x, ++y) {
    if (*x != *y) return *x - *y;
  }
  return 0;
}

}  // extern "C"

namespace reprise::stage {

size_t length(const char* text) {
  size_t n = 0;
  while (text[n]) ++n;
  return n;
}

bool equal(const char* a, const char* b) { return starts_with(a, b) && length(a) == length(b); }

bool starts_with(const char* text, const char* prefix) {
  for (; *prefix; ++prefix, ++text) {
    if (*text != *prefix) return false;
  }
  return true;
}

bool contains(const char* text, const char* part) {
  for (; *text; ++text) {
    if (starts_with(text, part)) return true;
  }
  return false;
}

void Text::put(char c) {
  if (at_ == end_) return;
  *at_++ = c;
  *at_ = 0;
}

void Text::digits(uint64_t number, unsigned base) {
  char reversed[24];
  int n = 0;
  do reversed[n++] = "0123456789abcdef"[number % base];
  while (number /= base);
  while (n) put(reversed[--n]);
}

Text& Text::operator<<(const char* text) {
  for (text = text ? text : "(null)"; *text; ++text) put(*text);
  return *this;
}

Text& Text::operator<<(int64_t number) {
  if (number < 0) put('-');
  digits(number < 0 ? 0 - static_cast<uint64_t>(number) : static_cast<uint64_t>(number), 10);
  return *this;
}

Text& Text::operator<<(uint64_t number) {
  digits(number, 10);
  return *this;
}

Text& Text::hex(uint64_t number) {
  *this << "0x";
  digits(number, 16);
  return *this;
}

void say(const char* text) { raw(SYS_write, report_fd, text, length(text)); }

}  // namespace reprise::stage
