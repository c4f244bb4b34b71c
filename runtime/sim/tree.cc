// The overlay, by canonical path, and its log.
//
// Invariants: `now` holds what differs from the kernel's file system: an inode, or null for a name that was
// taken away. What a directory of this world holds is never looked up in the kernel's. `durable` is `now` as
// of what was synced; `log` leads from one to the other.
#include "runtime/sim/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/syscall.h>

#include <algorithm>
#include <deque>

#include "runtime/sched/proc.h"
#include "runtime/sys/syscall.h"
#include "runtime/time/clock.h"

namespace reprise::sim {

namespace {

using Names = std::map<std::string, InodeRef, std::less<>>;
using rt::sys::call_kernel;

struct Change {
  std::string path;
  InodeRef inode;  // null: taken away
};
using Operation = std::vector<Change>;

struct Tree {
  Names now, durable;
  std::deque<Operation> log;
  std::string cwd;
  // What the kernel said, so that it says the same all the time, and once.
  std::map<std::string, std::optional<struct stat>> lower;
  uint64_t inodes = uint64_t{1} << 40;
};
Tree& tree = *new Tree;

constexpr int kMaxLinks = 40;

void perform(Operation operation) {
  for (const Change& change : operation) tree.now[change.path] = change.inode;
  tree.log.push_back(std::move(operation));
}

bool kernel_has(const std::string& path, struct stat* info) {
  const auto [known, fresh] = tree.lower.try_emplace(path);
  if (fresh && call_kernel(SYS_newfstatat, AT_FDCWD, path.c_str(), info, AT_SYMLINK_NOFOLLOW) == 0) {
    known->second = *info;
  }
  if (known->second) *info = *known->second;
  return known->second.has_value();
}

// One of the kernel's own: links in there are its magic.
long locate_kernels(std::string_view path, Follow follow, Place* to) {
  to->path = path;
  to->inode = nullptr;
  to->lower = call_kernel(SYS_newfstatat, AT_FDCWD, to->path.c_str(), &to->info,
                          follow == Follow::no ? AT_SYMLINK_NOFOLLOW : 0) == 0;
  return 0;
}

std::string kernel_link(const std::string& path) {
  char target[PATH_MAX];
  const long size = call_kernel(SYS_readlinkat, AT_FDCWD, path.c_str(), target, sizeof target);
  return size > 0 ? std::string(target, static_cast<size_t>(size)) : std::string();
}

// Looks one path up, whose parent was found. `hidden`: an ancestor is a directory of this world's own.
void look(Place* place, bool hidden) {
  place->inode = nullptr;
  place->lower = false;
  const auto found = tree.now.find(place->path);
  if (found != tree.now.end()) {
    place->inode = found->second;
    return;
  }
  place->lower = !hidden && kernel_has(place->path, &place->info);
}

bool is_link(const Place& place) {
  return place.inode != nullptr ? place.inode->type == Inode::Type::symlink
                                : place.lower && S_ISLNK(place.info.st_mode);
}

std::vector<std::string> components(std::string_view path) {
  std::vector<std::string> parts;
  while (!path.empty()) {
    const size_t slash = path.find('/');
    if (slash != 0) parts.emplace_back(path.substr(0, slash));
    if (slash == path.npos) break;
    path.remove_prefix(slash + 1);
  }
  return parts;
}

bool below(std::string_view path, std::string_view directory) {
  if (directory == "/") return path.size() > 1;
  return path.size() > directory.size() && path.starts_with(directory) && path[directory.size()] == '/';
}

std::string joined(std::string_view directory, std::string_view name) {
  std::string path(directory);
  if (path != "/") path += '/';
  return path.append(name);
}

uint8_t type_of(const Inode& inode) {
  switch (inode.type) {
    case Inode::Type::file: return DT_REG;
    case Inode::Type::directory: return DT_DIR;
    case Inode::Type::symlink: return DT_LNK;
    case Inode::Type::socket: return DT_SOCK;
  }
  return DT_UNKNOWN;
}

}  // namespace

// ---- paths ------------------------------------------------------------------------------------

bool kernels_own(std::string_view path) {
  for (const std::string_view root : {"/dev", "/proc", "/sys"}) {
    if (path == root || below(path, root)) return true;
  }
  return false;
}

std::string_view parent_of(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string working_directory() {
  if (tree.cwd.empty()) {
    char path[PATH_MAX];
    tree.cwd = call_kernel(SYS_getcwd, path, sizeof path) > 0 ? path : "/";
  }
  return tree.cwd;
}

long change_directory(std::string_view path) {
  Place place;
  if (long bad = locate(working_directory(), path, Follow::yes, &place); bad < 0) return bad;
  if (!place.exists()) return -ENOENT;
  if (!place.is_directory()) return -ENOTDIR;
  tree.cwd = place.path;
  return 0;
}

long locate(std::string_view base, std::string_view path, Follow follow, Place* to) {
  if (path.empty()) return -ENOENT;
  if (path.size() >= PATH_MAX) return -ENAMETOOLONG;
  if (kernels_own(path)) return locate_kernels(path, follow, to);
  std::vector<std::string> rest = components(path);
  if (path.front() != '/') {
    std::vector<std::string> first = components(base);
    rest.insert(rest.begin(), first.begin(), first.end());
  }
  const bool wants_directory = path.back() == '/';
  std::reverse(rest.begin(), rest.end());
  to->path = "/";
  look(to, false);
  int links = 0;
  bool hidden = false;
  while (!rest.empty()) {
    const std::string name = std::move(rest.back());
    rest.pop_back();
    if (!to->is_directory()) return to->exists() ? -ENOTDIR : -ENOENT;
    if (name == ".") continue;
    if (name.size() > NAME_MAX) return -ENAMETOOLONG;
    if (name == "..") {
      to->path = std::string(parent_of(to->path));
      hidden = false;
      for (const auto& [at, inode] : tree.now) hidden |= inode != nullptr && (at == to->path || below(to->path, at));
      look(to, false);
      continue;
    }
    hidden |= to->inode != nullptr;
    const std::string directory = to->path;
    to->path = joined(directory, name);
    look(to, hidden);
    if (!is_link(*to) || (rest.empty() && follow == Follow::no && !wants_directory)) continue;
    if (++links > kMaxLinks) return -ELOOP;
    const std::string target = to->inode != nullptr ? to->inode->data : kernel_link(to->path);
    std::vector<std::string> parts = components(target);
    rest.insert(rest.end(), parts.rbegin(), parts.rend());
    to->path = target.starts_with('/') ? "/" : directory;
    hidden = hidden && !target.starts_with('/');
    look(to, false);
  }
  if (wants_directory && to->exists() && !to->is_directory()) return -ENOTDIR;
  return 0;
}

// ---- names ------------------------------------------------------------------------------------

InodeRef make_node(const std::string& path, Inode::Type type, uint32_t mode) {
  auto inode = std::make_shared<Inode>();
  inode->type = type;
  inode->mode = mode;
  inode->number = ++tree.inodes;
  inode->modified_ns = rt::walltime();
  add_link(path, inode);
  return inode;
}

void add_link(const std::string& path, InodeRef inode) {
  ++inode->links;
  perform({{path, std::move(inode)}});
}

void remove_name(const std::string& path) {
  const auto found = tree.now.find(path);
  if (found != tree.now.end() && found->second != nullptr) --found->second->links;
  perform({{path, nullptr}});
}

void move_names(const std::string& from, const std::string& to, bool directory) {
  Operation operation;
  const auto replaced = tree.now.find(to);
  if (replaced != tree.now.end() && replaced->second != nullptr) --replaced->second->links;
  operation.push_back({to, tree.now[from]});
  operation.push_back({from, nullptr});
  if (directory) {
    for (const auto& [path, inode] : tree.now) {
      if (!below(path, from) || inode == nullptr) continue;
      operation.push_back({to + path.substr(from.size()), inode});
      operation.push_back({path, nullptr});
    }
  }
  perform(std::move(operation));
}

InodeRef copy_up(const Place& place, long* error) {
  const long fd = call_kernel(SYS_openat, AT_FDCWD, place.path.c_str(), O_RDONLY | O_CLOEXEC, 0);
  if (fd < 0) return *error = fd, nullptr;
  auto inode = std::make_shared<Inode>();
  inode->mode = place.info.st_mode & 07777;
  inode->number = place.info.st_ino;
  inode->links = 1;
  inode->modified_ns = place.info.st_mtim.tv_sec * 1'000'000'000 + place.info.st_mtim.tv_nsec;
  inode->data.resize(static_cast<size_t>(place.info.st_size));
  size_t done = 0;
  while (done < inode->data.size()) {
    const long got = call_kernel(SYS_read, fd, inode->data.data() + done, inode->data.size() - done);
    if (got <= 0) break;
    done += static_cast<size_t>(got);
  }
  call_kernel(SYS_close, fd);
  inode->data.resize(done);
  inode->durable = inode->data;
  // The kernel's file is durable, and so is its name: no operation.
  tree.now[place.path] = inode;
  tree.durable[place.path] = inode;
  return inode;
}

std::vector<Entry> entries_of(const std::string& directory) {
  std::map<std::string, Entry> found;
  Place place;
  const bool there = locate("/", directory, Follow::yes, &place) == 0;
  if (there && place.lower) {
    const long fd = call_kernel(SYS_openat, AT_FDCWD, directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    std::vector<char> buffer(32 << 10);
    for (long size; fd >= 0 && (size = call_kernel(SYS_getdents64, fd, buffer.data(), buffer.size())) > 0;) {
      for (long at = 0; at < size;) {
        const auto* entry = reinterpret_cast<const dirent64*>(buffer.data() + at);
        const std::string name = entry->d_name;
        if (name != "." && name != "..") found[name] = {name, entry->d_type, entry->d_ino};
        at += entry->d_reclen;
      }
    }
    if (fd >= 0) call_kernel(SYS_close, fd);
  }
  for (const auto& [path, inode] : tree.now) {
    if (path == "/" || parent_of(path) != directory) continue;
    const std::string name = path.substr(path.rfind('/') + 1);
    if (inode == nullptr) found.erase(name);
    else found[name] = {name, type_of(*inode), inode->number};
  }
  std::vector<Entry> entries;
  for (auto& [name, entry] : found) entries.push_back(std::move(entry));
  return entries;
}

// ---- durability -------------------------------------------------------------------------------

void sync_file(Inode& inode) { inode.durable = inode.data; }

void sync_directory(std::string_view path) {
  const auto touches = [path](const Operation& operation) {
    return std::any_of(operation.begin(), operation.end(),
                       [path](const Change& change) { return parent_of(change.path) == path; });
  };
  for (const Operation& operation : tree.log) {
    if (!touches(operation)) continue;
    for (const Change& change : operation) tree.durable[change.path] = change.inode;
  }
  std::erase_if(tree.log, touches);
}

void sync_everything() {
  for (const auto& [path, inode] : tree.now) {
    if (inode != nullptr) sync_file(*inode);
  }
  tree.durable = tree.now;
  tree.log.clear();
}

namespace {

// Bits of the policy's, 64 a draw.
class Coins {
 public:
  uint64_t take(int bits) {
    if (left_ < bits) {
      bits_ = rt::seam_draw();
      left_ = 64;
    }
    const uint64_t taken = bits_ & ((uint64_t{1} << bits) - 1);
    bits_ >>= bits;
    left_ -= bits;
    return taken;
  }

 private:
  uint64_t bits_ = 0;
  int left_ = 0;
};

void crash_contents(Inode& inode, Coins& coins) {
  if (!inode.dirty()) return;
  switch (coins.take(2)) {
    case 0: break;                                            // all of it made it
    case 1: inode.data.resize(inode.data.size() / 2); break;  // half
    default: inode.data = inode.durable.value_or("");
  }
  inode.durable = inode.data;
}

}  // namespace

void crash_tree() {
  Coins coins;
  for (const Operation& operation : tree.log) {
    if (coins.take(1) != 0) continue;
    for (const Change& change : operation) tree.durable[change.path] = change.inode;
  }
  tree.log.clear();
  tree.now = tree.durable;
  for (const auto& [path, inode] : tree.now) {
    if (inode != nullptr) crash_contents(*inode, coins);
  }
}

void forget_kernels_names() { tree.lower.clear(); }

void forget_tree() {
  tree.now.clear();
  tree.durable.clear();
  tree.log.clear();
  tree.cwd.clear();
  tree.inodes = uint64_t{1} << 40;
}

}  // namespace reprise::sim
