// A program whose behaviour is its argument: the property test generates the argument.
//
//   random_program SCRIPT
//
// SCRIPT is a list of tasks separated by commas; a task is a list of operations, each a letter and a
// digit. The main goroutine runs task 0; g3 starts a goroutine that runs task 3. Every text decodes
// to a program: letters without meaning do nothing. All tasks share one World of channels, locks,
// timers and counters. Whatever an operation learns goes into a running hash, so the output depends
// on the order of everything.
//
// A program may panic, deadlock, exit early or abort: the ends of programs are to be replayed too.
#include <fcntl.h>
#include <reprise/context.h>
#include <reprise/net.h>
#include <reprise/os.h>
#include <sys/random.h>
#include <unistd.h>

#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/property/random_world.h"

namespace random_program {
World* world;
}

namespace {

using namespace random_program;
using namespace reprise;

void run_task(size_t index);

void spawn(int k) {
  if (world->spawns >= kMaxSpawns) return;
  ++world->spawns;
  world->all.add(1);
  go([k] {
    run_task(static_cast<size_t>(k) % world->tasks.size());
    world->all.done();
  });
}

// ---- channels ----

void try_send(int k) { note(chan(k).try_send(++world->sent)); }
void send(int k) { chan(k).send(++world->sent); }
void send_for_a_while(int k) {
  select(on_send(chan(k), ++world->sent, [] { note(1); }), on_timeout(pause_of(k), [] { note(2); }));
}
void try_receive(int k) { note(static_cast<uint64_t>(chan(k).try_recv().value_or(-1))); }
void receive(int k) { note(static_cast<uint64_t>(chan(k).recv().value_or(-1))); }
void receive_for_a_while(int k) {
  select(on_recv(chan(k), [](int64_t v) { note(static_cast<uint64_t>(v)); }),
         on_timeout(pause_of(k), [] { note(3); }));
}
void select_any(int k) {
  select(on_recv(chan(0), [](int64_t v) { note(static_cast<uint64_t>(v)); }),
         on_recv(chan(1), [](int64_t v) { note(static_cast<uint64_t>(v) + 1000); }),
         on_send(chan(2), ++world->sent, [] { note(4); }),
         on_timeout(pause_of(k), [] { note(5); }));
}
void close_channel(int k) { chan(k).close(); }

// ---- locks ----

template <class Lock>
void hold(Lock& lock, int k) {
  const std::lock_guard<Lock> held(lock);
  note(static_cast<uint64_t>(k));
  if (k % 2) yield();
}
void lock_ours(int k) { hold(world->mutexes[k % 3], k); }
void lock_std(int k) { hold(world->std_mutexes[k % 3], k); }
void lock_two(int k) {
  const std::lock_guard<Mutex> first(world->mutexes[k % 2]);
  yield();
  hold(world->mutexes[1 - k % 2], k);
}
void lock_two_std(int k) {
  const std::scoped_lock both(world->std_mutexes[k % 3], world->std_mutexes[(k + 1) % 3]);
  note(6);
  yield();
}
void read_or_write_ours(int k) {
  if (k % 3 == 0) return hold(world->rw, k);
  const std::shared_lock<RWMutex> shared(world->rw);
  yield();
}
void read_or_write_std(int k) {
  if (k % 3 == 0) return hold(world->std_rw, k);
  const std::shared_lock<std::shared_mutex> shared(world->std_rw);
  yield();
}
void wait_condition(int k) {
  std::unique_lock<std::mutex> lock(world->std_mutexes[0]);
  note(world->condition.wait_for(lock, pause_of(k)) == std::cv_status::timeout);
}
void notify_condition(int k) {
  if (k % 2) return world->condition.notify_all();
  world->condition.notify_one();
}
void semaphore_ours(int k) {
  world->semaphore.acquire(1 + k % 2);
  yield();
  world->semaphore.release(1 + k % 2);
}
void semaphore_posix(int k) {
  while (sem_wait(&world->posix_semaphore) != 0) note(7);
  if (k % 2) yield();
  sem_post(&world->posix_semaphore);
}
void call_once(int k) {
  std::call_once(world->once, [k] {
    yield();
    note(static_cast<uint64_t>(k) + 40);
  });
}
void atomics(int k) { note(static_cast<uint64_t>(world->counter.fetch_add(k))); }
void atomic_wait(int k) {
  const int seen = world->waited_on.load();
  go([seen] {
    world->waited_on.store(seen + 1);
    world->waited_on.notify_all();
  });
  if (k % 2) yield();
  world->waited_on.wait(seen);
}

// ---- time ----

void sleep_ours(int k) { sleep_for(pause_of(k)); }
void sleep_std(int k) { std::this_thread::sleep_for(pause_of(k)); }
void timer(int k) {
  const Timer timer = after_func(pause_of(k), [k] { note(static_cast<uint64_t>(k) + 70); });
  if (k % 2) {
    sleep_for(pause_of(k / 2));
    note(Timer(timer).stop());
  }
}
void ticker(int k) {
  Ticker ticker(microseconds(30 + 10 * k));
  for (int i = 0; i <= k % 3; ++i) note(ticker.chan().recv().has_value());
  ticker.stop();
}
void context(int k) {
  auto [ctx, cancel] = with_timeout(background(), pause_of(k));
  if (k % 3 == 0) cancel();
  ctx.done().recv();
  note(ctx.err() == &kCanceled);
}
void clocks(int) {
  note(static_cast<uint64_t>(now().time_since_epoch().count()));
  timespec time;
  clock_gettime(CLOCK_REALTIME, &time);
  note(static_cast<uint64_t>(time.tv_nsec));
  char text[64];
  tm parts;
  strftime(text, sizeof text, "%F %T", localtime_r(&time.tv_sec, &parts));
  note(static_cast<uint64_t>(text[17]));
}

// ---- the world outside ----

void print(int k) { printf("%d %016llx\n", k, static_cast<unsigned long long>(world->hash)); }
void write_raw(int k) {
  const std::string text = "raw " + std::to_string(k) + "\n";
  note(static_cast<uint64_t>(write(k % 2 ? STDOUT_FILENO : STDERR_FILENO, text.data(), text.size())));
}
void randomness(int k) {
  if (k % 2) return note(std::random_device()());
  uint64_t value = 0;
  if (getrandom(&value, sizeof value, 0) != sizeof value) abort();
  note(value);
}
void stdio_file(int k) {
  char path[] = "/tmp/reprise-random-XXXXXX";
  const int fd = mkstemp(path);
  if (fd < 0) return note(8);
  unlink(path);
  FILE* file = fdopen(fd, "w+");
  for (int i = 0; i < k * 50; ++i) fprintf(file, "line %d of %d\n", i, k);
  rewind(file);
  char line[64];
  while (fgets(line, sizeof line, file) != nullptr) note(strlen(line));
  fclose(file);
}
void worker_file(int k) {
  auto file = os::open("/tmp", O_TMPFILE | O_RDWR, 0600);
  if (!file.ok()) return note(9);
  const std::string text(static_cast<size_t>(k) * 1000 + 1, 'x');
  note(file->write_all(text).ok());
  note(file->seek(0).ok());
  const auto back = file->read_all();
  note(back.ok() ? back->size() : 0);
}
void pipe(int k) {
  auto ends = os::pipe();
  if (!ends.ok()) return note(10);
  go([writer = ends->writer, k]() mutable {
    for (int i = 0; i <= k % 4; ++i) note(writer.write_all("some bytes").ok());
    note(writer.close().ok());
  });
  const auto all = ends->reader.read_all();
  note(all.ok() ? all->size() : 0);
}
void network(int k) {
  auto listener = net::listen("tcp", "127.0.0.1:0");
  if (!listener.ok()) return note(11);
  go([l = *listener]() mutable {
    auto conn = l.accept();
    if (!conn.ok()) return note(12);
    char buffer[256];
    for (auto n = conn->read(buffer); n.ok() && *n > 0; n = conn->read(buffer))
      if (!conn->write_all(buffer, *n).ok()) return note(13);
  });
  auto conn = net::dial("tcp", listener->address().text);
  if (!conn.ok()) return note(14);
  const std::string text(static_cast<size_t>(k) * 20 + 1, 'n');
  std::string echo(text.size(), 0);
  note(conn->write_all(text).ok());
  note(conn->read_full(echo.data(), echo.size()).ok());
  note(echo == text);
  note(conn->close().ok());
}

// ---- memory, threads, control ----

void heap(int k) {
  std::vector<std::unique_ptr<char[]>> blocks;
  for (int i = 0; i < 4 * k; ++i) {
    blocks.emplace_back(new char[static_cast<size_t>(1 + i * i * 7)]);
    note(reinterpret_cast<uintptr_t>(blocks.back().get()));
    if (i % 3 == 0) blocks.erase(blocks.begin() + i / 2 % static_cast<int>(blocks.size()));
    if (i % 5 == 0) yield();
  }
  note(reinterpret_cast<uintptr_t>(&k));
}
void thread(int k) {
  uint64_t sum = 0;
  std::thread other([&sum, k] {
    for (int i = 0; i < k * 100; ++i) {
      const std::lock_guard<std::mutex> lock(world->std_mutexes[1]);
      sum += static_cast<uint64_t>(i);
    }
  });
  lock_std(1);
  other.join();
  note(sum);
}
void thread_and_goroutine(int k) {
  int turn = 0;
  std::mutex m;
  std::condition_variable c;
  const auto play = [&](int mine) {
    for (int i = 0; i <= k % 4; ++i) {
      std::unique_lock<std::mutex> lock(m);
      c.wait(lock, [&] { return turn == mine; });
      turn = 1 - mine;
      c.notify_all();
    }
  };
  std::thread other(play, 1);
  play(0);
  other.join();
  note(15);
}
void exceptions(int k) {
  try {
    hold(world->std_mutexes[2], k);
    throw std::runtime_error("thrown by a task");
  } catch (const std::exception& e) {
    yield();
    note(strlen(e.what()));
  }
}
void own_thread(int k) {
  lock_os_thread();
  note(static_cast<uint64_t>(k));
  yield();
  unlock_os_thread();
}
void give_way_or_compute(int k) { k < 5 ? yield() : compute(k); }
void die_of_panic(int) { panic("a task panics"); }
void die_of_abort(int) { abort(); }
void end_early(int k) { exit(k); }

constexpr Operation kOperations[] = {
    {'g', spawn},           {'s', try_send},        {'B', send},
    {'S', send_for_a_while}, {'r', try_receive},    {'b', receive},
    {'R', receive_for_a_while}, {'e', select_any},  {'c', close_channel},
    {'m', lock_ours},       {'M', lock_std},        {'n', lock_two},
    {'N', lock_two_std},    {'w', read_or_write_ours}, {'W', read_or_write_std},
    {'q', wait_condition},  {'Q', notify_condition}, {'p', semaphore_ours},
    {'P', semaphore_posix}, {'u', call_once},       {'i', atomics},
    {'I', atomic_wait},     {'t', sleep_ours},      {'T', sleep_std},
    {'a', timer},           {'A', ticker},          {'j', context},
    {'z', clocks},          {'o', print},           {'O', write_raw},
    {'Z', randomness},      {'f', stdio_file},      {'F', worker_file},
    {'k', pipe},            {'K', network},         {'h', heap},
    {'d', thread},          {'D', thread_and_goroutine}, {'x', exceptions},
    {'l', own_thread},      {'y', give_way_or_compute},        {'v', die_of_panic},
    {'V', die_of_abort},    {'E', end_early},
};

void run_operation(char letter, int k) {
  for (const Operation& operation : kOperations)
    if (operation.letter == letter) operation.run(k);
  for (const auto more : {rare_operations(), collected_operations()})
    for (const Operation& operation : more)
      if (operation.letter == letter) operation.run(k);
}

void run_task(size_t index) {
  const std::string_view task = world->tasks[index];
  for (size_t at = 0; at < task.size(); ++at) {
    if (isdigit(static_cast<unsigned char>(task[at]))) continue;
    const bool digit = at + 1 < task.size() && isdigit(static_cast<unsigned char>(task[at + 1]));
    note(static_cast<uint64_t>(task[at]));
    run_operation(task[at], digit ? task[at + 1] - '0' : 0);
  }
  printf("task %zu ends, %016llx\n", index, static_cast<unsigned long long>(world->hash));
}

std::vector<std::string_view> tasks_of(std::string_view script) {
  std::vector<std::string_view> tasks;
  for (;;) {
    const size_t comma = script.find(',');
    tasks.push_back(script.substr(0, comma));
    if (comma == std::string_view::npos) return tasks;
    script.remove_prefix(comma + 1);
  }
}

int app(int argc, char** argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: random_program SCRIPT\n");
    return 64;
  }
  world = new World;
  sem_init(&world->posix_semaphore, 0, 1);
  world->tasks = tasks_of(argv[1]);
  run_task(0);
  world->all.wait();
  printf("all end, %lld sent, %016llx\n", static_cast<long long>(world->sent),
         static_cast<unsigned long long>(world->hash));
  return static_cast<int>(world->hash % 50);
}

}  // namespace

REPRISE_MAIN(app)
