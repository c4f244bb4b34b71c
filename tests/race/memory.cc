// Which bytes an access touches.
#include <cstdint>
#include <cstring>
#include <vector>

#include <reprise/gc.h>

#include "runtime/mem/mallocgc.h"
#include "tests/race/cases.h"

namespace race_cases {
namespace {

int global = 0;

struct Point {
  int x = 0, y = 0;
};

void two_writes() {
  int x = 0;
  together([&] { x = 1; }, [&] { x = 2; });
  use(x);
}
void read_and_write() {
  int x = 0;
  together([&] { x = 1; }, [&] { use(x + 0); });
}
void two_reads() {
  int x = 7;
  together([&] { int y = x; use(y); }, [&] { int y = x; use(y); });
}
void increments() {
  int x = 0;
  together([&] { ++x; }, [&] { ++x; });
  use(x);
}
void two_variables() {
  int x = 0, y = 0;
  together([&] { x = 1; }, [&] { y = 1; });
  use(x), use(y);
}
void two_fields() {
  Point p;
  together([&] { p.x = 1; }, [&] { p.y = 1; });
  use(p);
}
void one_field() {
  Point p;
  together([&] { p.x = 1; }, [&] { p.x = 2; });
  use(p);
}
void neighbouring_bytes() {
  char bytes[8] = {};
  together([&] { bytes[3] = 1; }, [&] { bytes[4] = 1; }, [&] { bytes[5] = 1; });
  use(bytes);
}
void same_byte() {
  char bytes[8] = {};
  together([&] { bytes[3] = 1; }, [&] { bytes[3] = 2; });
  use(bytes);
}
void word_and_byte_of_it() {
  uint64_t word = 0;
  auto* bytes = reinterpret_cast<unsigned char*>(&word);
  together([&] { word = 1; }, [=] { bytes[6] = 1; });
  use(word);
}
void halves_of_a_word() {
  uint64_t word = 0;
  auto* bytes = reinterpret_cast<unsigned char*>(&word);
  const uint32_t ones = ~0u;
  together([=] { std::memcpy(bytes, &ones, 4); }, [=] { std::memcpy(bytes + 4, &ones, 4); });
  use(word);
}
void unaligned_words_that_overlap() {
  unsigned char bytes[16] = {};
  const uint64_t ones = ~0ull;
  together([&] { std::memcpy(bytes + 1, &ones, 8); }, [&] { std::memcpy(bytes + 8, &ones, 8); });
  use(bytes);
}
void unaligned_words_side_by_side() {
  unsigned char bytes[24] = {};
  const uint64_t ones = ~0ull;
  together([&] { std::memcpy(bytes + 1, &ones, 8); }, [&] { std::memcpy(bytes + 9, &ones, 8); });
  use(bytes);
}
void bit_fields_of_one_word() {
  struct {
    unsigned a : 4, b : 4;
  } bits{};
  together([&] { bits.a = 1; }, [&] { bits.b = 1; });
  use(bits);
}
void elements_of_an_array() {
  int array[4] = {};
  together([&] { array[0] = 1; }, [&] { array[1] = 1; }, [&] { array[2] = 1; });
  use(array);
}
void one_element_of_an_array() {
  int array[4] = {};
  volatile int i = 2;
  together([&] { array[i] = 1; }, [&] { array[2] = 1; });
  use(array);
}
void elements_of_a_vector() {
  std::vector<int> v(4);
  together([&] { v[0] = 1; }, [&] { v[3] = 1; });
  use(v);
}
void vectors_size() {
  std::vector<int> v;
  v.reserve(16);
  together([&] { v.push_back(1); }, [&] { use(v.size()); });
}
void copy_and_write_of_a_field() {
  Point p;
  Point q[64] = {};
  together([&] { q[5] = p; }, [&] { p.y = 1; });
  use(q);
}
void copies_of_one_source() {
  Point p, q, r;
  together([&] { q = p; }, [&] { r = p; });
  use(q), use(r);
}
void fill_and_write() {
  char buffer[256] = {};
  volatile size_t size = sizeof buffer;
  together([&] { std::memset(buffer, 1, size); }, [&] { buffer[200] = 2; });
  use(buffer);
}
void copy_and_write() {
  char from[256] = {}, to[256] = {};
  volatile size_t size = sizeof from;
  together([&] { std::memcpy(to, from, size); }, [&] { from[100] = 2; });
  use(to);
}
void copies_of_disjoint_parts() {
  char from[256] = {}, to[256] = {};
  volatile size_t half = 128;
  together([&] { std::memcpy(to, from, half); }, [&] { std::memcpy(to + 128, from + 128, half); });
  use(to);
}
void move_and_read() {
  char buffer[256] = {};
  volatile size_t size = 100;
  together([&] { std::memmove(buffer + 50, buffer, size); }, [&] { use(buffer[149] + 0); });
}
void a_global() {
  together([] { global = 1; }, [] { global = 2; });
  use(global);
}
void a_volatile() {
  volatile int x = 0;
  together([&] { x = 1; }, [&] { x = 2; });
}
void a_static() {
  static int counter = 0;
  together([] { ++counter; }, [] { ++counter; });
}
void a_thread_local() {
  thread_local int errors = 0;  // goroutines share it, one at a time: not looked at
  together([] { ++errors; }, [] { ++errors; });
}

// ---- the collected heap ----

int* collected() { return static_cast<int*>(reprise::rt::mallocgc(sizeof(int), nullptr, true)); }

// Nothing orders the two, but the second may get the places of the first's dead objects.
void in_the_place_of_a_dead_object() {
  const auto some = [] {
    for (int i = 0; i < 8; ++i) *collected() = i;
  };
  together(
      [some] {
        some();
        reprise::gc::collect();
        some();
      },
      some);
}
// Smaller than 16 bytes, they would share a block.
void small_collected_objects() {
  together([] { *collected() = 1; }, [] { *collected() = 2; }, [] { *collected() = 3; });
}
void one_collected_object() {
  int* const shared = collected();
  together([shared] { *shared = 1; }, [shared] { *shared = 2; });
}

constexpr Case kCases[] = {
    {"two_writes", true, two_writes},
    {"read_and_write", true, read_and_write},
    {"two_reads", false, two_reads},
    {"increments", true, increments},
    {"two_variables", false, two_variables},
    {"two_fields", false, two_fields},
    {"one_field", true, one_field},
    {"neighbouring_bytes", false, neighbouring_bytes},
    {"same_byte", true, same_byte},
    {"word_and_byte_of_it", true, word_and_byte_of_it},
    {"halves_of_a_word", false, halves_of_a_word},
    {"unaligned_words_that_overlap", true, unaligned_words_that_overlap},
    {"unaligned_words_side_by_side", false, unaligned_words_side_by_side},
    {"bit_fields_of_one_word", true, bit_fields_of_one_word},
    {"elements_of_an_array", false, elements_of_an_array},
    {"one_element_of_an_array", true, one_element_of_an_array},
    {"elements_of_a_vector", false, elements_of_a_vector},
    {"vectors_size", true, vectors_size},
    {"copy_and_write_of_a_field", true, copy_and_write_of_a_field},
    {"copies_of_one_source", false, copies_of_one_source},
    {"fill_and_write", true, fill_and_write},
    {"copy_and_write", true, copy_and_write},
    {"copies_of_disjoint_parts", false, copies_of_disjoint_parts},
    {"move_and_read", true, move_and_read},
    {"a_global", true, a_global},
    {"a_volatile", true, a_volatile},
    {"a_static", true, a_static},
    {"a_thread_local", false, a_thread_local},
    {"in_the_place_of_a_dead_object", false, in_the_place_of_a_dead_object},
    {"small_collected_objects", false, small_collected_objects},
    {"one_collected_object", true, one_collected_object},
};

}  // namespace

std::span<const Case> memory_cases() { return kCases; }

}  // namespace race_cases
