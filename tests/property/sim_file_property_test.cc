// The simulated file system against the kernel's: random programs on a few names and descriptors give the same
// results on both. The simulated one lies over an empty folder.
//
// A program has up to 60 calls; 500 programs. A difference that one program in 100 would show is missed with a
// probability of 0.007.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "runtime/sim/sim.h"
#include "runtime/sys/syscall.h"

namespace reprise {
namespace {

constexpr int kSlots = 3;
// Relative to the root; some go through links and folders that may be there.
constexpr const char* kPaths[] = {"a", "b", "d", "d/a", "d/b", "d/e", "d/e/a", "l", "l/a", "d/../a", "d/"};
constexpr int kFlags[] = {O_RDONLY,
                          O_RDWR | O_CREAT,
                          O_RDWR | O_CREAT | O_EXCL,
                          O_WRONLY | O_TRUNC,
                          O_WRONLY | O_CREAT | O_APPEND,
                          O_RDONLY | O_DIRECTORY,
                          O_RDWR | O_NOFOLLOW};

class World {
 public:
  explicit World(bool simulated) : simulated_(simulated) {
    fds_.fill(-1);
    char folder[] = "/tmp/reprise-sim-XXXXXX";
    root_ = std::filesystem::canonical(mkdtemp(folder)).string() + "/";
  }
  ~World() {
    for (int slot = 0; slot < kSlots; ++slot) close(slot);
    std::filesystem::remove_all(root_);
  }

  template <class... Args>
  long call(long nr, Args... args) {
    if (!simulated_) return rt::sys::call_kernel(nr, args...);
    const long words[6] = {rt::sys::as_word(args)...};
    return sim::wants(nr, words) ? sim::call(nr, words) : rt::sys::call_kernel(nr, args...);
  }

  std::string at(int path) const { return root_ + kPaths[path]; }
  bool open_at(int slot) const { return fds_[slot] >= 0; }

  long open(int slot, int path, int flags) {
    close(slot);
    const long fd = call(SYS_openat, AT_FDCWD, at(path).c_str(), kFlags[flags], 0640);
    fds_[slot] = static_cast<int>(fd);
    struct stat info {};
    folders_[slot] = fd >= 0 && call(SYS_fstat, fd, &info) == 0 && S_ISDIR(info.st_mode);
    return fd < 0 ? fd : 0;
  }
  long close(int slot) {
    if (!open_at(slot)) return 0;
    return call(SYS_close, std::exchange(fds_[slot], -1));
  }
  long write(int slot, int size) {
    std::string text(static_cast<size_t>(size), '\0');
    for (char& c : text) c = static_cast<char>('a' + written_++ % 26);
    return call(SYS_write, fds_[slot], text.data(), text.size());
  }
  long pwrite(int slot, int size) {
    const std::string text(static_cast<size_t>(size), 'P');
    return call(SYS_pwrite64, fds_[slot], text.data(), text.size(), size);
  }
  long read(int slot, int size, std::string* text) {
    text->assign(static_cast<size_t>(size), '\0');
    const long got = call(SYS_read, fds_[slot], text->data(), text->size());
    text->resize(got > 0 ? static_cast<size_t>(got) : 0);
    return got;
  }
  long pread(int slot, int size, std::string* text) {
    text->assign(static_cast<size_t>(size), '\0');
    const long got = call(SYS_pread64, fds_[slot], text->data(), text->size(), 2);
    text->resize(got > 0 ? static_cast<size_t>(got) : 0);
    return got;
  }
  // The end of a folder is each file system's own.
  long seek(int slot, int offset, int whence) {
    return call(SYS_lseek, fds_[slot], offset - 4, whence % (folders_[slot] ? 2 : 3));
  }
  long truncate(int slot, int size) { return call(SYS_ftruncate, fds_[slot], size); }
  long rename(int from, int to) { return call(SYS_renameat2, AT_FDCWD, at(from).c_str(), AT_FDCWD, at(to).c_str(), 0); }
  long unlink(int path) { return call(SYS_unlinkat, AT_FDCWD, at(path).c_str(), 0); }
  long rmdir(int path) { return call(SYS_unlinkat, AT_FDCWD, at(path).c_str(), AT_REMOVEDIR); }
  long mkdir(int path) { return call(SYS_mkdirat, AT_FDCWD, at(path).c_str(), 0755); }
  long link(int from, int to) { return call(SYS_linkat, AT_FDCWD, at(from).c_str(), AT_FDCWD, at(to).c_str(), 0); }
  long symlink(int target, int path) { return call(SYS_symlinkat, kPaths[target], AT_FDCWD, at(path).c_str()); }

  // Type, size and links of what is there, the size of files only.
  std::string stat(int path, int flags) {
    struct stat info {};
    const long result = call(SYS_newfstatat, AT_FDCWD, at(path).c_str(), &info, flags);
    if (result < 0) return std::to_string(result);
    const bool directory = S_ISDIR(info.st_mode);
    return std::to_string(info.st_mode & S_IFMT) + " " +
           (directory ? "" : std::to_string(info.st_size) + " " + std::to_string(info.st_nlink));
  }

 private:
  const bool simulated_;
  std::string root_;
  std::array<int, kSlots> fds_;
  std::array<bool, kSlots> folders_{};
  unsigned written_ = 0;
};

enum class Op { open, close, write, pwrite, read, pread, seek, truncate, rename, unlink, rmdir, mkdir, link, symlink, stat, lstat };

struct Step {
  Op op;
  int slot, path, other, size;
};

std::ostream& operator<<(std::ostream& out, const Step& step) {
  return out << "{" << static_cast<int>(step.op) << ", " << step.slot << ", " << kPaths[step.path] << ", "
             << kPaths[step.other] << ", " << step.size << "}";
}

rc::Gen<Step> steps() {
  constexpr int kCount = std::size(kPaths);
  return rc::gen::build<Step>(
      rc::gen::set(&Step::op, rc::gen::weightedElement<Op>({{8, Op::open}, {2, Op::close}, {6, Op::write},
          {2, Op::pwrite}, {5, Op::read}, {2, Op::pread}, {3, Op::seek}, {2, Op::truncate}, {4, Op::rename},
          {3, Op::unlink}, {2, Op::rmdir}, {4, Op::mkdir}, {2, Op::link}, {2, Op::symlink}, {3, Op::stat},
          {3, Op::lstat}})),
      rc::gen::set(&Step::slot, rc::gen::inRange(0, kSlots)), rc::gen::set(&Step::path, rc::gen::inRange(0, kCount)),
      rc::gen::set(&Step::other, rc::gen::inRange(0, kCount)), rc::gen::set(&Step::size, rc::gen::inRange(0, 12)));
}

std::string perform(World& world, const Step& s) {
  std::string text;
  const bool needs_file = s.op >= Op::write && s.op <= Op::truncate;
  if (needs_file && !world.open_at(s.slot)) return "-";
  long result = 0;
  switch (s.op) {
    case Op::open: result = world.open(s.slot, s.path, s.size % static_cast<int>(std::size(kFlags))); break;
    case Op::close: result = world.close(s.slot); break;
    case Op::write: result = world.write(s.slot, s.size); break;
    case Op::pwrite: result = world.pwrite(s.slot, s.size); break;
    case Op::read: result = world.read(s.slot, s.size, &text); break;
    case Op::pread: result = world.pread(s.slot, s.size, &text); break;
    case Op::seek: result = world.seek(s.slot, s.size, s.other); break;
    case Op::truncate: result = world.truncate(s.slot, s.size); break;
    case Op::rename: result = world.rename(s.path, s.other); break;
    case Op::unlink: result = world.unlink(s.path); break;
    case Op::rmdir: result = world.rmdir(s.path); break;
    case Op::mkdir: result = world.mkdir(s.path); break;
    case Op::link: result = world.link(s.path, s.other); break;
    case Op::symlink: result = world.symlink(s.path, s.other); break;
    case Op::stat: text = world.stat(s.path, 0); break;
    case Op::lstat: text = world.stat(s.path, AT_SYMLINK_NOFOLLOW); break;
  }
  return std::to_string(result) + " " + text;
}

void compare(const std::vector<Step>& program) {
  sim::open_world(0);
  {
    World simulated(true), real(false);
    for (size_t i = 0; i < program.size(); ++i) {
      const std::string expected = perform(real, program[i]);
      const std::string actual = perform(simulated, program[i]);
      if (expected == actual) continue;
      RC_LOG() << "at call " << i << ": kernel: " << expected << " simulated: " << actual;
      RC_FAIL("differs");
    }
  }
  sim::close_world();
}

TEST(SimFile, files_are_as_the_kernels) {
  setenv("RC_PARAMS", "max_success=500 seed=20261128", 0);
  EXPECT_TRUE(rc::check([] {
    compare(*rc::gen::resize(60, rc::gen::container<std::vector<Step>>(steps())));
  }));
  sim::close_world();
}

}  // namespace
}  // namespace reprise
