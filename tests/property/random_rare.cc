// Operations of random_program that each come in several shapes, chosen by the digit: conditions,
// contexts, threads of one's own, sockets of other kinds, exceptions, signals, processes, deaths.
#include <fcntl.h>
#include <poll.h>
#include <reprise/context.h>
#include <reprise/net.h>
#include <reprise/os.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <barrier>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <future>
#include <latch>
#include <stdexcept>
#include <string>
#include <thread>

#include "tests/property/random_world.h"

namespace random_program {
namespace {

using namespace reprise;

// ---- C: conditions and once, ours ----

struct Stage {
  Mutex mutex;
  Cond<Mutex> changed{mutex};
  int step = 0;
};

void advance(Stage& stage, bool all) {
  stage.mutex.lock();
  ++stage.step;
  stage.mutex.unlock();
  if (all) return stage.changed.broadcast();
  stage.changed.signal();
}

void condition_ours(int k) {
  auto stage = std::make_shared<Stage>();
  for (int i = 0; i <= k % 3; ++i) {
    go([stage, k] {
      if (k % 2) yield();
      advance(*stage, k > 4);
    });
  }
  stage->mutex.lock();
  stage->changed.wait([&] { return stage->step > k % 3; });
  note(static_cast<uint64_t>(stage->step));
  stage->mutex.unlock();
}

void once_ours(int k) {
  static Once once;
  once.call([k] {
    yield();
    note(static_cast<uint64_t>(k) + 90);
  });
}

void conditions(int k) { k == 9 ? once_ours(k) : condition_ours(k); }

// ---- G: goroutines that end in other ways ----

struct Noted {
  int k;
  ~Noted() { note(static_cast<uint64_t>(k) + 110); }
};

void goroutine_ends(int k) {
  WaitGroup done;
  done.add(1);
  go([done, k]() mutable {
    struct Done {
      WaitGroup& group;
      ~Done() { group.done(); }
    } const ends{done};
    const Noted noted{k};
    if (k % 2) yield();
    if (k % 3) goexit();
  });
  if (k % 2 == 0) yield();
  done.wait();
}

// ---- H: deaths ----

void die_hard(int k) {
  switch (k % 5) {
    case 0: throw std::runtime_error("nobody catches this");
    case 1: *static_cast<volatile int*>(nullptr) = k; break;
    case 2: raise(SIGTERM); break;
    case 3: std::thread([] { throw std::runtime_error("nor this, on a thread"); }).join(); break;
    case 4: world->mutexes[k % 3].unlock(); break;
  }
}

// ---- J: trees of contexts ----

void contexts(int k) {
  static constexpr ContextKey<int> kKey;
  auto [root, cancel_root] = with_cancel(with_value(background(), kKey, k));
  auto [leaf, cancel_leaf] = with_timeout(root, pause_of(k));
  WaitGroup called;
  called.add(1);
  const auto stop = after_func(leaf, [called]() mutable {
    note(120);
    called.done();
  });
  const int* value = leaf.value(kKey);
  note(static_cast<uint64_t>(value != nullptr ? *value : -1));
  if (k % 3 == 0) go([cancel = cancel_root] { cancel(); });
  if (k % 3 == 1) cancel_leaf();
  leaf.done().recv();
  note(leaf.err() == &kCanceled);
  if (k % 4 == 0 && stop()) called.done();
  called.wait();
  cancel_root();
}

// ---- L: a thread of one's own, and what blocks there ----

void locked_work(int k) {
  lock_os_thread();
  switch (k % 4) {
    case 0: sleep_for(pause_of(k)); break;
    case 1: chan(k).try_send(++world->sent); break;
    case 2: {
      const std::lock_guard<std::mutex> held(world->std_mutexes[k % 3]);
      yield();
      break;
    }
    case 3: {
      auto file = os::open("/dev/null", O_WRONLY);
      note(file.ok() && file->write_all("locked").ok());
      break;
    }
  }
  note(static_cast<uint64_t>(k) + 130);
  unlock_os_thread();
}

// ---- U: Unix sockets, half-close, deadlines, close under a reader ----

void serve_one(net::Listener listener, int k) {
  go([listener, k]() mutable {
    auto conn = listener.accept();
    if (!conn.ok()) return note(140);
    char buffer[64];
    size_t got = 0;
    for (auto n = conn->read(buffer); n.ok() && *n > 0; n = conn->read(buffer)) got += *n;
    note(got);
    if (k % 3) note(conn->write_all("bye").ok());
    note(conn->close().ok());
  });
}

void half_close(net::Conn conn, int k) {
  note(conn.write_all(std::string(static_cast<size_t>(k) * 30, 'u')).ok());
  note(conn.close_write().ok());
  char back[8];
  const auto n = conn.read(back);
  note(n.ok() ? *n : 141);
}

void too_late(net::Conn conn, int k) {
  char back[8];
  note(conn.set_read_deadline(now() + pause_of(k)).ok());
  const auto n = conn.read(back);
  note(n.ok() ? *n : 142);
}

void closed_under_reader(net::Conn conn, int k) {
  go([conn, k]() mutable {
    if (k % 2) sleep_for(pause_of(k));
    note(conn.close().ok());
  });
  char back[8];
  const auto n = conn.read(back);
  note(n.ok() ? *n : 143);
}

void unix_socket(int k) {
  static int names = 0;
  const std::string name = "@reprise-random-" + std::to_string(getpid()) + "-" + std::to_string(++names);
  auto listener = net::listen("unix", name);
  if (!listener.ok()) return note(144);
  serve_one(*listener, k);
  auto conn = net::dial("unix", name);
  if (!conn.ok()) return note(145);
  switch (k % 3) {
    case 0: half_close(*conn, k); break;
    case 1: too_late(*conn, k); break;
    case 2: closed_under_reader(*conn, k); break;
  }
  note(conn->close().ok());
}

// ---- X: exceptions and errno across switches ----

void rethrow_later(int k) {
  try {
    try {
      throw static_cast<uint64_t>(k);
    } catch (uint64_t) {
      yield();
      if (k % 2) sleep_for(pause_of(k));
      throw;
    }
  } catch (uint64_t value) {
    note(value + 150);
  }
}

void exceptions_cross(int k) {
  const auto caught = std::make_exception_ptr(std::logic_error("kept"));
  go([k] { rethrow_later(k + 1); });
  rethrow_later(k);
  try {
    std::rethrow_exception(caught);
  } catch (const std::logic_error& e) {
    lock_os_thread();
    note(strlen(e.what()));
    unlock_os_thread();
  }
}

void errno_across(int k) {
  errno = k;
  go([] { note(static_cast<uint64_t>(close(-1) + errno)); });
  k % 2 ? yield() : sleep_for(pause_of(k));
  note(static_cast<uint64_t>(errno) + 160);
}

void exceptions_and_errno(int k) { k < 5 ? exceptions_cross(k) : errno_across(k); }

// ---- Y: the C++ library, signals, processes ----

void futures() {
  auto answer = std::async(std::launch::async, [] {
    const std::lock_guard<std::mutex> held(world->std_mutexes[0]);
    return 170;
  });
  note(static_cast<uint64_t>(answer.get()));
}

void latches() {
  auto latch = std::make_shared<std::latch>(3);
  for (int i = 0; i < 2; ++i) go([latch] { latch->count_down(); });
  latch->arrive_and_wait();
  note(171);
}

uint64_t slow_start() {
  yield();
  return ++world->hash & 1;
}
void static_guard() {
  static const uint64_t value = slow_start();
  note(value);
}

void any_condition() {
  struct Shared {
    std::mutex mutex;
    std::condition_variable_any changed;
    bool ready = false;
  };
  auto shared = std::make_shared<Shared>();
  go([shared] {
    const std::lock_guard<std::mutex> held(shared->mutex);
    shared->ready = true;
    shared->changed.notify_one();
  });
  std::unique_lock<std::mutex> lock(shared->mutex);
  shared->changed.wait(lock, [&] { return shared->ready; });
  note(172);
}

std::atomic<int> signals{0};
void on_signal(int) { ++signals; }

void raised_signal() {
  ::signal(SIGUSR1, on_signal);
  kill(getpid(), SIGUSR1);
  note(static_cast<uint64_t>(signals) + 173);
}

// Comes when it likes.
void alarm_soon(int k) {
  ::signal(SIGALRM, on_signal);
  const itimerval once{{0, 0}, {0, 30 * k}};
  setitimer(ITIMER_REAL, &once, nullptr);
  sleep_for(pause_of(k));
  note(static_cast<uint64_t>(signals) + 180);
}

void child_process() {
  const pid_t child = fork();
  if (child == 0) {
    compute(5 + static_cast<int>(world->hash % 4));  // it is nobody's to preempt any more
    _exit(7);
  }
  int status = 0;
  pid_t ended;
  do ended = waitpid(child, &status, 0);
  while (ended < 0 && errno == EINTR);
  note(ended == child && WIFEXITED(status) ? static_cast<uint64_t>(WEXITSTATUS(status)) : 190);
}

void raw_poll() {
  const int event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (event < 0) return note(191);
  std::thread writer([event] {
    const uint64_t one = 1;
    if (write(event, &one, sizeof one) != sizeof one) note(192);
  });
  pollfd p{event, POLLIN, 0};
  note(static_cast<uint64_t>(poll(&p, 1, 1000)));
  writer.join();
  close(event);
}

void pages(int k) {
  const size_t size = static_cast<size_t>(k + 1) << 14;
  void* const at = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) return note(193);
  std::memset(at, k, size / 2);
  yield();
  note(reinterpret_cast<uintptr_t>(at) + static_cast<uint8_t*>(at)[size / 4]);
  if (k % 2) munmap(at, size);
}

void library_and_system(int k) {
  switch (k) {
    case 0: return futures();
    case 1: return latches();
    case 2: return static_guard();
    case 3: return any_condition();
    case 4: return raised_signal();
    case 5: case 6: return alarm_soon(k);
    case 7: return child_process();
    case 8: return raw_poll();
    default: return pages(k);
  }
}

constexpr Operation kRareOperations[] = {
    {'C', conditions},  {'G', goroutine_ends}, {'H', die_hard},
    {'J', contexts},    {'L', locked_work},    {'U', unix_socket},
    {'X', exceptions_and_errno}, {'Y', library_and_system},
};

}  // namespace

std::span<const Operation> rare_operations() { return kRareOperations; }

}  // namespace random_program
