// Tree: the file system of the simulated world, laid over the real one.
//
// What the program makes, changes or takes away is kept here, by canonical path; everything else is read from
// the kernel's file system, which is never written. /dev, /proc and /sys are the kernel's altogether.
//
// Durability. An Inode remembers the contents that were last synced; changes of names are kept in a log of
// operations until the directories that they touched are synced. crash() goes back to what was synced, and
// lets the policy draw which of the operations and contents that were not made it all the same: none, all, or
// half of a file's bytes. An operation of several names (rename) survives as a whole or not at all, as
// on a file system with a journal; otherwise any subset may survive, which allows more than most file
// systems do. After Pillai et al., "All File Systems Are Not Created Equal" (ALICE), OSDI 2014, and
// Mohan et al., "Finding Crash-Consistency Bugs with Bounded Black-Box Crash Testing" (CrashMonkey), OSDI 2018.
//
// Thread safety: the world's.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/sim/file.h"

namespace reprise::sim {

struct Inode {
  enum class Type : uint8_t { file, directory, symlink, socket };

  Type type = Type::file;
  uint32_t mode = 0644;
  uint64_t number = 0;
  uint32_t links = 0;
  int64_t modified_ns = 0;
  std::string data;                    // a file's contents, a link's target
  std::optional<std::string> durable;  // what was synced; nothing: never
  std::weak_ptr<File> socket;          // who is bound here

  bool dirty() const { return type == Type::file && durable != data; }
};
using InodeRef = std::shared_ptr<Inode>;

// A path without links, "." and "..", and what is there.
struct Place {
  std::string path;
  InodeRef inode;             // of this world
  bool lower = false;         // of the kernel's
  struct stat info {};        // if lower

  bool exists() const { return inode != nullptr || lower; }
  bool is_directory() const {
    return inode != nullptr ? inode->type == Inode::Type::directory : lower && S_ISDIR(info.st_mode);
  }
};

// How the last component is taken.
enum class Follow : uint8_t { yes, no };

// `base`: an absolute path that a relative one starts from. An error: -ENOENT if a component before the last
// is missing, -ENOTDIR, -ELOOP, -ENAMETOOLONG.
long locate(std::string_view base, std::string_view path, Follow follow, Place* to);

std::string working_directory();
long change_directory(std::string_view path);

bool kernels_own(std::string_view path);  // below /dev, /proc, /sys
std::string_view parent_of(std::string_view path);

// Changes of names: one operation each. REQUIRES: the parents are there.
InodeRef make_node(const std::string& path, Inode::Type type, uint32_t mode);
void add_link(const std::string& path, InodeRef inode);
void remove_name(const std::string& path);
void move_names(const std::string& from, const std::string& to, bool directory);
// The lower file's contents as an Inode of this world's. Null and *error if it cannot be read.
InodeRef copy_up(const Place& place, long* error);

struct Entry {
  std::string name;
  uint8_t type;  // DT_*
  uint64_t number;
};
// All entries but "." and "..", by name.
std::vector<Entry> entries_of(const std::string& directory);

void sync_file(Inode& inode);
void sync_directory(std::string_view path);
void sync_everything();
void crash_tree();

// An empty overlay. What the kernel said is kept, so that all schedules of an exploration see the same.
void forget_tree();
void forget_kernels_names();

}  // namespace reprise::sim
