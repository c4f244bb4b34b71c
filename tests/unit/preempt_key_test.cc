// What a preemption's key sees of a thread's registers, and repeated string instructions.
#include "runtime/stage/preempt_key.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>

namespace reprise::stage {
namespace {

// A signal frame without an extended area.
struct Frame {
  Frame() {
    std::memset(&context, 0, sizeof context);
    image.fill(0);
    context.uc_mcontext.fpregs = reinterpret_cast<fpregset_t>(image.data());
  }
  alignas(64) std::array<unsigned char, 512> image;
  ucontext_t context;
};

constexpr uint64_t kPc = 0x1000;

TEST(PreemptKey, every_general_register_counts) {
  const Frame before;
  const tape::PreemptKey key = key_of(&before.context, kPc);
  for (int which = REG_R8; which <= REG_RSP; ++which) {
    Frame after;
    after.context.uc_mcontext.gregs[which] = 1;
    EXPECT_FALSE(same_key(key, key_of(&after.context, kPc))) << which;
  }
}

TEST(PreemptKey, every_vector_register_and_control_word_counts) {
  const Frame before;
  const tape::PreemptKey key = key_of(&before.context, kPc);
  for (size_t byte = 160; byte < 416; byte += 4) {
    Frame after;
    after.image[byte] = 1;
    EXPECT_FALSE(same_key(key, key_of(&after.context, kPc))) << byte;
  }
  for (const size_t byte : {0, 24}) {
    Frame after;
    after.image[byte] = 1;
    EXPECT_FALSE(same_key(key, key_of(&after.context, kPc))) << byte;
  }
}

TEST(PreemptKey, flags_are_kept_and_not_compared) {
  Frame frame;
  const tape::PreemptKey without = key_of(&frame.context, kPc);
  frame.context.uc_mcontext.gregs[REG_EFL] = 0x100 | 0x1;  // trap and carry
  const tape::PreemptKey with = key_of(&frame.context, kPc);
  EXPECT_TRUE(same_key(without, with));
  EXPECT_EQ(with.flags, 1u);
}

TEST(PreemptKey, another_instruction_is_another_key) {
  const Frame frame;
  EXPECT_FALSE(same_key(key_of(&frame.context, kPc), key_of(&frame.context, kPc + 1)));
}

TEST(RepeatedString, length_includes_every_prefix) {
  const uint8_t movsb[] = {0xf3, 0xa4, 0x90, 0x90, 0x90};
  const uint8_t movsq[] = {0xf3, 0x48, 0xa5, 0x90, 0x90};
  const uint8_t scasb[] = {0xf2, 0xae, 0x90, 0x90, 0x90};
  const uint8_t stosw[] = {0x66, 0xf3, 0xab, 0x90, 0x90};
  EXPECT_EQ(repeated_string_bytes(movsb), 2u);
  EXPECT_EQ(repeated_string_bytes(movsq), 3u);
  EXPECT_EQ(repeated_string_bytes(scasb), 2u);
  EXPECT_EQ(repeated_string_bytes(stosw), 3u);
}

TEST(RepeatedString, single_ones_and_other_uses_of_the_prefix_are_none) {
  const uint8_t single[] = {0x48, 0xa5, 0x90, 0x90, 0x90};
  const uint8_t tzcnt[] = {0xf3, 0x0f, 0xbc, 0xc0, 0x90};
  const uint8_t pause[] = {0xf3, 0x90, 0x90, 0x90, 0x90};
  EXPECT_EQ(repeated_string_bytes(single), 0u);
  EXPECT_EQ(repeated_string_bytes(tzcnt), 0u);
  EXPECT_EQ(repeated_string_bytes(pause), 0u);
}

}  // namespace
}  // namespace reprise::stage
