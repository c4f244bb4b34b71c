// A program that works while signals come from outside: signals [SECONDS]
//
// Goroutines pass numbers through channels and sleep now and then; SIGUSR1, SIGHUP and SIGWINCH are had by
// two channels; SIGUSR2 and a real-time signal with a value by handlers of the program's own, of which the
// second may be interrupted by the first; SIGALRM by an interval timer. Every signal folds what the program
// has done so far into a digest, so that the digest tells when each came. Prints its process id at once,
// and digest and counts when SIGTERM comes (or after SECONDS).
#include <reprise/reprise.h>

#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace {

using reprise::Chan;
using reprise::go;
using reprise::signal::Signal;
namespace signal_ = reprise::signal;

volatile uint64_t worked = 1, digest = 14695981039346656037u;
volatile uint64_t plain = 0, queued = 0, values = 0, nested = 0, alarms = 0, delivered = 0;
volatile bool in_queued = false;

void fold(uint64_t what) { digest = (digest ^ what ^ worked) * 1099511628211u; }

void on_plain(int signal) {
  plain = plain + 1;
  nested = nested + in_queued;
  fold(static_cast<uint64_t>(signal));
  getppid();  // a call: a place where another may land
}

void on_queued(int, siginfo_t* info, void*) {
  in_queued = true;
  queued = queued + 1;
  values = values * 31 + static_cast<uint64_t>(info->si_value.sival_int);
  fold(static_cast<uint64_t>(info->si_value.sival_int));
  getppid();
  in_queued = false;
}

void install_handlers() {
  struct sigaction action {};
  action.sa_handler = on_plain;
  action.sa_flags = SA_RESTART;  // on the stack of whatever goroutine runs
  sigaction(SIGUSR2, &action, nullptr);
  action.sa_sigaction = on_queued;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigaction(SIGRTMIN + 1, &action, nullptr);
}

// Works until nobody sends any more.
void work(Chan<uint64_t> in, Chan<uint64_t> out, int name) {
  for (uint64_t n : in) {
    for (int i = 0; i < 200; ++i) worked = worked * 6364136223846793005u + n;
    if (n % 64 == 0) reprise::sleep_for(std::chrono::microseconds(50 * name));
    if (!out.try_send(n + 1)) worked = worked + 1;
  }
}

}  // namespace

int app(int argc, char** argv) {
  const double seconds = argc > 1 ? std::atof(argv[1]) : 60;
  install_handlers();
  const Chan<Signal> some(4), end(1), clock(1);
  signal_::notify(some, SIGUSR1, SIGHUP, SIGWINCH);
  const Chan<Signal> narrow(1);
  signal_::notify(narrow, SIGUSR1);
  signal_::notify(end, SIGTERM);
  signal_::notify(clock, SIGALRM);
  const itimerval every{{0, 1500}, {0, 1500}};
  setitimer(ITIMER_REAL, &every, nullptr);
  std::printf("%d\n", getpid());
  std::fflush(stdout);

  const Chan<uint64_t> ring[3] = {Chan<uint64_t>(8), Chan<uint64_t>(8), Chan<uint64_t>(8)};
  for (int i = 0; i < 3; ++i) go([&, i] { work(ring[i], ring[(i + 1) % 3], i + 1); });
  const auto on = [&](Signal s) {
    delivered = delivered + 1;
    fold(static_cast<uint64_t>(s.number));
    ring[delivered % 3].try_send(delivered);
  };
  const Chan<reprise::TimePoint> limit = reprise::after(std::chrono::milliseconds(static_cast<int>(seconds * 1000)));
  for (bool over = false; !over;) {
    reprise::select(reprise::on_recv(some, on), reprise::on_recv(narrow, on),
                    reprise::on_recv(clock, [&](Signal s) { alarms = alarms + 1, on(s); }),
                    reprise::on_recv(end, [&] { over = true; }), reprise::on_recv(limit, [&] { over = true; }));
  }
  setitimer(ITIMER_REAL, nullptr, nullptr);
  for (const auto& c : {some, narrow, clock}) signal_::stop(c);
  std::printf("digest %016lx plain %lu queued %lu values %016lx nested %lu alarms %lu delivered %lu\n", digest,
              plain, queued, values, nested, alarms, delivered);
  return 0;
}
REPRISE_MAIN(app)
