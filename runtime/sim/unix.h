// UnixSocket: one end of a Unix stream connection, a listener, or neither yet.
//
// Thread safety and ownership: socket.h.
#pragma once

#include "runtime/sim/socket.h"

namespace reprise::sim {

class UnixSocket final : public Socket {
 public:
  UnixSocket() : Socket(AF_UNIX) {}
  ~UnixSocket() override;

  std::string_view kind() const override { return "Unix socket"; }
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
  int protocol() const override { return 0; }
  bool listens() const override { return state_ == State::listening; }

 private:
  using Ref = std::shared_ptr<UnixSocket>;
  friend void new_unix_pair(FileRef ends[2]);

  enum class State : uint8_t { closed, listening, established };
  enum Shut : uint8_t { kReceive = 1, kSend = 2, kBoth = 3 };

  void join(const Ref& peer);
  void lose_peer(bool with_error);
  void release(bool embryo);
  size_t room() const;
  bool writable() const;

  State state_ = State::closed;
  uint8_t shut_ = 0;
  bool gone_ = false;        // no descriptor any more
  bool has_peer_ = false;
  // Bound to; empty: unnamed. Starts with a zero byte if abstract. The peer looks at it too, also when this end
  // is gone.
  std::shared_ptr<std::string> name_ = std::make_shared<std::string>();
  std::shared_ptr<std::string> peer_name_;
  std::weak_ptr<UnixSocket> peer_;
  ByteQueue received_;
  int backlog_ = 0;
  std::deque<Ref> queue_;
  std::vector<std::weak_ptr<UnixSocket>> waiting_;  // a listener's: they found its queue full
};

}  // namespace reprise::sim
