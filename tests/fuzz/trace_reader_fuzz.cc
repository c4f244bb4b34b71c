// Fuzzes the trace reader: any bytes are a file, and reading it to its end must neither crash nor need
// much memory. Two targets in one: the whole file, and the two messages of a chunk past the checksum,
// which random bytes would never pass.
//
// With libFuzzer: cmake -DREPRISE_FUZZ=ON and clang. Without: trace_fuzz_corpus runs the corpus and
// mutations of it (tests/fuzz/run_corpus.cc).
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <vector>

#include "replay/chunk_reader.h"
#include "replay/trace_reader.h"

namespace {

using namespace reprise::trace;

void read_file(const uint8_t* data, size_t size) {
  static int fd = memfd_create("trace", MFD_CLOEXEC);
  if (ftruncate(fd, 0) != 0 || pwrite(fd, data, size, 0) != static_cast<ssize_t>(size)) return;
  TraceReader reader;
  if (reader.open(fd, "fuzz")) return;
  DecodedChunk chunk;
  for (bool more = true; more;) {
    if (reader.next(chunk, &more)) return;
  }
}

void read_chunk(const uint8_t* data, size_t size) {
  std::vector<uint64_t> words(size / 8);
  if (!words.empty()) std::memcpy(words.data(), data, words.size() * 8);
  size_t inputs = words.empty() ? 0 : words[0] % words.size();
  std::span<const uint64_t> all(words);
  DecodedChunk chunk;
  std::string why;
  if (!words.empty()) decode_chunk(all.subspan(1, inputs), all.subspan(1 + inputs), chunk, &why);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  if (data[0] == 'R') read_file(data, size);
  else read_chunk(data + 1, size - 1);
  return 0;
}
