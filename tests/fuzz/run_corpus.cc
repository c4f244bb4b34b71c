// Runs a fuzz target without a fuzzer: on every corpus file given, and on mutations of it, the same ones
// every time. What a fuzzer finds goes into the corpus, and this keeps it fixed under every compiler.
//
//   run_corpus MUTATIONS FILE...
#include <xxhash.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "tests/support/random_tape.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

using reprise::test::Random;

void run(const std::string& bytes) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
}

// Makes each frame's checksum right again, so that mutations get past it.
void repair(std::string& bytes) {
  for (size_t at = 0; at + 32 <= bytes.size();) {
    uint32_t stored = 0;
    std::memcpy(&stored, &bytes[at + 12], sizeof stored);
    if (stored > bytes.size() - at - 32) return;
    std::string covered = bytes.substr(at, 24) + bytes.substr(at + 32, stored);
    uint64_t sum = XXH3_64bits(covered.data(), covered.size());
    std::memcpy(&bytes[at + 24], &sum, sizeof sum);
    at += 32 + stored;
  }
}

std::string mutate(std::string bytes, Random& random) {
  static constexpr uint8_t kTelling[] = {0, 1, 0x7f, 0x80, 0xff};
  for (uint64_t n = 1 + random.below(4); n > 0 && !bytes.empty(); --n) {
    size_t at = random.below(bytes.size());
    switch (random.below(5)) {
      case 0: bytes[at] = static_cast<char>(bytes[at] ^ 1 << random.below(8)); break;
      case 1: bytes[at] = static_cast<char>(kTelling[random.below(5)]); break;
      case 2: bytes.erase(at, random.below(64)); break;
      case 3: bytes.insert(at, bytes.substr(random.below(bytes.size()), random.below(64))); break;
      case 4: bytes.resize(at); break;
    }
  }
  if (random.below(2) == 0) repair(bytes);
  return bytes;
}

}  // namespace

int main(int argc, char** argv) {
  uint64_t mutations = argc > 1 ? std::strtoull(argv[1], nullptr, 0) : 0;
  for (int i = 2; i < argc; ++i) {
    std::string bytes = reprise::test::read_file(argv[i]);
    if (bytes.empty()) return std::fprintf(stderr, "%s: nothing to read\n", argv[i]), 1;
    run(bytes);
    Random random(1);
    for (uint64_t n = 0; n < mutations; ++n) run(mutate(bytes, random));
  }
  std::printf("%d files, %llu mutations each\n", argc - 2, static_cast<unsigned long long>(mutations));
  return argc > 2 ? 0 : 1;
}
