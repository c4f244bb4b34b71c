// Lines of /proc/self/maps, and the file of this process.
#include "runtime/sys/mappings.h"

#include <gtest/gtest.h>

namespace reprise::rt {
namespace {

TEST(Mappings, a_line_of_a_library_is_understood) {
  Mapping m;
  ASSERT_TRUE(parse_mapping("7f7e1c000000-7f7e1c021000 r-xp 00026000 fe:00 332835                     /usr/lib/a b.so", &m));
  EXPECT_EQ(m.begin, 0x7f7e1c000000u);
  EXPECT_EQ(m.end, 0x7f7e1c021000u);
  EXPECT_TRUE(m.readable && m.executable && m.of_file);
  EXPECT_FALSE(m.writable || m.shared);
  EXPECT_EQ(m.name, "/usr/lib/a b.so");
}

TEST(Mappings, a_line_without_a_name_is_understood) {
  Mapping m;
  ASSERT_TRUE(parse_mapping("560000000000-560000021000 rw-s 00000000 00:00 0 ", &m));
  EXPECT_TRUE(m.readable && m.writable && m.shared);
  EXPECT_FALSE(m.executable || m.of_file);
  EXPECT_EQ(m.name, "");
}

TEST(Mappings, what_is_no_line_is_refused) {
  Mapping m;
  for (const char* line : {"", "12", "12-", "12-34", "12-3x rw-p 0 0:0 0", "12-34 rw 0 0:0 0", "12-34 rw-p 0 0:0"}) {
    EXPECT_FALSE(parse_mapping(line, &m)) << line;
  }
}

TEST(Mappings, those_of_this_process_hold_its_variables) {
  static int variable;
  Mappings mappings;
  ASSERT_TRUE(mappings.open());
  bool found = false;
  uintptr_t before = 0;
  for (Mapping m; mappings.next(&m); before = m.end) {
    EXPECT_GE(m.begin, before);
    const auto at = reinterpret_cast<uintptr_t>(&variable);
    found = found || (at >= m.begin && at < m.end && m.writable);
  }
  EXPECT_TRUE(found);
  EXPECT_TRUE(mappings.complete());
}

}  // namespace
}  // namespace reprise::rt
