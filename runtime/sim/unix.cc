// Unix stream sockets, after the kernel's af_unix.c.
//
// Absent: descriptors and credentials in messages, datagrams, message boundaries of SOCK_SEQPACKET, and
// automatic names. A call that needs one is refused by name.
#include "runtime/sim/unix.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/un.h>

#include <algorithm>
#include <cstring>

#include "runtime/sim/tree.h"

namespace reprise::sim {

namespace {

constexpr uint32_t kIn = EPOLLIN | EPOLLRDNORM, kOut = EPOLLOUT | EPOLLWRNORM;
constexpr uint32_t kEverything = ~0u;
constexpr size_t kPathAt = offsetof(sockaddr_un, sun_path);

// Abstract names. Paths are in the tree, and stay when their socket is closed, until they are unlinked.
std::map<std::string, UnixSocket*>& names = *new std::map<std::string, UnixSocket*>;

bool is_path(const std::string& name) { return !name.empty() && name[0] != '\0'; }

long parse(const sockaddr* address, socklen_t size, std::string* name) {
  if (size <= kPathAt || size > sizeof(sockaddr_un)) return -EINVAL;
  if (address->sa_family != AF_UNIX) return -EINVAL;
  const char* path = reinterpret_cast<const char*>(address) + kPathAt;
  *name = std::string(path, path[0] == '\0' ? size - kPathAt : strnlen(path, size - kPathAt));
  return 0;
}

// Makes the file that stands for the socket.
long bind_path(const std::string& path, const FileRef& socket) {
  Place place;
  if (long bad = locate(working_directory(), path, Follow::no, &place); bad < 0) return bad;
  if (place.exists()) return -EADDRINUSE;
  if (kernels_own(place.path)) unsupported("bind", "a socket below " + place.path);
  make_node(place.path, Inode::Type::socket, 0755)->socket = socket;
  return 0;
}

// Who is bound there; null and *error.
FileRef bound_at(const std::string& path, long* error) {
  Place place;
  if (*error = locate(working_directory(), path, Follow::yes, &place); *error < 0) return nullptr;
  if (!place.exists()) return *error = -ENOENT, nullptr;
  FileRef bound = place.inode != nullptr ? place.inode->socket.lock() : nullptr;
  if (bound == nullptr) *error = -ECONNREFUSED;
  return bound;
}

}  // namespace

FileRef new_unix_socket() { return std::make_shared<UnixSocket>(); }

void new_unix_pair(FileRef ends[2]) {
  auto first = std::make_shared<UnixSocket>(), second = std::make_shared<UnixSocket>();
  first->join(second);
  second->join(first);
  ends[0] = first;
  ends[1] = second;
}

void forget_unix_names() { names.clear(); }

UnixSocket::~UnixSocket() {
  const auto found = names.find(*name_);
  if (found != names.end() && found->second == this) names.erase(found);
}

// ---- connecting -------------------------------------------------------------------------------

long UnixSocket::bind(const sockaddr* address, socklen_t size) {
  if (size == kPathAt) unsupported("bind", "an automatic name of a Unix socket");
  std::string wanted;
  if (long bad = parse(address, size, &wanted); bad < 0) return bad;
  if (!name_->empty()) return -EINVAL;
  if (is_path(wanted)) {
    if (long bad = bind_path(wanted, shared_from_this()); bad < 0) return bad;
  } else if (!names.try_emplace(wanted, this).second) {
    return -EADDRINUSE;
  }
  *name_ = wanted;
  return 0;
}

long UnixSocket::listen(int backlog) {
  if (name_->empty() || state_ == State::established) return -EINVAL;
  backlog_ = std::clamp(backlog, 0, 4096);
  state_ = State::listening;
  changed(kEverything);
  return 0;
}

long UnixSocket::connect(const sockaddr* address, socklen_t size) {
  std::string to;
  long bad = parse(address, size, &to);
  if (bad < 0) return bad;
  const FileRef bound = is_path(to) ? bound_at(to, &bad) : nullptr;
  if (bad < 0) return bad;
  const auto found = names.find(to);
  if (bound == nullptr && found == names.end()) return -ECONNREFUSED;
  UnixSocket* listener = bound != nullptr ? static_cast<UnixSocket*>(bound.get()) : found->second;
  if (!listener->listens()) return -ECONNREFUSED;
  if ((listener->shut_ & kReceive) != 0) return -ECONNREFUSED;
  if (listener->queue_.size() > static_cast<size_t>(listener->backlog_)) {
    listener->waiting_.push_back(std::static_pointer_cast<UnixSocket>(shared_from_this()));
    return -EAGAIN;
  }
  if (state_ == State::established) return -EISCONN;
  if (state_ == State::listening) return -EINVAL;
  auto child = std::make_shared<UnixSocket>();
  *child->name_ = *listener->name_;
  child->join(std::static_pointer_cast<UnixSocket>(shared_from_this()));
  join(child);
  listener->queue_.push_back(std::move(child));
  listener->changed(kIn);
  changed(kOut);
  return 0;
}

void UnixSocket::join(const Ref& peer) {
  peer_ = peer;
  peer_name_ = peer->name_;
  has_peer_ = true;
  object = peer->object;
  state_ = State::established;
}

FileRef UnixSocket::accept(long* bad) {
  if (state_ != State::listening) return *bad = -EINVAL, nullptr;
  if (queue_.empty()) {
    *bad = (shut_ & kReceive) != 0 && !nonblocking() ? -EINVAL : -EAGAIN;
    return nullptr;
  }
  Ref next = std::move(queue_.front());
  queue_.pop_front();
  for (const auto& weak : std::exchange(waiting_, {})) {
    if (const Ref client = weak.lock()) client->changed(kOut);
  }
  return next;
}

socklen_t UnixSocket::name(bool peer, sockaddr_storage* to, long* bad) const {
  if (peer && !has_peer_) return *bad = -ENOTCONN, 0;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string& shown = peer ? *peer_name_ : *name_;
  std::memcpy(address.sun_path, shown.data(), std::min(shown.size(), sizeof address.sun_path));
  std::memcpy(to, &address, sizeof address);
  return static_cast<socklen_t>(kPathAt + shown.size() + (is_path(shown) ? 1 : 0));
}

// ---- closing ----------------------------------------------------------------------------------

void UnixSocket::lose_peer(bool with_error) {
  shut_ = kBoth;
  if (with_error) error = ECONNRESET;
  changed(kEverything);
}

void UnixSocket::release(bool embryo) {
  gone_ = true;
  if (const Ref peer = peer_.lock(); peer != nullptr && !peer->gone_) {
    peer->lose_peer(embryo || !received_.empty());
  }
}

void UnixSocket::closed() {
  const std::deque<Ref> refused = std::exchange(queue_, {});
  for (const Ref& child : refused) child->release(true);
  if (state_ == State::listening) state_ = State::closed;
  release(false);
}

long UnixSocket::shutdown(int how) {
  if (how < SHUT_RD || how > SHUT_RDWR) return -EINVAL;
  const uint8_t bits = static_cast<uint8_t>(how + 1);
  shut_ |= bits;
  changed(kEverything);
  const Ref peer = peer_.lock();
  if (peer == nullptr || peer->gone_) return 0;
  if ((bits & kReceive) != 0) peer->shut_ |= kSend;
  if ((bits & kSend) != 0) peer->shut_ |= kReceive;
  peer->changed(kEverything);
  return 0;
}

// ---- bytes ------------------------------------------------------------------------------------

long UnixSocket::receive(Buffers& to, int how) {
  if (state_ != State::established) return -EINVAL;
  if (received_.empty()) {
    if (error != 0) return take_error();
    return (shut_ & kReceive) != 0 ? 0 : -EAGAIN;
  }
  uint64_t size = std::min(to.size(), received_.size());
  const bool cut = (how & MSG_PEEK) == 0 && cut_short(choose_fault({Fault::one_byte, Fault::half}), &size);
  to.put(received_.data(), size);
  if ((how & MSG_PEEK) != 0) return static_cast<long>(size);
  received_.consume(size);
  if (cut) changed(kIn);  // as if the rest arrived now: who waits for an edge gets one
  const Ref peer = peer_.lock();
  if (peer != nullptr && !peer->gone_ && peer->writable()) peer->changed(kOut);
  return static_cast<long>(size);
}

size_t UnixSocket::room() const {
  const Ref peer = peer_.lock();
  const size_t used = peer != nullptr ? peer->received_.size() : 0;
  const size_t capacity = buffer_of(SO_SNDBUF);
  return capacity > used ? capacity - used : 0;
}

bool UnixSocket::writable() const {
  return state_ != State::listening && room() * 4 >= buffer_of(SO_SNDBUF) * 3;
}

long UnixSocket::send(Buffers& from, int how) {
  if (!has_peer_) return -ENOTCONN;
  const Ref peer = peer_.lock();
  const bool broken = (shut_ & kSend) != 0 || peer == nullptr || peer->gone_ || (peer->shut_ & kReceive) != 0;
  if (broken) {
    const int pending = std::exchange(error, 0);  // stays for the next receive
    const long result = broken_pipe(how);
    error = pending;
    return result;
  }
  if (error != 0) return take_error();
  uint64_t size = std::min(from.size(), room());
  if (size == 0) return from.size() == 0 ? 0 : -EAGAIN;
  if (cut_short(choose_fault({Fault::one_byte, Fault::half}), &size)) changed(kOut);
  std::string bytes(size, '\0');
  from.take(bytes.data(), size);
  peer->received_.append(bytes.data(), size);
  peer->changed(kIn);
  return static_cast<long>(size);
}

uint32_t UnixSocket::ready() const {
  uint32_t bits = 0;
  if (error != 0) bits |= EPOLLERR;
  if (shut_ == kBoth) bits |= EPOLLHUP;
  if ((shut_ & kReceive) != 0) bits |= EPOLLRDHUP | kIn;
  if (!received_.empty() || !queue_.empty()) bits |= kIn;
  if (state_ == State::closed) bits |= EPOLLHUP;
  if (writable()) bits |= kOut;
  return bits;
}

}  // namespace reprise::sim
