// The model's items, turned into copies. Memory of a thread's copies: first the list of what may
// have to be handed back, then the copies one behind the other.
//
// Where the kernel wrote is asked of the model a second time, for the call on copies: each place
// found lies in a copy, and goes to where that was copied from. Of message headers only the fields
// that the kernel stores go back, since the rest of a copied header points to copies.
//
// A copy lies at the same offset in its page as the original: files opened with O_DIRECT ask for
// that. A pointer that cannot be read makes the whole call go uncopied, for the kernel's EFAULT.
#include "runtime/stage/bounce.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "runtime/stage/layout.h"
#include "runtime/stage/model_items.h"
#include "runtime/stage/raw.h"
#include "runtime/stage/text.h"

namespace reprise::stage {
namespace {

using model::Item;
using model::pointer;

constexpr uint64_t kKept = 1 << 20;  // a call that used more gives the rest back

bool mapped[kMaxThreads + 1];  // by thread index; under the baton

// 0 if there is no memory for it.
uint64_t memory_of(uint32_t index) {
  if (index > kMaxThreads) return 0;
  const uint64_t at = kBounceBase + index * kBounceBytes;
  if (!mapped[index]) {
    const long got = raw(SYS_mmap, at, kBounceBytes, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    if (got != static_cast<long>(at)) return 0;
    mapped[index] = true;
  }
  return at;
}

bool keeps_pages(const Call& call) {
  switch (call.nr) {
    case SYS_vmsplice: return true;
    case SYS_sendto:
    case SYS_sendmmsg: return call.args[3] & MSG_ZEROCOPY;
    case SYS_sendmsg: return call.args[2] & MSG_ZEROCOPY;
    default: return false;
  }
}

enum class Kind : uint8_t { bytes, header, headers };  // headers: of sendmmsg and recvmmsg

struct Copy {
  uint64_t at, place, size;
  Kind kind;
};

struct List {
  static constexpr uint32_t kMost = 2048;
  uint32_t count;
  Copy copies[kMost];
};

enum Way : uint8_t { kIn = 1, kOut = 2, kBoth = 3 };

// Makes the copies of one call.
class Copier {
 public:
  Copier(const Call& call, uint64_t memory)
      : call_(call), copied_(call), list_(*reinterpret_cast<List*>(memory)),
        cursor_(memory + sizeof(List)), end_(memory + kBounceBytes) {
    list_.count = 0;
  }

  // False: the call does not fit. May fault on the program's memory.
  bool copy_all() {
    const model::Entry& e = model::entry(call_.nr);
    for (int i = 0; i < e.count && fits_; ++i) copy_item(e.items[i]);
    return fits_;
  }

  const Call& copied() const { return copied_; }
  uint64_t used() const { return cursor_; }

 private:
  // The address of a copy of `size` bytes at `place`, or `place` where there is nothing to copy.
  uint64_t copy(uint64_t place, uint64_t size, Way way, Kind kind = Kind::bytes) {
    if (!place || !size || !fits_) return place;
    uint64_t at = page_down(cursor_) + (place & (kPage - 1));
    if (at < cursor_) at += kPage;
    const bool fits = size <= kBounceBytes && at + size <= end_ && list_.count < List::kMost;
    if (!fits) {
      fits_ = false;
      return place;
    }
    if (way & kIn) memcpy(pointer<char>(at), pointer<const char>(place), size);
    if (way & kOut) list_.copies[list_.count++] = {at, place, size, kind};
    cursor_ = at + size;
    return at;
  }

  void copy_argument(int argument, uint64_t size, Way way) {
    if (copied_.args[argument] != call_.args[argument]) return;  // an item before named it
    copied_.args[argument] = static_cast<long>(copy(call_.args[argument], size, way));
  }

  uint64_t copy_vectors(const iovec* v, uint64_t count, Way way) {
    const auto place = reinterpret_cast<uint64_t>(v);
    if (count > model::kMaxVectors) return place;  // the kernel refuses it
    const uint64_t at = copy(place, count * sizeof *v, kIn);
    if (at == place) return place;
    auto* copies = pointer<iovec>(at);
    for (uint64_t i = 0; i < count; ++i) {
      copies[i].iov_base = pointer<void>(copy(reinterpret_cast<uint64_t>(v[i].iov_base), v[i].iov_len, way));
    }
    return at;
  }

  // `m` is a copy already; what it points to is not.
  void copy_parts(msghdr& m, Way way) {
    m.msg_name = pointer<void>(copy(reinterpret_cast<uint64_t>(m.msg_name), m.msg_namelen, way));
    m.msg_control = pointer<void>(copy(reinterpret_cast<uint64_t>(m.msg_control), m.msg_controllen, way));
    m.msg_iov = pointer<iovec>(copy_vectors(m.msg_iov, m.msg_iovlen, way));
  }

  void copy_message(int argument, Way way) {
    const uint64_t at = copy(call_.args[argument], sizeof(msghdr), kBoth, Kind::header);
    copied_.args[argument] = static_cast<long>(at);
    if (at != static_cast<uint64_t>(call_.args[argument])) copy_parts(*pointer<msghdr>(at), way);
  }

  void copy_messages(int argument, Way way) {
    const uint64_t place = call_.args[argument], count = static_cast<uint32_t>(call_.args[argument + 1]);
    const uint64_t at = copy(place, count * sizeof(mmsghdr), kBoth, Kind::headers);
    copied_.args[argument] = static_cast<long>(at);
    if (at == place) return;
    for (uint64_t i = 0; i < count; ++i) copy_parts(pointer<mmsghdr>(at)[i].msg_hdr, way);
  }

  void copy_value_result(const Item& item) {
    const uint64_t length_at = call_.args[item.other];
    if (!call_.args[item.argument] || !length_at) return;
    copy_argument(item.argument, *pointer<uint32_t>(length_at), kOut);
    copy_argument(item.other, sizeof(uint32_t), kBoth);
  }

  void copy_futex() {
    const int command = model::futex_command(call_);
    const bool has_timeout = command == FUTEX_WAIT || command == FUTEX_WAIT_BITSET;
    if (has_timeout) copy_argument(3, sizeof(timespec), kIn);
  }

  void copy_item(const Item& item) {
    const int a = item.argument;
    const uint64_t at = call_.args[a], other = call_.args[item.other];
    if (!at) return;
    switch (item.kind) {
      case ':': case 'e': case 'p': return copy_argument(a, item.n, kBoth);
      case 'r': return copy_argument(a, call_.args[a + 1] * uint64_t{item.n}, kOut);
      case 'R': return copy_argument(a, other * item.n, kOut);
      case 'n': return copy_argument(a, other * item.n, kBoth);
      case 'b': return copy_argument(a, (other + 63) / 64 * 8, kBoth);
      case '@': return copy_value_result(item);
      case 's': return copy_argument(a, length(pointer<const char>(at)) + 1, kIn);
      case 'i': return copy_argument(a, other, kIn);
      case 'c': return copy_argument(a, item.n, kIn);
      case 'j': return copy_argument(a, other * item.n, kIn);
      case 'F': return copy_argument(2, sizeof(struct flock), kIn);
      case 'v': copied_.args[a] = copy_vectors(pointer<iovec>(at), call_.args[a + 1], kOut); return;
      case 'w': copied_.args[a] = copy_vectors(pointer<iovec>(at), call_.args[a + 1], kIn); return;
      case 'm': return copy_message(a, kOut);
      case 'q': return copy_message(a, kIn);
      case 'M': return copy_messages(a, kOut);
      case 'Q': return copy_messages(a, kIn);
      case 'U': return copy_futex();
      default: return;  // calls by command do not block
    }
  }

  const Call& call_;
  Call copied_;
  List& list_;
  uint64_t cursor_;
  const uint64_t end_;
  bool fits_ = true;
};

// The fields that the kernel stores.
void hand_over_header(msghdr& to, const msghdr& from) {
  to.msg_namelen = from.msg_namelen;
  to.msg_controllen = from.msg_controllen;
  to.msg_flags = from.msg_flags;
}

void hand_over_headers(mmsghdr* to, const mmsghdr* from, uint64_t count) {
  for (uint64_t i = 0; i < count; ++i) {
    hand_over_header(to[i].msg_hdr, from[i].msg_hdr);
    to[i].msg_len = from[i].msg_len;
  }
}

// `segment` lies in this copy: afterwards it names the program's memory.
void hand_over(const Copy& copy, Segment* segment) {
  const uint64_t offset = segment->at - copy.at;
  const uint64_t place = copy.place + offset;
  if (segment->size > copy.size - offset) segment->size = static_cast<uint32_t>(copy.size - offset);
  switch (copy.kind) {
    case Kind::bytes: memcpy(pointer<char>(place), pointer<const char>(segment->at), segment->size); break;
    case Kind::header: hand_over_header(*pointer<msghdr>(place), *pointer<msghdr>(segment->at)); break;
    case Kind::headers:
      hand_over_headers(pointer<mmsghdr>(place), pointer<mmsghdr>(segment->at), segment->size / sizeof(mmsghdr));
      break;
  }
  segment->at = place;
}

// Segments come about in the order of the copies, so the search goes on where it ended.
void hand_over_all(const List& list, Segment* segments, int count) {
  uint32_t at = 0;
  for (int i = 0; i < count; ++i) {
    for (uint32_t tried = 0; tried < list.count; ++tried, at = at + 1 < list.count ? at + 1 : 0) {
      const Copy& copy = list.copies[at];
      if (segments[i].at - copy.at >= copy.size) continue;
      hand_over(copy, &segments[i]);
      break;
    }
  }
}

}  // namespace

Bounce::Bounce(const Thread& t, const Call& call) : call_(call), copied_(call), memory_(0), used_(0) {
  if (threads_alive() == 1 || keeps_pages(call)) return;
  const uint64_t memory = memory_of(t.index);
  if (!memory) return;
  Copier copier(call, memory);
  bool fits = false;
  const bool readable = guarded([&] { fits = copier.copy_all(); });
  if (!readable || !fits) return;
  copied_ = copier.copied();
  memory_ = memory;
  used_ = copier.used();
}

long Bounce::finish(long result, const model::Before& before, Segment* segments, int* count) const {
  *count = model::outputs(copied_, result, before, segments);
  if (!memory_) return result;
  const bool written = guarded([&] { hand_over_all(*pointer<const List>(memory_), segments, *count); });
  if (used_ - memory_ > kKept) raw(SYS_madvise, memory_ + kKept, page_up(used_) - memory_ - kKept, MADV_DONTNEED);
  if (written) return result;
  *count = model::outputs(call_, -EFAULT, before, segments);
  return -EFAULT;
}

}  // namespace reprise::stage
