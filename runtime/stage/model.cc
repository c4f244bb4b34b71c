// Interpreter of model.inc. The specification strings are compiled at build time, so a mistake in
// one is an error of the compiler.
//
// Every read of the program's memory that the kernel would have answered with EFAULT is guarded: a
// failed item hashes as kBadPointer. A read that succeeds here may still fail in the kernel (and
// the other way round, another thread being able to unmap only under the baton: no).
#include "runtime/stage/model.h"

#include <asm/ioctls.h>
#include <errno.h>
#include <linux/futex.h>
#include <linux/prctl.h>
#include <linux/sockios.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "runtime/stage/hash.h"
#include "runtime/stage/model_items.h"
#include "runtime/stage/raw.h"
#include "runtime/stage/report.h"
#include "runtime/stage/text.h"

// Newer than the headers of the distribution.
#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif
#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

namespace reprise::stage::model {

// Not constexpr: reaching it is the compiler's error.
void malformed_line_of_model_inc(const char* why);

namespace {

constexpr uint64_t kBadPointer = 0xefa017;
constexpr int kCalls = 512;

struct Table {
  Entry entries[kCalls];
};

consteval unsigned number(const char** text) {
  if (**text < '0' || **text > '9') malformed_line_of_model_inc("a number is missing");
  unsigned value = 0;
  for (; **text >= '0' && **text <= '9'; ++*text) value = value * 10 + (**text - '0');
  return value;
}

consteval bool needs(const char* set, char kind) {
  for (; *set; ++set) {
    if (*set == kind) return true;
  }
  return false;
}

consteval Item parse_item(const char** text) {
  Item item = {0, 0, 0, 1};
  if (**text >= '0' && **text <= '9') item.argument = *(*text)++ - '0';
  item.kind = *(*text)++;
  if (needs(":repc", item.kind)) {
    item.n = number(text);
  } else if (needs("Rnj", item.kind)) {
    item.other = number(text);
    if (*(*text)++ != '*') malformed_line_of_model_inc("RD*N, nD*N, jD*N");
    item.n = number(text);
  } else if (needs("b@i", item.kind)) {
    item.other = number(text);
  } else if (!needs("vmMswqQFIPU", item.kind)) {
    malformed_line_of_model_inc("unknown item");
  }
  return item;
}

consteval Entry parse(int arguments, int flags, const char* text) {
  Entry e;
  e.known = true;
  e.arguments = arguments;
  e.flags = flags;
  while (*text) {
    if (*text == ' ') {
      ++text;
    } else {
      e.items[e.count++] = parse_item(&text);
    }
  }
  return e;
}

consteval Table compile() {
  [[maybe_unused]] constexpr int B = kBlocks, BR = kBlocks | kRestarts;
  Table t;
#define X(name, arguments, flags, items) t.entries[SYS_##name] = parse(arguments, flags, items);
#include "runtime/stage/model.inc"
#undef X
  return t;
}

constexpr Table table = compile();
constexpr Entry unknown;

}  // namespace

const Entry& entry(long nr) {
  return static_cast<uint64_t>(nr) < kCalls ? table.entries[nr] : unknown;
}

namespace {

// ---- inputs ----

uint64_t mix_vectors(uint64_t hash, const iovec* v, uint64_t count) {
  for (uint64_t i = 0; i < count && i < kMaxVectors; ++i) hash = mix_bytes(hash, v[i].iov_base, v[i].iov_len);
  return hash;
}

uint64_t mix_message(uint64_t hash, const msghdr& m) {
  hash = mix_vectors(hash, m.msg_iov, m.msg_iovlen);
  if (m.msg_name) hash = mix_bytes(hash, m.msg_name, m.msg_namelen);
  return m.msg_control ? mix_bytes(hash, m.msg_control, m.msg_controllen) : hash;
}

uint64_t mix_messages(uint64_t hash, const mmsghdr* m, uint64_t count) {
  for (uint64_t i = 0; i < count && i < kMaxVectors; ++i) hash = mix_message(hash, m[i].msg_hdr);
  return hash;
}

uint64_t mix_input(uint64_t hash, const Item& item, const Call& call) {
  const uint64_t at = call.args[item.argument];
  const uint64_t other = call.args[item.other];
  switch (item.kind) {
    case 's': return mix_bytes(hash, pointer<char>(at), length(pointer<char>(at)));
    case 'i': return mix_bytes(hash, pointer<char>(at), other);
    case 'c': return mix_bytes(hash, pointer<char>(at), item.n);
    case 'j': return mix_bytes(hash, pointer<char>(at), other * item.n);
    case 'w': return mix_vectors(hash, pointer<iovec>(at), call.args[item.argument + 1]);
    case 'q': return mix_message(hash, *pointer<msghdr>(at));
    case 'Q': return mix_messages(hash, pointer<mmsghdr>(at), call.args[item.argument + 1]);
    default: return hash;
  }
}

constexpr bool reads(char kind) {
  return kind == 's' || kind == 'i' || kind == 'c' || kind == 'j' || kind == 'w' || kind == 'q' ||
         kind == 'Q';
}

// ---- outputs ----

// Collects segments; empty and null ones are left out unless the place counts by itself.
class Outputs {
 public:
  explicit Outputs(Segment* out) : out_(out) {}
  void add(uint64_t at, uint64_t size) {
    if (size) add_even_empty(at, size);
  }
  void add_even_empty(uint64_t at, uint64_t size) {
    if (!at) return;
    if (count_ == kMaxSegments) fail(Verdict::unmodelled, "a call that wrote to more than 250 places is not modelled");
    out_[count_++] = {at, static_cast<uint32_t>(size)};
  }
  // The first `bytes` of a scattered buffer.
  void add_vectors(const iovec* v, uint64_t count, uint64_t bytes) {
    for (uint64_t i = 0; i < count && bytes; ++i) {
      const uint64_t part = bytes < v[i].iov_len ? bytes : v[i].iov_len;
      add(reinterpret_cast<uint64_t>(v[i].iov_base), part);
      bytes -= part;
    }
  }
  int count() const { return count_; }

 private:
  Segment* out_;
  int count_ = 0;
};

// Live the kernel has stored the new length; in replay the place may be as long as it was.
uint32_t stored_length(uint64_t at, uint32_t capacity) {
  if (!live()) return capacity;
  const uint32_t now = *pointer<uint32_t>(at);
  return now < capacity ? now : capacity;
}

void add_value_result(Outputs& out, const Item& item, const Call& call, const Before& before) {
  const uint64_t at = call.args[item.argument];
  const uint64_t length_at = call.args[item.other];
  if (!at || !length_at) return;
  out.add_even_empty(at, stored_length(length_at, before.capacity[0]));
  out.add(length_at, 4);
}

void add_message(Outputs& out, const Call& call, long result, const Before& before) {
  const auto& m = *pointer<msghdr>(call.args[1]);
  out.add_vectors(m.msg_iov, m.msg_iovlen, result);
  const uint32_t name = !live() || m.msg_namelen > before.capacity[0] ? before.capacity[0] : m.msg_namelen;
  const uint32_t extra = !live() || m.msg_controllen > before.capacity[1] ? before.capacity[1] : m.msg_controllen;
  if (before.capacity[0]) out.add_even_empty(reinterpret_cast<uint64_t>(m.msg_name), name);
  if (before.capacity[1]) out.add_even_empty(reinterpret_cast<uint64_t>(m.msg_control), extra);
  out.add(call.args[1], sizeof m);
}

// recvmmsg: live, the kernel has stored each message's lengths; in replay the places are as long as
// the program made them.
void add_messages(Outputs& out, const Call& call, long result) {
  const auto* m = pointer<mmsghdr>(call.args[1]);
  for (long i = 0; i < result; ++i) {
    const msghdr& h = m[i].msg_hdr;
    uint64_t left = live() ? m[i].msg_len : ~0ull;
    for (uint64_t k = 0; k < h.msg_iovlen; ++k) {
      const uint64_t part = left < h.msg_iov[k].iov_len ? left : h.msg_iov[k].iov_len;
      out.add_even_empty(reinterpret_cast<uint64_t>(h.msg_iov[k].iov_base), part);
      left -= part;
    }
    constexpr uint32_t kLongest = sizeof(sockaddr_storage);
    out.add_even_empty(reinterpret_cast<uint64_t>(h.msg_name), h.msg_namelen < kLongest ? h.msg_namelen : kLongest);
    out.add_even_empty(reinterpret_cast<uint64_t>(h.msg_control), h.msg_controllen);
  }
  out.add(call.args[1], result * sizeof(mmsghdr));
}

void add_fcntl(Outputs& out, const Call& call) {
  switch (call.args[1]) {
    case F_GETLK:
    case F_OFD_GETLK: return out.add(call.args[2], 32);
    case 16: return out.add(call.args[2], 8);  // F_GETOWN_EX
    case 1036 /* F_SET_RW_HINT */: return;
    case 1035 /* F_GET_RW_HINT */: return out.add(call.args[2], 8);
    default: return;
  }
}

// The kernel's struct ifconf.
struct IfConf {
  int32_t length;
  uint64_t buffer;
};

// FS_IOC_FIEMAP's header is followed by as many extents as it says there is room for.
constexpr uint32_t kFiemap = 0xc020'660b;
struct Fiemap {
  uint64_t start, length;
  uint32_t flags, mapped, room, reserved;
};
constexpr uint64_t kFiemapExtentBytes = 56;

// Bytes that an ioctl writes at its argument; -1 if we do not know.
int ioctl_writes(uint32_t command) {
  switch (command) {
    case TCGETS: return 36;
    case TIOCGWINSZ: return 8;
    case TIOCGPGRP: case FIONREAD: case TIOCGSID: case TIOCOUTQ: case TIOCGETD: case TIOCMGET: return 4;
    case TCSETS: case TCSETSW: case TCSETSF: case TIOCSPGRP: case FIONBIO: case FIOCLEX: case FIONCLEX:
    case FIOASYNC: case TIOCSWINSZ: case TCSBRK: case TCXONC: case TCFLSH: case TIOCSCTTY: case TIOCNOTTY:
    case TIOCGPTPEER: case TIOCEXCL: case TIOCNXCL: case TIOCSTI: case TIOCPKT: case TIOCSETD: case TIOCCONS:
    case TIOCSBRK: case TIOCCBRK: case TCSBRKP: case TIOCMSET: case TIOCMBIS: case TIOCMBIC: case TIOCVHANGUP:
    case TCSETA: case TCSETAW: case TCSETAF: case TIOCSLCKTRMIOS: case SIOCSPGRP: case FIOSETOWN:
    case 0x4004'9409u /* FICLONE */: case 0x1261 /* BLKFLSBUF */: return 0;
    case TCGETA: return 18;
    case TIOCGLCKTRMIOS: return 36;
    case SIOCATMARK: case SIOCGPGRP: case FIOGETOWN: case 0x1268 /* BLKSSZGET */: case 2 /* FIGETBSZ */: return 4;
    case FIOQSIZE: case 0x1260 /* BLKGETSIZE */: return 8;
    case SIOCGIFDSTADDR: case SIOCGIFMETRIC: case SIOCGIFMAP: case SIOCGIFTXQLEN:
    case SIOCGIFNAME: case SIOCGIFFLAGS: case SIOCGIFADDR: case SIOCGIFBRDADDR: case SIOCGIFNETMASK:
    case SIOCGIFMTU: case SIOCGIFHWADDR: case SIOCGIFINDEX: return 40;
    case SIOCGIFCONF: return sizeof(IfConf);
    default: break;
  }
  const bool encodes_its_size = command >> 30 != 0;
  if (!encodes_its_size) return -1;
  return command >> 30 & 2 ? command >> 16 & 0x3fff : 0;
}

void add_ioctl(Outputs& out, const Call& call, const Before& before) {
  const uint64_t at = call.args[2];
  const auto command = static_cast<uint32_t>(call.args[1]);
  if (command == kFiemap) return out.add(at, sizeof(Fiemap) + pointer<Fiemap>(at)->room * kFiemapExtentBytes);
  if (command == SIOCGIFCONF) out.add_even_empty(pointer<IfConf>(at)->buffer, stored_length(at, before.capacity[0]));
  out.add(at, ioctl_writes(command));
}

int prctl_writes(long option) {
  switch (option) {
    case PR_GET_NAME: return 16;
    case PR_GET_PDEATHSIG: case PR_GET_CHILD_SUBREAPER: case PR_GET_TSC: return 4;
    default: return 0;
  }
}

bool prctl_known(long option) {
  switch (option) {
    case PR_SET_NAME: case PR_GET_NAME: case PR_SET_PDEATHSIG: case PR_GET_PDEATHSIG: case PR_GET_DUMPABLE:
    case PR_SET_DUMPABLE: case PR_GET_KEEPCAPS: case PR_SET_KEEPCAPS: case PR_CAPBSET_READ: case PR_CAPBSET_DROP:
    case PR_SET_CHILD_SUBREAPER: case PR_GET_CHILD_SUBREAPER: case PR_SET_NO_NEW_PRIVS: case PR_GET_NO_NEW_PRIVS:
    case PR_SET_TIMERSLACK: case PR_GET_TIMERSLACK: case PR_GET_SECCOMP: case PR_SET_SECCOMP: case PR_SET_THP_DISABLE:
    case PR_GET_THP_DISABLE: case PR_CAP_AMBIENT: case PR_SET_VMA: case PR_GET_SECUREBITS: case PR_SET_SECUREBITS:
    case PR_MCE_KILL: case PR_GET_SPECULATION_CTRL: case PR_SET_SPECULATION_CTRL: case PR_SET_PTRACER: return true;
    default: return false;
  }
}

void add_output(Outputs& out, const Item& item, const Call& call, long result, const Before& before) {
  const uint64_t at = call.args[item.argument];
  const long other = call.args[item.other];
  switch (item.kind) {
    case ':': return out.add(at, item.n);
    case 'r': return out.add(at, result * item.n);
    case 'p': return result > 0 ? out.add(at, item.n) : void();
    case 'R': return out.add(at, (result < other ? result : other) * item.n);
    case 'n': return out.add(at, other * item.n);
    case 'b': return out.add(at, (other + 63) / 64 * 8);
    case '@': return add_value_result(out, item, call, before);
    case 'v': return out.add_vectors(pointer<iovec>(at), call.args[item.argument + 1], result);
    case 'm': return add_message(out, call, result, before);
    case 'M': return add_messages(out, call, result);
    case 'Q': return out.add(at, result * sizeof(mmsghdr));
    case 'F': return add_fcntl(out, call);
    case 'I': return add_ioctl(out, call, before);
    case 'P': return out.add(call.args[1], prctl_writes(call.args[0]));
    case 'U': return futex_command(call) == FUTEX_WAKE_OP ? out.add(call.args[4], 4) : void();
    default: return;
  }
}

}  // namespace

bool known(long nr) { return entry(nr).known; }
bool restarts(long nr) { return entry(nr).flags & kRestarts; }
int argument_count(long nr) { return entry(nr).arguments; }

bool blocks(const Call& call) {
  if (!(entry(call.nr).flags & kBlocks)) return false;
  if (call.nr == SYS_fcntl) return call.args[1] == F_SETLKW || call.args[1] == F_OFD_SETLKW;
  if (call.nr != SYS_futex) return true;
  const int command = futex_command(call);
  return command == FUTEX_WAIT || command == FUTEX_WAIT_BITSET || command == FUTEX_LOCK_PI ||
         command == FUTEX_LOCK_PI2 || command == FUTEX_WAIT_REQUEUE_PI;
}

uint64_t check(const Call& call) {
  const Entry& e = entry(call.nr);
  uint64_t hash = call.nr;
  for (int i = 0; i < e.arguments; ++i) hash = mix(hash, call.args[i]);
  for (int i = 0; i < e.count; ++i) {
    const Item& item = e.items[i];
    if (!reads(item.kind) || !call.args[item.argument]) continue;
    uint64_t with_input = hash;
    const bool readable = guarded([&] { with_input = mix_input(hash, item, call); });
    hash = readable ? with_input : mix(hash, kBadPointer);
  }
  return hash;
}

const char* refused(const Call& call) {
  switch (call.nr) {
    case SYS_ioctl:
      return ioctl_writes(call.args[1]) < 0 ? "this ioctl" : nullptr;
    case SYS_prctl:
      return prctl_known(call.args[0]) ? nullptr : "this option";
    case SYS_futex: {
      const int command = futex_command(call);
      const bool pi = command >= FUTEX_LOCK_PI && command != FUTEX_WAIT_BITSET && command != FUTEX_WAKE_BITSET;
      return pi ? "this operation" : nullptr;
    }
    case SYS_recvmmsg:
      return call.args[2] > 16 ? "more than 16 messages" : nullptr;
    default:
      return nullptr;
  }
}

Before before(const Call& call) {
  const Entry& e = entry(call.nr);
  Before result;
  for (int i = 0; i < e.count; ++i) {
    const Item& item = e.items[i];
    if (item.kind == '@' && call.args[item.other]) {
      guarded([&] { result.capacity[0] = *pointer<uint32_t>(call.args[item.other]); });
    }
    if (item.kind == 'I' && static_cast<uint32_t>(call.args[1]) == SIOCGIFCONF) {
      guarded([&] { result.capacity[0] = pointer<IfConf>(call.args[2])->length; });
    }
    if (item.kind == 'm') {
      guarded([&] {
        const auto& m = *pointer<msghdr>(call.args[1]);
        result.capacity[1] = m.msg_controllen;
        result.capacity[0] = m.msg_namelen;
      });
    }
  }
  return result;
}

int outputs(const Call& call, long result, const Before& before, Segment* segments) {
  const Entry& e = entry(call.nr);
  Outputs out(segments);
  for (int i = 0; i < e.count; ++i) {
    const Item& item = e.items[i];
    if (item.kind == 'e') {
      if (result == -EINTR) out.add(call.args[item.argument], item.n);
    } else if (result >= 0) {
      add_output(out, item, call, result, before);
    }
  }
  return out.count();
}

bool first_string(const Call& call, char* text, size_t capacity) {
  const Entry& e = entry(call.nr);
  for (int i = 0; i < e.count; ++i) {
    if (e.items[i].kind != 's') continue;
    return guarded([&] { Text(text, capacity) << pointer<char>(call.args[e.items[i].argument]); });
  }
  return false;
}

}  // namespace reprise::stage::model
