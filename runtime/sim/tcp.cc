// TCP, as a program sees it through sockets.
//
// Follows Linux's tcp_recvmsg, tcp_sendmsg, tcp_poll, tcp_reset, tcp_fin and inet_stream_connect in what
// they return and in which order they look at queue, FIN, pending error and shutdown;
// tests/property/sim_socket_property_test.cc compares the two. Absent: TIME_WAIT (a port can be bound again
// at once), urgent data, fast open, simultaneous open.
//
// Invariants: the wire is in the order of sending and at_ns never decreases along it. `alarm_` is set while
// the wire is not empty, while connecting waits, or while something was sent into silence.
#include "runtime/sim/tcp.h"

#include <errno.h>
#include <sys/epoll.h>

#include <algorithm>
#include <cstring>

#include "runtime/time/clock.h"

namespace reprise::sim {

namespace {

constexpr uint32_t kIn = EPOLLIN | EPOLLRDNORM, kOut = EPOLLOUT | EPOLLWRNORM;
constexpr uint32_t kEverything = ~0u;
constexpr int64_t kMillisecond = 1'000'000, kSecond = 1'000'000'000;
constexpr int64_t kFirstRetryNs = kSecond;
constexpr int kMaxKnocks = 7;                       // 1 + 2 + ... + 64 s: the kernel's 127 s
constexpr int64_t kGiveUpNs = 127 * kSecond;
constexpr int64_t kRetransmitNs = 924'600'000'000;  // tcp_retries2 = 15
constexpr uint16_t kFirstPort = 32'768, kLastPort = 60'999;

std::vector<TcpSocket*>& bound_sockets = *new std::vector<TcpSocket*>;
uint16_t next_port = kFirstPort;

InetName ipv4_name(uint32_t address, uint16_t port) {
  InetName name{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, port};
  std::memcpy(&name.ip[12], &address, 4);
  return name;
}

InetName any_of(int family) { return family == AF_INET ? ipv4_name(0, 0) : InetName{}; }

// Where a connect to "any address" goes.
InetName loopback_if_any(InetName name) {
  if (!name.is_any()) return name;
  if (name.is_ipv4()) return ipv4_name(htonl(INADDR_LOOPBACK), name.port);
  name.ip[15] = 1;
  return name;
}

}  // namespace

bool InetName::is_ipv4() const {
  static constexpr uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  return std::memcmp(ip.data(), kMapped, sizeof kMapped) == 0;
}

bool InetName::is_any() const {
  const size_t from = is_ipv4() ? 12 : 0;
  return std::all_of(ip.begin() + from, ip.end(), [](uint8_t b) { return b == 0; });
}

FileRef new_tcp_socket(int family) { return std::make_shared<TcpSocket>(family); }

void forget_tcp_names() {
  bound_sockets.clear();
  next_port = kFirstPort;
}

TcpSocket::TcpSocket(int family) : Socket(family), local_(any_of(family)), alarm_(on_alarm, this) {}

TcpSocket::~TcpSocket() {
  unbind();
}

// ---- names ------------------------------------------------------------------------------------

long TcpSocket::parse(const sockaddr* address, socklen_t size, InetName* to) const {
  if (size < sizeof(sa_family_t)) return -EINVAL;
  if (domain == AF_INET) {
    sockaddr_in in;
    if (size < sizeof in) return -EINVAL;
    std::memcpy(&in, address, sizeof in);
    if (in.sin_family != AF_INET) return -EAFNOSUPPORT;
    *to = ipv4_name(in.sin_addr.s_addr, ntohs(in.sin_port));
    return 0;
  }
  sockaddr_in6 in6;
  constexpr socklen_t kLeast = offsetof(sockaddr_in6, sin6_scope_id);  // SIN6_LEN_RFC2133
  if (size < kLeast) return -EINVAL;
  std::memcpy(&in6, address, kLeast);
  if (in6.sin6_family != AF_INET6) return -EAFNOSUPPORT;
  std::memcpy(to->ip.data(), &in6.sin6_addr, 16);
  to->port = ntohs(in6.sin6_port);
  return 0;
}

bool TcpSocket::reuses() const { return flag(SOL_SOCKET, SO_REUSEADDR) && !listens(); }

long TcpSocket::bind(const sockaddr* address, socklen_t size) {
  InetName wanted;
  if (long bad = parse(address, size, &wanted); bad < 0) return bad;
  if (bound_ || state_ != State::closed) return -EINVAL;
  const bool only6 = flag(IPPROTO_IPV6, IPV6_V6ONLY);
  for (const TcpSocket* other : bound_sockets) {
    if (wanted.port == 0 || other->local_.port != wanted.port) continue;
    const bool dual = (wanted.is_any() && !wanted.is_ipv4() && !only6) ||
                      (other->local_.is_any() && !other->local_.is_ipv4() &&
                       !other->flag(IPPROTO_IPV6, IPV6_V6ONLY));
    const bool same_family = wanted.is_ipv4() == other->local_.is_ipv4();
    const bool overlaps = dual || (same_family && (wanted.ip == other->local_.ip || wanted.is_any() ||
                                                   other->local_.is_any()));
    const bool shared = (reuses() && other->reuses()) ||
                        (flag(SOL_SOCKET, SO_REUSEPORT) && other->flag(SOL_SOCKET, SO_REUSEPORT));
    if (overlaps && !shared) return -EADDRINUSE;
  }
  local_ = wanted;
  if (local_.port == 0) return bind_to_some_port(), 0;
  port_asked_for_ = true;
  bound_ = true;
  bound_sockets.push_back(this);
  return 0;
}

void TcpSocket::bind_to_some_port() {
  const auto taken = [](uint16_t port) {
    return std::any_of(bound_sockets.begin(), bound_sockets.end(),
                       [port](const TcpSocket* s) { return s->local_.port == port; });
  };
  while (taken(next_port)) next_port = next_port == kLastPort ? kFirstPort : next_port + 1;
  local_.port = next_port;
  next_port = next_port == kLastPort ? kFirstPort : next_port + 1;
  bound_ = true;
  bound_sockets.push_back(this);
}

void TcpSocket::unbind() {
  if (bound_) std::erase(bound_sockets, this);
  bound_ = false;
}

socklen_t TcpSocket::name(bool peer, sockaddr_storage* to, long* bad) const {
  const bool has_peer = state_ == State::established && remote_.port != 0;
  if (peer && !has_peer) return *bad = -ENOTCONN, 0;
  const InetName& shown = peer ? remote_ : local_;
  if (domain == AF_INET) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(shown.port);
    std::memcpy(&in.sin_addr, &shown.ip[12], 4);
    std::memcpy(to, &in, sizeof in);
    return sizeof in;
  }
  sockaddr_in6 in6{};
  in6.sin6_family = AF_INET6;
  in6.sin6_port = htons(shown.port);
  std::memcpy(&in6.sin6_addr, shown.ip.data(), 16);
  std::memcpy(to, &in6, sizeof in6);
  return sizeof in6;
}

// ---- listening --------------------------------------------------------------------------------

long TcpSocket::listen(int backlog) {
  if (state_ != State::closed && state_ != State::listening) return -EINVAL;
  if (progress_ != Progress::unconnected) return -EINVAL;
  backlog_ = std::clamp(backlog, 0, 4096);
  if (state_ == State::listening) return 0;
  for (const TcpSocket* other : bound_sockets) {
    const bool shared = flag(SOL_SOCKET, SO_REUSEPORT) && other->flag(SOL_SOCKET, SO_REUSEPORT);
    if (other != this && bound_ && other->listens() && other->local_ == local_ && !shared) return -EADDRINUSE;
  }
  if (!bound_) bind_to_some_port();
  state_ = State::listening;
  shut_ = 0;
  changed(kEverything);
  return 0;
}

TcpSocket* TcpSocket::listener_at(const InetName& wanted) const {
  TcpSocket* any = nullptr;
  for (TcpSocket* other : bound_sockets) {
    if (!other->listens() || other->local_.port != wanted.port) continue;
    if (other->local_.ip == wanted.ip) return other;
    const bool ipv4 = other->local_.is_ipv4();
    const bool dual = !ipv4 && wanted.is_ipv4() && !other->flag(IPPROTO_IPV6, IPV6_V6ONLY);
    if (other->local_.is_any() && (ipv4 == wanted.is_ipv4() || dual) && any == nullptr) any = other;
  }
  return any;
}

FileRef TcpSocket::accept(long* bad) {
  if (state_ != State::listening) return *bad = -EINVAL, nullptr;
  if (queue_.empty()) return *bad = -EAGAIN, nullptr;
  Ref next = std::move(queue_.front());
  queue_.pop_front();
  return next;
}

void TcpSocket::become_closed() {
  state_ = State::closed;
  if (!port_asked_for_) unbind();
}

// As if it had never been connected.
void TcpSocket::disconnect() {
  become_closed();
  progress_ = Progress::unconnected;
  shut_ = 0;
  error = 0;
  fin_received_ = fin_sent_ = silent_ = false;
  unheard_bytes_ = 0;
  received_.clear();
  peer_.reset();
}

void TcpSocket::stop_listening() {
  become_closed();
  const std::deque<Ref> refused = std::exchange(queue_, {});
  for (const Ref& child : refused) child->abort_connection();
  changed(kEverything);
}

// The listener's end of a connection from `client`.
TcpSocket::Ref TcpSocket::make_child(TcpSocket& client) {
  auto child = std::make_shared<TcpSocket>(domain);
  child->options_ = options_;
  child->receive_timeout_ns = receive_timeout_ns;
  child->send_timeout_ns = send_timeout_ns;
  child->local_ = client.remote_;
  child->remote_ = client.local_;
  child->established_with(client.self());
  return child;
}

// ---- connecting -------------------------------------------------------------------------------

long TcpSocket::connect(const sockaddr* address, socklen_t size) {
  if (progress_ == Progress::connected) return -EISCONN;
  if (progress_ == Progress::disconnecting) return -EINVAL;
  if (progress_ == Progress::connecting) {
    if (state_ == State::connecting) return -EALREADY;
    if (state_ == State::established) return progress_ = Progress::connected, 0;
    const long why = error != 0 ? take_error() : -ECONNABORTED;
    disconnect();
    return why;
  }
  InetName to;
  sa_family_t family;
  if (size < sizeof family) return -EINVAL;
  std::memcpy(&family, address, sizeof family);
  if (family == AF_UNSPEC) unsupported("connect", "AF_UNSPEC, which takes a connection apart");
  if (state_ != State::closed) return -EISCONN;
  if (long bad = parse(address, size, &to); bad < 0) return bad;
  return begin_connect(to);
}

long TcpSocket::begin_connect(const InetName& to) {
  remote_ = loopback_if_any(to);
  if (local_.is_any()) {
    const uint16_t port = local_.port;
    const bool loopback = remote_.is_ipv4() && remote_.ip[12] == 127;
    local_ = loopback ? ipv4_name(htonl(INADDR_LOOPBACK), port) : remote_;
    local_.port = port;
  }
  if (!bound_) bind_to_some_port();
  state_ = State::connecting;
  progress_ = Progress::connecting;
  knocks_ = 0;
  const Fault fault = choose_fault({Fault::refuse, Fault::delay_1ms, Fault::delay_1s, Fault::silence});
  if (fault == Fault::refuse) {
    fail_connect(ECONNREFUSED);
  } else if (fault == Fault::silence) {
    silent_ = true;
    alarm_.set(rt::when_after(kGiveUpNs));
  } else if (const int64_t delay = delay_of(fault); delay != 0) {
    alarm_.set(rt::when_after(delay));
  } else {
    knock();
  }
  return -EINPROGRESS;
}

// Asks the listener. A full queue does not answer, and is asked again later.
void TcpSocket::knock() {
  TcpSocket* listener = listener_at(remote_);
  if (listener == nullptr) return fail_connect(ECONNREFUSED);
  if (listener->queue_.size() > static_cast<size_t>(listener->backlog_)) {
    if (++knocks_ >= kMaxKnocks) return fail_connect(ETIMEDOUT);
    alarm_.set(rt::when_after(kFirstRetryNs << (knocks_ - 1)));
    return;
  }
  Ref child = listener->make_child(*this);
  established_with(child);
  listener->queue_.push_back(std::move(child));
  listener->changed(kIn);
  changed(kOut);
}

void TcpSocket::established_with(const Ref& peer) {
  peer_ = peer;
  state_ = State::established;
  object = peer->object;
  if (progress_ == Progress::unconnected) progress_ = Progress::connected;  // a child
}

void TcpSocket::fail_connect(int why) { end(why); }

// ---- the wire ---------------------------------------------------------------------------------

TcpSocket::Ref TcpSocket::peer_alive() const {
  Ref peer = peer_.lock();
  return peer != nullptr && !peer->orphan_ ? peer : nullptr;
}

int64_t TcpSocket::delay_of(Fault fault) const {
  if (fault == Fault::delay_1ms) return kMillisecond;
  return fault == Fault::delay_1s ? kSecond : 0;
}

void TcpSocket::transmit(Segment segment, int64_t delay_ns) {
  if (silent_) {
    if (segment.kind != Segment::Kind::data) return;
    if (unheard_bytes_ == 0) alarm_.set(rt::when_after(kRetransmitNs));
    unheard_bytes_ += segment.bytes.size();
    return;
  }
  if (Ref peer = peer_alive()) return peer->arrive(std::move(segment), delay_ns);
  // Nobody owns the other end: its machine answers data by a reset.
  if (segment.kind == Segment::Kind::data) arrive({Segment::Kind::reset, {}}, delay_ns);
}

void TcpSocket::arrive(Segment segment, int64_t delay_ns) {
  if (wire_.empty() && delay_ns == 0) return deliver(std::move(segment));
  segment.at_ns = rt::nanotime() + delay_ns;
  if (!wire_.empty()) segment.at_ns = std::max(segment.at_ns, wire_.back().at_ns);
  wire_bytes_ += segment.bytes.size();
  wire_.push_back(std::move(segment));
  if (wire_.size() == 1) alarm_.set(wire_.front().at_ns);
}

void TcpSocket::deliver(Segment segment) {
  if (state_ != State::established) return;
  switch (segment.kind) {
    case Segment::Kind::data:
      if (fin_sent_ && (shut_ & kReceive) != 0) {  // nobody will read it: both ends are reset
        transmit({Segment::Kind::reset, {}}, 0);
        return end(ECONNRESET);
      }
      received_.append(segment.bytes.data(), segment.bytes.size());
      return changed(kIn);
    case Segment::Kind::fin: return got_fin();
    case Segment::Kind::reset: return got_reset();
    case Segment::Kind::handshake: return;
  }
}

void TcpSocket::deliver_due() {
  while (!wire_.empty() && wire_.front().at_ns <= rt::nanotime()) {
    Segment segment = std::move(wire_.front());
    wire_.pop_front();
    wire_bytes_ -= segment.bytes.size();
    deliver(std::move(segment));
  }
  if (!wire_.empty()) alarm_.set(wire_.front().at_ns);
}

void TcpSocket::alarm_rang() {
  if (state_ == State::connecting) return silent_ ? fail_connect(ETIMEDOUT) : knock();
  if (silent_) return end(ETIMEDOUT);
  deliver_due();
}

void TcpSocket::on_alarm(void* arg) {
  auto* socket = static_cast<TcpSocket*>(arg);
  const Ref alive = socket->self();
  socket->alarm_rang();
  if (alive.use_count() > 1) socket->alarm_.done();
}

void TcpSocket::got_fin() {
  fin_received_ = true;
  shut_ |= kReceive;
  if (fin_sent_) become_closed();
  changed(kEverything);
}

void TcpSocket::got_reset() {
  if (state_ == State::closed) return;
  end(fin_received_ && !fin_sent_ ? EPIPE : ECONNRESET);
}

// The kernel's tcp_done with an error: what was received can still be read.
void TcpSocket::end(int why) {
  error = why;
  become_closed();
  shut_ = kBoth;
  wire_.clear();
  wire_bytes_ = 0;
  alarm_.stop();
  changed(kEverything);
}

void TcpSocket::send_fin(int64_t delay_ns) {
  fin_sent_ = true;
  shut_ |= kSend;
  transmit({Segment::Kind::fin, {}}, delay_ns);
  if (fin_received_) become_closed();
}

void TcpSocket::abort_connection() {
  if (state_ == State::established) transmit({Segment::Kind::reset, {}}, 0);
  orphan_ = true;
  state_ = State::closed;
}

void TcpSocket::go_silent() {
  silent_ = true;
  if (Ref peer = peer_alive()) peer->silent_ = true;
}

// ---- closing ----------------------------------------------------------------------------------

void TcpSocket::closed() {
  if (state_ == State::listening) {
    stop_listening();
  } else if (state_ == State::established) {
    const auto linger = options_.find({SOL_SOCKET, SO_LINGER});
    const bool at_once = linger != options_.end() && linger->second == 0;
    if (at_once || !received_.empty() || wire_bytes_ != 0) {
      abort_connection();
    } else if (!fin_sent_) {
      send_fin(0);
    }
  }
  orphan_ = true;
  state_ = State::closed;
  alarm_.stop();
  unbind();
}

long TcpSocket::shutdown(int how) {
  if (how < SHUT_RD || how > SHUT_RDWR) return -EINVAL;
  const uint8_t bits = static_cast<uint8_t>(how + 1);
  if (progress_ == Progress::connecting) {
    progress_ = state_ == State::established ? Progress::connected : Progress::disconnecting;
  }
  if (state_ == State::listening) {
    if ((bits & kReceive) != 0) stop_listening();
    return 0;
  }
  if (state_ == State::connecting) {
    alarm_.stop();
    become_closed();
    progress_ = Progress::unconnected;
    changed(kEverything);
    return 0;
  }
  if (state_ == State::closed) {
    shut_ |= bits;
    changed(kEverything);
    return -ENOTCONN;
  }
  shut_ |= bits;
  if ((bits & kSend) != 0 && !fin_sent_) send_fin(0);
  changed(kEverything);
  return 0;
}

// ---- bytes ------------------------------------------------------------------------------------

long TcpSocket::receive(Buffers& to, int how) {
  if (state_ == State::listening) return -ENOTCONN;
  if (received_.empty()) {
    if (fin_received_) return 0;
    if (error != 0) return take_error();
    if ((shut_ & kReceive) != 0) return 0;
    return state_ == State::closed ? -ENOTCONN : -EAGAIN;
  }
  uint64_t size = std::min(to.size(), received_.size());
  const bool cut = (how & MSG_PEEK) == 0 && cut_short(choose_fault({Fault::one_byte, Fault::half}), &size);
  to.put(received_.data(), size);
  if ((how & MSG_PEEK) != 0) return static_cast<long>(size);
  received_.consume(size);
  if (cut) changed(kIn);  // as if the rest arrived now: who waits for an edge gets one
  const Ref peer = peer_alive();
  if (peer != nullptr && peer->wants_room_ && (peer->ready() & EPOLLOUT) != 0) {
    peer->wants_room_ = false;
    peer->changed(kOut);
  }
  return static_cast<long>(size);
}

// Bytes that can be sent now.
size_t TcpSocket::room() const {
  const Ref peer = peer_alive();
  const size_t capacity = buffer_of(SO_SNDBUF) + (peer != nullptr ? peer->buffer_of(SO_RCVBUF) : 0);
  size_t used = unheard_bytes_;
  if (peer != nullptr) used += peer->received_.size() + peer->wire_bytes_;
  return capacity > used ? capacity - used : 0;
}

long TcpSocket::not_sendable(int how) {
  if (state_ == State::connecting) return -EAGAIN;
  return broken_pipe(how);
}

long TcpSocket::send(Buffers& from, int how) {
  const bool open = state_ == State::established && error == 0 && (shut_ & kSend) == 0;
  if (!open) return not_sendable(how);
  uint64_t size = std::min(from.size(), room());
  if (size == 0) {
    if (from.size() == 0) return 0;
    wants_room_ = true;
    return -EAGAIN;
  }
  const Fault fault = choose_fault({Fault::one_byte, Fault::half, Fault::delay_1ms, Fault::delay_1s,
                                    Fault::reset, Fault::silence});
  if (fault == Fault::reset) {
    if (Ref peer = peer_alive()) peer->got_reset();
    got_reset();
    return broken_pipe(how);
  }
  if (fault == Fault::silence) go_silent();
  if (cut_short(fault, &size)) changed(kOut);  // a writer that waits for an edge gets one
  Segment segment{Segment::Kind::data, std::string(size, '\0')};
  from.take(segment.bytes.data(), size);
  transmit(std::move(segment), delay_of(fault));
  return static_cast<long>(size);
}

uint32_t TcpSocket::ready() const {
  if (state_ == State::listening) return queue_.empty() ? 0 : kIn;
  uint32_t bits = 0;
  if (shut_ == kBoth || state_ == State::closed) bits |= EPOLLHUP;
  if ((shut_ & kReceive) != 0) bits |= kIn | EPOLLRDHUP;
  if (state_ != State::connecting) {
    if (!received_.empty()) bits |= kIn;
    if ((shut_ & kSend) != 0 || state_ == State::closed) {
      bits |= kOut;
    } else if (const size_t free = room(); free != 0 && free >= buffer_of(SO_SNDBUF) / 3) {
      bits |= kOut;
    } else {
      wants_room_ = true;
    }
  }
  if (error != 0) bits |= EPOLLERR;
  return bits;
}

}  // namespace reprise::sim
