// TcpSocket: one end of a connection, a listener, or neither yet.
//
// The state is the kernel's, as far as a program can tell: what it has been told of (FIN, RST), what it has
// shut down, and the pending error. Named after the kernel's where they correspond.
//
// Thread safety and ownership: socket.h.
#pragma once

#include "runtime/sim/alarm.h"
#include "runtime/sim/socket.h"

namespace reprise::sim {

// Where an end is: an address in IPv6's form (IPv4 mapped into it) and a port.
struct InetName {
  std::array<uint8_t, 16> ip{};
  uint16_t port = 0;
  bool operator==(const InetName&) const = default;
  bool is_ipv4() const;
  bool is_any() const;
};

class TcpSocket final : public Socket {
 public:
  explicit TcpSocket(int family);
  ~TcpSocket() override;

  std::string_view kind() const override { return "TCP socket"; }
  uint32_t ready() const override;
  void closed() override;

  long bind(const sockaddr* address, socklen_t size) override;
  long listen(int backlog) override;
  long connect(const sockaddr* address, socklen_t size) override;
  FileRef accept(long* error) override;
  long receive(Buffers& to, int flags) override;
  long send(Buffers& from, int flags) override;
  long shutdown(int how) override;
  socklen_t name(bool peer, sockaddr_storage* to, long* error) const override;
  int protocol() const override { return IPPROTO_TCP; }
  bool listens() const override { return state_ == State::listening; }

 private:
  using Ref = std::shared_ptr<TcpSocket>;

  enum class State : uint8_t { closed, listening, connecting, established };
  // Of the descriptor, for connect(): the kernel's sock->state.
  enum class Progress : uint8_t { unconnected, connecting, connected, disconnecting };
  enum Shut : uint8_t { kReceive = 1, kSend = 2, kBoth = 3 };

  struct Segment {
    enum class Kind : uint8_t { data, fin, reset, handshake } kind;
    std::string bytes;
    int64_t at_ns = 0;
  };

  Ref self() { return std::static_pointer_cast<TcpSocket>(shared_from_this()); }
  bool reuses() const;

  // connecting
  long parse(const sockaddr* address, socklen_t size, InetName* name) const;
  void bind_to_some_port();
  long begin_connect(const InetName& to);
  void knock();
  void established_with(const Ref& peer);
  void fail_connect(int why);
  TcpSocket* listener_at(const InetName& name) const;
  Ref make_child(TcpSocket& client);
  void stop_listening();
  void unbind();
  void become_closed();
  void disconnect();

  // the connection
  Ref peer_alive() const;
  void transmit(Segment segment, int64_t delay_ns);
  void arrive(Segment segment, int64_t delay_ns);
  void deliver(Segment segment);
  void deliver_due();
  void got_fin();
  void got_reset();
  void end(int why);
  void send_fin(int64_t delay_ns);
  void abort_connection();
  void go_silent();
  size_t room() const;
  long not_sendable(int flags);
  int64_t delay_of(Fault fault) const;
  void alarm_rang();
  static void on_alarm(void* arg);

  State state_ = State::closed;
  Progress progress_ = Progress::unconnected;
  uint8_t shut_ = 0;
  bool fin_received_ = false;  // the kernel's SOCK_DONE
  bool fin_sent_ = false;
  bool orphan_ = false;        // no descriptor any more
  bool silent_ = false;        // nothing arrives, in both directions
  bool bound_ = false;
  bool port_asked_for_ = false;  // by bind(): else the port goes when the state is closed
  mutable bool wants_room_ = false;
  InetName local_, remote_;
  std::weak_ptr<TcpSocket> peer_;
  ByteQueue received_;
  std::deque<Segment> wire_;   // on the way to here
  size_t wire_bytes_ = 0;
  size_t unheard_bytes_ = 0;   // sent into silence
  int backlog_ = 0;
  std::deque<Ref> queue_;      // a listener's: established, not accepted
  int knocks_ = 0;             // attempts to connect to a listener whose queue was full
  Alarm alarm_;                // the wire's first arrival; connecting: the next attempt, or giving up
};

}  // namespace reprise::sim
