// Shared writable mappings of a file that nobody else has: two mappings of one file, the program's own
// calls on the file, growing, shrinking, moving, a child that executes something.
#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

constexpr size_t kPage = 4096;

int file() {
  static FILE* f = std::tmpfile();
  return fileno(f);
}

char* map(size_t pages, size_t first) {
  void* at = mmap(nullptr, pages * kPage, PROT_READ | PROT_WRITE, MAP_SHARED, file(), static_cast<off_t>(first * kPage));
  if (at == MAP_FAILED) std::abort();
  return static_cast<char*>(at);
}

uint64_t hash_of(const char* at, size_t size) {
  uint64_t hash = 1;
  for (size_t i = 0; i < size; ++i) hash = (hash ^ static_cast<unsigned char>(at[i])) * 0x100'0000'01b3;
  return hash;
}

void say(const char* what, const char* at, size_t size) {
  std::printf("%s %016lx\n", what, static_cast<unsigned long>(hash_of(at, size)));
}

}  // namespace

int main() {
  const int fd = file();
  char random[64];
  if (getentropy(random, sizeof random) != 0 || pwrite(fd, random, sizeof random, 100) < 0) return 1;
  if (ftruncate(fd, 4 * kPage) != 0) return 1;
  char* a = map(4, 0);
  char* b = map(2, 1);
  say("as the file was", a, 4 * kPage);

  std::strcpy(a + kPage + 8, "by the first mapping");
  std::printf("%s\n", b + 8);
  if (pwrite(fd, "by a call", 9, kPage + 512) != 9) return 1;
  std::printf("%s %s\n", a + kPage + 512, b + 512);
  lseek(fd, 3 * kPage - 4, SEEK_SET);
  const iovec v[2] = {{const_cast<char*>("over two"), 8}, {random, sizeof random}};
  if (writev(fd, v, 2) < 0) return 1;
  say("after writev", a, 4 * kPage);

  char back[21] = {};
  if (pread(fd, back, 20, kPage + 8) != 20) return 1;
  std::printf("the file says: %s\n", back);

  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  if (truncate(path.c_str(), 3 * kPage) != 0 || ftruncate(fd, kPage + 20) != 0) return 1;
  say("shrunk", a, 2 * kPage);
  if (ftruncate(fd, 8 * kPage) != 0) return 1;
  say("grown again", a, 4 * kPage);
  auto* c = static_cast<char*>(mremap(a, 4 * kPage, 8 * kPage, MREMAP_MAYMOVE));
  if (c == MAP_FAILED) return 1;
  std::strcpy(c + 7 * kPage, "at the end");
  if (pwrite(fd, "beside", 6, 6 * kPage) != 6) return 1;
  say("moved", c, 8 * kPage);
  std::printf("still one file: %d\n", std::memcmp(b, c + kPage, 2 * kPage) == 0);

  char* arguments[] = {const_cast<char*>("true"), nullptr};
  pid_t child;
  int status = -1;
  if (posix_spawnp(&child, "true", nullptr, nullptr, arguments, environ) != 0) return 1;
  waitpid(child, &status, 0);
  std::printf("a child that executes something: %d\n", status);

  const int again = open(path.c_str(), O_RDWR | O_TRUNC);
  if (again < 0 || pwrite(again, "anew", 4, 2 * kPage + 7) != 4 || ftruncate(fd, 8 * kPage) != 0) return 1;
  say("emptied and written again", c, 8 * kPage);
  std::strcpy(c + 7 * kPage, "at the end");

  munmap(b, 2 * kPage);
  if (msync(c, 8 * kPage, MS_SYNC) != 0 || pread(fd, back, 10, 7 * kPage) != 10) return 1;
  back[10] = 0;
  std::printf("%s\n", back);
}
