// Hash of registers, and the few instructions that matter to preemption.
#include "runtime/stage/preempt_key.h"

#include "runtime/stage/hash.h"

namespace reprise::stage {
namespace {

// Everything but rsp, which the key has, and rip.
constexpr int kGeneral[] = {REG_RAX, REG_RBX, REG_RCX, REG_RDX, REG_RSI, REG_RDI, REG_RBP, REG_R8,
                            REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

// The XSAVE image in a signal frame: legacy area, header, then components where the CPU says.
constexpr uint32_t kControlWord = 0, kMxcsr = 24, kXmm = 160, kXmmBytes = 256;
constexpr uint32_t kSoftwareMagic = 464, kInUse = 512;
constexpr uint32_t kXsaveMagic = 0x46505853;
constexpr uint32_t kVectorComponents[] = {2, 5, 6, 7};  // AVX; AVX-512's masks, upper halves, upper 16
constexpr uint32_t kComponents = 8;

struct Place {
  uint32_t offset, size;
};
Place places[kComponents];
bool places_known = false;

void learn_places() {
  for (const uint32_t i : kVectorComponents) {
    uint32_t size = 13, offset, c = i, d;
    asm volatile("cpuid" : "+a"(size), "=b"(offset), "+c"(c), "=d"(d));
    places[i] = {offset, size};
  }
  places_known = true;
}

bool all_zero(const uint8_t* at, uint32_t size) {
  uint64_t any = 0;
  for (uint32_t i = 0; i < size; i += 8) any |= load64(at + i);
  return any == 0;
}

uint64_t hash_component(uint64_t hash, const uint8_t* image, uint32_t i) {
  const uint8_t* at = image + places[i].offset;
  return all_zero(at, places[i].size) ? hash : mix_bytes(mix(hash, i), at, places[i].size);
}

uint64_t hash_vectors(uint64_t hash, const uint8_t* image) {
  uint32_t mxcsr, magic;
  uint16_t control_word;
  __builtin_memcpy(&control_word, image + kControlWord, sizeof control_word);
  __builtin_memcpy(&mxcsr, image + kMxcsr, sizeof mxcsr);
  __builtin_memcpy(&magic, image + kSoftwareMagic, sizeof magic);
  hash = mix(hash, uint64_t{mxcsr} << 16 | control_word);
  hash = mix_bytes(hash, image + kXmm, kXmmBytes);
  if (magic != kXsaveMagic) return hash;
  if (!places_known) learn_places();
  const uint64_t in_use = load64(image + kInUse);
  for (const uint32_t i : kVectorComponents) {
    if (in_use >> i & 1) hash = hash_component(hash, image, i);
  }
  return hash;
}

}  // namespace

tape::PreemptKey key_of(const ucontext_t* context, uint64_t pc) {
  const greg_t* g = context->uc_mcontext.gregs;
  uint64_t hash = 1;
  for (const int i : kGeneral) hash = mix(hash, g[i]);
  hash = hash_vectors(hash, reinterpret_cast<const uint8_t*>(context->uc_mcontext.fpregs));
  return {pc, static_cast<uint64_t>(g[REG_RSP]), static_cast<uint64_t>(g[REG_RCX]),
          static_cast<uint64_t>(g[REG_EFL]) & kProgramFlags, hash};
}

bool same_key(const tape::PreemptKey& a, const tape::PreemptKey& b) {
  return a.pc == b.pc && a.sp == b.sp && a.rcx == b.rcx && a.registers == b.registers;
}

uint32_t repeated_string_bytes(const uint8_t* code) {
  bool repeated = false;
  for (uint32_t i = 0; i < 5; ++i) {
    const uint8_t b = code[i];
    if (b == 0xf3 || b == 0xf2) {
      repeated = true;
    } else if ((b >= 0xa4 && b <= 0xa7) || (b >= 0xaa && b <= 0xaf)) {
      return repeated ? i + 1 : 0;
    } else if (b != 0x66 && b != 0x67 && (b & 0xf0) != 0x40) {
      return 0;
    }
  }
  return 0;
}

}  // namespace reprise::stage
