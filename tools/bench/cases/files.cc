// Reading a file that the kernel has in memory.
#include <reprise/os.h>
#include <reprise/panic.h>

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "tools/bench/cases/case.h"

namespace reprise::bench {

namespace {

constexpr size_t kBlock = 4096;
constexpr uint64_t kBlocks = 256;  // a megabyte

// A file of blocks, each filled with its number; removed with this object.
class Blocks {
 public:
  Blocks() : path_(os::getenv("TMPDIR").value_or("/tmp") + "/reprise-bench-XXXXXX") {
    const int fd = mkostemp(path_.data(), O_CLOEXEC);
    if (fd < 0) panic("the case file_read needs a folder for temporary files");
    file_ = *os::open(path_, O_RDWR);
    ::close(fd);
    for (uint64_t i = 0; i < kBlocks; ++i) {
      if (!file_.write_all(std::string(kBlock, static_cast<char>(i))).ok()) panic("the temporary file cannot be written");
    }
  }
  ~Blocks() { (void)os::remove(path_); }
  os::File& file() { return file_; }

 private:
  std::string path_;
  os::File file_;
};

}  // namespace

void file_read(Run& run) {
  Blocks blocks;
  char block[kBlock];
  uint64_t right = 0;
  run.start();
  for (uint64_t i = 0; i < run.ops; ++i) {
    const uint64_t at = i % kBlocks;
    const auto got = blocks.file().read_at(block, kBlock, static_cast<int64_t>(at * kBlock));
    if (got.ok() && *got == kBlock && static_cast<uint8_t>(block[i % kBlock]) == at) ++right;
  }
  run.stop();
  run.check(right == run.ops, "file_read: every block is the right one");
}

}  // namespace reprise::bench
