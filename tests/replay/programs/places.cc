// Where the kernel writes: scattered buffers, messages, big reads; and what a program may not touch.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <vector>

namespace {

void say(const char* what, long result) {
  const int error = errno;
  std::printf("%s %ld %d\n", what, result, result < 0 ? error : 0);
}

void scattered() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends)) return;
  char a[3] = {}, b[16] = {};
  iovec out = {const_cast<char*>("xyz"), 3}, in[2] = {{a, 2}, {b, 8}};
  mmsghdr messages[2] = {};
  messages[0].msg_hdr.msg_iov = messages[1].msg_hdr.msg_iov = &out;
  messages[0].msg_hdr.msg_iovlen = messages[1].msg_hdr.msg_iovlen = 1;
  say("sendmmsg", sendmmsg(ends[0], messages, 2, 0));
  say("readv", readv(ends[1], in, 2));
  std::printf("%s %s %u %u\n", a, b, messages[0].msg_len, messages[1].msg_len);
}

// Longer than a record of the tape may be.
void big_read() {
  std::vector<char> bytes(5 << 20);
  const int fd = open("/dev/urandom", O_RDONLY);
  size_t have = 0;
  for (ssize_t n; have < bytes.size() && (n = read(fd, &bytes[have], bytes.size() - have)) > 0;) have += n;
  uint64_t hash = 0;
  for (char c : bytes) hash = hash * 31 + static_cast<unsigned char>(c);
  std::printf("read %zu %llx\n", have, static_cast<unsigned long long>(hash));
  close(fd);
}

void reused_addresses() {
  constexpr size_t kSize = 1 << 20;
  const auto map = [](size_t size, int flags) {
    return mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
  };
  void* first = map(kSize, 0);
  munmap(first, kSize);
  void* second = map(kSize, 0);
  std::printf("reused %d\n", first == second);
  std::memset(second, 7, kSize);
  auto* grown = static_cast<char*>(mremap(second, kSize, 3 * kSize, MREMAP_MAYMOVE));
  std::printf("grown %d %d\n", grown[kSize - 1], grown[3 * kSize - 1]);
  std::printf("low %d\n", reinterpret_cast<uintptr_t>(map(4096, MAP_32BIT)) < 1ull << 31);
}

void forbidden() {
  auto* const stage = reinterpret_cast<void*>(0x7e90'0000'0000), *tape = reinterpret_cast<void*>(0x7ea0'0000'0000);
  say("munmap of the stage", munmap(stage, 4096));
  say("mprotect of the stage", mprotect(stage, 4096, PROT_NONE));
  const void* at = mmap(tape, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  std::printf("mmap of the tape refused %d\n", at == MAP_FAILED);
  int closed = 0;
  for (int fd = 890; fd < 920; ++fd) closed += close(fd) == 0;
  std::printf("closed %d\n", closed);
  say("close_range", syscall(SYS_close_range, 3, ~0u, 0));
  say("dup2", dup2(1, 900) == 900 ? 1 : 0);
}

}  // namespace

int main() {
  scattered();
  big_read();
  reused_addresses();
  forbidden();
}
