// setuid and what else changes the identity of all threads.
//
// libc signals every thread that it knows and waits until each has answered. It knows them, and the caller, by their blocks of
// thread-local variables: once blocks are lent (sched/thread_block.h) nobody answers in the block that m0 has left, and the
// call would wait for ever. So it is refused then, which is in recordings of counted programs only.
#ifndef REPRISE_SANITIZED

#include <grp.h>
#include <unistd.h>

#include <string>

#include "runtime/sched/thread_block.h"
#include "runtime/sys/interpose.h"

namespace reprise::rt {
namespace {

void require_no_lent_blocks(const char* name) {
  if (!thread_blocks_are_lent()) return;
  throw_(std::string(name) + ": goroutines have been preempted at instructions, and libc cannot reach all threads any more: in a recording "
                             "of a counted program change the identity before goroutines start");
}

template <class... A>
int when_all_answer(const char* name, int (*libc)(A...), A... args) {
  require_no_lent_blocks(name);
  return libc(args...);
}

}  // namespace
}  // namespace reprise::rt

using namespace reprise::rt;

extern "C" {

int setuid(uid_t id) noexcept {
  static const auto libc = libc_function<int(uid_t)>("setuid");
  return when_all_answer(__func__, libc, id);
}

int setgid(gid_t id) noexcept {
  static const auto libc = libc_function<int(gid_t)>("setgid");
  return when_all_answer(__func__, libc, id);
}

int seteuid(uid_t id) noexcept {
  static const auto libc = libc_function<int(uid_t)>("seteuid");
  return when_all_answer(__func__, libc, id);
}

int setegid(gid_t id) noexcept {
  static const auto libc = libc_function<int(gid_t)>("setegid");
  return when_all_answer(__func__, libc, id);
}

int setreuid(uid_t real, uid_t effective) noexcept {
  static const auto libc = libc_function<int(uid_t, uid_t)>("setreuid");
  return when_all_answer(__func__, libc, real, effective);
}

int setregid(gid_t real, gid_t effective) noexcept {
  static const auto libc = libc_function<int(gid_t, gid_t)>("setregid");
  return when_all_answer(__func__, libc, real, effective);
}

int setresuid(uid_t real, uid_t effective, uid_t saved) noexcept {
  static const auto libc = libc_function<int(uid_t, uid_t, uid_t)>("setresuid");
  return when_all_answer(__func__, libc, real, effective, saved);
}

int setresgid(gid_t real, gid_t effective, gid_t saved) noexcept {
  static const auto libc = libc_function<int(gid_t, gid_t, gid_t)>("setresgid");
  return when_all_answer(__func__, libc, real, effective, saved);
}

int setgroups(size_t count, const gid_t* groups) noexcept {
  static const auto libc = libc_function<int(size_t, const gid_t*)>("setgroups");
  return when_all_answer(__func__, libc, count, groups);
}

int initgroups(const char* user, gid_t group) {
  static const auto libc = libc_function<int(const char*, gid_t)>("initgroups");
  return when_all_answer(__func__, libc, user, group);
}

}  // extern "C"

#endif  // REPRISE_SANITIZED
