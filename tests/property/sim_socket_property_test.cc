// The simulated sockets against the kernel's: random programs of non-blocking calls on a handful of sockets
// give the same results on both.
//
// The kernel's loopback works by itself while a program looks away, so after each call both worlds are given
// time until poll says the same of every socket; that they come to agree is part of what is checked. Without
// faults nothing in the simulated world depends on time.
//
// A program has up to 40 calls; 300 programs a property, always the same ones unless RC_PARAMS says otherwise. A
// difference that one program in 100 would show is
// missed with a probability of 0.05.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <rapidcheck/gtest.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "runtime/sim/sim.h"
#include "runtime/sys/syscall.h"

namespace reprise {
namespace {

constexpr int kSlots = 5;

// One of the two worlds: the same calls, by slot.
class World {
 public:
  explicit World(bool simulated) : simulated_(simulated) { fds_.fill(-1); }
  ~World() {
    for (int slot = 0; slot < kSlots; ++slot) close(slot);
  }

  template <class... Args>
  long call(long nr, Args... args) {
    if (!simulated_) return rt::sys::call_kernel(nr, args...);
    const long words[6] = {rt::sys::as_word(args)...};
    return sim::wants(nr, words) ? sim::call(nr, words) : -EBADF;
  }

  bool open(int slot) const { return fds_[slot] >= 0; }

  long make(int slot, int family) {
    if (open(slot)) return -EBUSY;
    const long fd = call(SYS_socket, family, SOCK_STREAM | SOCK_NONBLOCK, 0);
    fds_[slot] = static_cast<int>(fd);
    families_[slot] = family;
    return fd < 0 ? fd : 0;
  }

  long close(int slot) {
    if (!open(slot)) return 0;
    const long result = call(SYS_close, fds_[slot]);
    fds_[slot] = -1;
    return result;
  }

  long bind(int slot) {
    if (families_[slot] == AF_INET) {
      sockaddr_in in{};
      in.sin_family = AF_INET;
      in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      return call(SYS_bind, fds_[slot], &in, sizeof in);
    }
    sockaddr_un un{};
    const socklen_t size = abstract_name(&un, slot);
    return call(SYS_bind, fds_[slot], &un, size);
  }

  long listen(int slot) { return call(SYS_listen, fds_[slot], 2); }

  long connect(int slot, int to) {
    sockaddr_storage name{};
    socklen_t size = sizeof name;
    if (call(SYS_getsockname, fds_[to], &name, &size) < 0) return -1;
    return call(SYS_connect, fds_[slot], &name, size);
  }

  long accept(int slot, int into) {
    if (open(into)) return -EBUSY;
    const long fd = call(SYS_accept4, fds_[slot], nullptr, nullptr, SOCK_NONBLOCK);
    fds_[into] = static_cast<int>(fd);
    families_[into] = families_[slot];
    return fd < 0 ? fd : 0;
  }

  // The bytes sent are 'a', 'b', ... in turn, so that order shows.
  long send(int slot, size_t size) {
    std::string text(size, '\0');
    for (char& c : text) c = static_cast<char>('a' + sent_++ % 26);
    return call(SYS_sendto, fds_[slot], text.data(), size, MSG_NOSIGNAL, nullptr, 0);
  }

  long receive(int slot, size_t size, int flags, std::string* text) {
    text->assign(size, '\0');
    const long got = call(SYS_recvfrom, fds_[slot], text->data(), size, flags, nullptr, nullptr);
    text->resize(got > 0 ? static_cast<size_t>(got) : 0);
    return got;
  }

  long shutdown(int slot, int how) { return call(SYS_shutdown, fds_[slot], how); }

  long option(int slot, int name) {
    int value = 0;
    socklen_t size = sizeof value;
    const long result = call(SYS_getsockopt, fds_[slot], SOL_SOCKET, name, &value, &size);
    return result < 0 ? result : value;
  }

  long linger(int slot) {
    const ::linger at_once{1, 0};
    return call(SYS_setsockopt, fds_[slot], SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  }

  long peer_size(int slot) {
    sockaddr_storage name{};
    socklen_t size = sizeof name;
    const long result = call(SYS_getpeername, fds_[slot], &name, &size);
    return result < 0 ? result : size;
  }

  std::string readiness() {
    std::string text;
    for (int slot = 0; slot < kSlots; ++slot) {
      pollfd polled{fds_[slot], POLLIN | POLLOUT | POLLRDHUP | POLLPRI, 0};
      if (open(slot)) call(SYS_poll, &polled, 1, 0);
      text += std::to_string(polled.revents) + " ";
    }
    return text;
  }

 private:
  static socklen_t abstract_name(sockaddr_un* un, int slot) {
    un->sun_family = AF_UNIX;
    static int names = 0;
    const std::string name = "reprise-" + std::to_string(getpid()) + "-" + std::to_string(++names) + "-" +
                             std::to_string(slot);
    std::memcpy(un->sun_path + 1, name.data(), name.size());
    return static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  }

  const bool simulated_;
  std::array<int, kSlots> fds_;
  std::array<int, kSlots> families_{};
  unsigned sent_ = 0;
};

enum class Op { make, bind, listen, connect, accept, send, receive, peek, shutdown, close, error, linger, peer };
constexpr const char* kNames[] = {"make", "bind", "listen", "connect", "accept", "send", "receive",
                                  "peek", "shutdown", "close", "error", "linger", "peer"};

struct Step {
  Op op;
  int slot, other, size;
};

std::ostream& operator<<(std::ostream& out, const Step& step) {
  return out << kNames[static_cast<int>(step.op)] << "(" << step.slot << "," << step.other << "," << step.size << ")";
}

rc::Gen<Step> steps() {
  return rc::gen::build<Step>(
      rc::gen::set(&Step::op, rc::gen::weightedElement<Op>({{2, Op::make}, {2, Op::bind}, {2, Op::listen},
          {4, Op::connect}, {4, Op::accept}, {9, Op::send}, {9, Op::receive}, {2, Op::peek}, {5, Op::shutdown},
          {4, Op::close}, {2, Op::error}, {1, Op::linger}, {2, Op::peer}})),
      rc::gen::set(&Step::slot, rc::gen::inRange(0, kSlots)),
      rc::gen::set(&Step::other, rc::gen::inRange(0, kSlots)),
      rc::gen::set(&Step::size, rc::gen::inRange(1, 9)));
}

// The result and what was read, in one text.
std::string perform(World& world, const Step& step, int family) {
  std::string text;
  long result = 0;
  if (step.op != Op::make && !world.open(step.slot)) return "-";
  // A socket that connects to itself is a simultaneous open, which the simulation lacks.
  if (step.op == Op::connect && (!world.open(step.other) || step.slot == step.other)) return "-";
  switch (step.op) {
    case Op::make: result = world.make(step.slot, family); break;
    case Op::bind: result = world.bind(step.slot); break;
    case Op::listen: result = world.listen(step.slot); break;
    case Op::connect: result = world.connect(step.slot, step.other); break;
    case Op::accept: result = world.accept(step.slot, step.other); break;
    case Op::send: result = world.send(step.slot, static_cast<size_t>(step.size)); break;
    case Op::receive: result = world.receive(step.slot, static_cast<size_t>(step.size), 0, &text); break;
    case Op::peek: result = world.receive(step.slot, static_cast<size_t>(step.size), MSG_PEEK, &text); break;
    case Op::shutdown: result = world.shutdown(step.slot, step.size % 3); break;
    case Op::close: result = world.close(step.slot); break;
    case Op::error: result = world.option(step.slot, SO_ERROR); break;
    case Op::linger: result = world.linger(step.slot); break;
    case Op::peer: result = world.peer_size(step.slot); break;
  }
  return std::to_string(result) + " " + text;
}

// Gives the kernel up to two seconds to come to where the simulation is.
std::string settled(World& real, const std::string& wanted) {
  std::string now = real.readiness();
  for (int i = 0; i < 2000 && now != wanted; ++i) {
    rt::sys::call_kernel(SYS_poll, nullptr, 0, 1);
    now = real.readiness();
  }
  return now;
}

// A listener in slot 0, a connection from 1 to 2.
std::vector<Step> connected() {
  return {{Op::make, 0, 0, 1}, {Op::bind, 0, 0, 1}, {Op::listen, 0, 0, 1}, {Op::make, 1, 0, 1},
          {Op::connect, 1, 0, 1}, {Op::accept, 0, 2, 1}};
}

void compare(const std::vector<Step>& program, int family) {
  sim::open_world(0);
  {
    World simulated(true), real(false);
    std::string done;
    for (const Step& step : program) {
      done += std::string(kNames[static_cast<int>(step.op)]) + "(" + std::to_string(step.slot) + "," +
              std::to_string(step.other) + "," + std::to_string(step.size) + ") ";
      const std::string expected = perform(real, step, family);
      const std::string actual = perform(simulated, step, family);
      if (expected != actual) RC_FAIL(done + "\nkernel: " + expected + "\nsimulated: " + actual);
      const std::string wanted = simulated.readiness();
      const std::string there = settled(real, wanted);
      if (there != wanted) RC_FAIL(done + "\npoll of the kernel: " + there + "\nof the simulated: " + wanted);
    }
  }
  sim::close_world();
}

void property(int family, bool from_a_connection) {
  std::vector<Step> program = from_a_connection ? connected() : std::vector<Step>{};
  const auto random = *rc::gen::resize(40, rc::gen::container<std::vector<Step>>(steps()));
  program.insert(program.end(), random.begin(), random.end());
  compare(program, family);
}

class SimSocket : public testing::Test {
 protected:
  void SetUp() override { setenv("RC_PARAMS", "max_success=300 seed=20261128", 0); }
  void TearDown() override { sim::close_world(); }
};

TEST_F(SimSocket, tcp_is_as_the_kernels_from_a_connection_on) {
  EXPECT_TRUE(rc::check([] { property(AF_INET, true); }));
}
TEST_F(SimSocket, tcp_is_as_the_kernels_from_nothing) {
  EXPECT_TRUE(rc::check([] { property(AF_INET, false); }));
}
TEST_F(SimSocket, unix_is_as_the_kernels_from_a_connection_on) {
  EXPECT_TRUE(rc::check([] { property(AF_UNIX, true); }));
}
TEST_F(SimSocket, unix_is_as_the_kernels_from_nothing) {
  EXPECT_TRUE(rc::check([] { property(AF_UNIX, false); }));
}

}  // namespace
}  // namespace reprise
