// Behaviours that end the process, or that need one to themselves: `endings NAME` runs one,
// `endings --list` prints for each its name, exit status, text and REPRISE_MAXPROCS. tests/go/run.py
// checks them.
//
// What waits for ever is shown by the report of a deadlock, which needs no clock.
#include <cstdio>
#include <cstring>
#include <limits>
#include <utility>

#include <reprise/reprise.h>

namespace {

using namespace std::chrono_literals;
using namespace reprise;

const auto nothing = [] {};

Chan<int> nil() { return nullptr; }
Chan<int> closed() {
  Chan<int> ch;
  ch.close();
  return ch;
}

// ---- test/chan/select3 ---------------------------------------------------------------------------

void send_to_nil_waits_for_ever() { nil().send(7); }
void receive_from_nil_waits_for_ever() { nil().recv(); }
void receive_without_a_sender_waits_for_ever() { Chan<int>().recv(); }
void send_without_a_receiver_waits_for_ever() { Chan<int>().send(7); }
void select_without_cases_waits_for_ever() { select(); }
void select_of_a_nil_receive_waits_for_ever() { select(on_recv(nil(), nothing)); }
void select_of_a_nil_send_waits_for_ever() { select(on_send(nil(), 7, nothing)); }
void select_of_nil_cases_waits_for_ever() {
  select(on_recv(nil(), nothing), on_send(nil(), 7, nothing));
}
void select_without_a_ready_case_waits_for_ever() { select(on_recv(Chan<int>(), nothing)); }
void select_that_meets_itself_only_waits_for_ever() {
  const Chan<int> ch;
  select(on_send(ch, 1, nothing), on_recv(ch, nothing));
}
void send_to_closed_panics() { closed().send(7); }
void select_send_to_closed_panics() { select(on_send(closed(), 7, nothing)); }
void select_send_to_closed_beside_otherwise_panics() {
  select(on_send(closed(), 7, nothing), otherwise(nothing));
}
void close_of_closed_panics() { closed().close(); }
void close_of_nil_panics() { nil().close(); }

// ---- sync ------------------------------------------------------------------------------------------

void unlock_of_a_new_mutex_is_fatal() { Mutex().unlock(); }
void second_unlock_is_fatal() {
  Mutex mutex;
  mutex.lock();
  mutex.unlock();
  mutex.unlock();
}
void unlock_of_a_new_rwmutex_is_fatal() { RWMutex().unlock(); }
void unlock_of_a_reader_is_fatal() {
  RWMutex mutex;
  mutex.rlock();
  mutex.unlock();
}
void second_unlock_of_a_writer_is_fatal() {
  RWMutex mutex;
  mutex.lock();
  mutex.unlock();
  mutex.unlock();
}
void runlock_of_a_new_rwmutex_is_fatal() { RWMutex().runlock(); }
void runlock_of_a_writer_is_fatal() {
  RWMutex mutex;
  mutex.lock();
  mutex.runlock();
}
void second_runlock_is_fatal() {
  RWMutex mutex;
  mutex.rlock();
  mutex.runlock();
  mutex.runlock();
}
void wait_group_below_zero_panics() {
  WaitGroup group(1);
  group.done();
  group.done();
}

// ---- time ------------------------------------------------------------------------------------------

void ticker_of_a_negative_period_panics() { Ticker ticker(-1ns); }
void ticker_reset_to_zero_panics() {
  Ticker ticker(1s);
  ticker.reset(0ns);
}
void longest_sleep_does_not_return() {
  go([] {
    sleep_for(Duration(std::numeric_limits<int64_t>::max()));
    panic("the longest sleep returned");
  });
  sleep_for(25ms);
}
void tick_ticks_without_a_handle() {
  const Chan<TimePoint> ticks = tick(1ms);
  for (int i = 0; i < 3; ++i) {
    if (!ticks.recv()) panic("a tick that ended");
  }
}

// ---- context ---------------------------------------------------------------------------------------

Context moved_from() {
  Context ctx = background();
  const Context taken = std::move(ctx);
  return ctx;
}
void cancel_of_a_nil_parent_panics() { with_cancel(moved_from()); }
void deadline_of_a_nil_parent_panics() { with_deadline(moved_from(), now() + 1ms); }
void value_of_a_nil_parent_panics() {
  static constexpr ContextKey<int> key;
  with_value(moved_from(), key, 1);
}

// ---- scheduler -------------------------------------------------------------------------------------

void very_many_procs_start_and_end() {
  if (gomaxprocs() != 1024) panic("REPRISE_MAXPROCS is not heeded");
  WaitGroup group(100);
  for (int i = 0; i < 100; ++i) go([=]() mutable { group.done(); });
  group.wait();
}

constexpr const char* kDeadlock = "fatal error: all goroutines are asleep - deadlock!";
constexpr const char* kSendOnClosed = "panic: send on closed channel";
constexpr const char* kUnlock = "fatal error: sync: unlock of unlocked mutex";
constexpr const char* kRWUnlock = "fatal error: sync: Unlock of unlocked RWMutex";
constexpr const char* kRUnlock = "fatal error: sync: RUnlock of unlocked RWMutex";
constexpr const char* kNilParent = "panic: cannot create context from nil parent";

#define ENDING(name) #name, name
constexpr struct {
  const char* name;
  void (*run)();
  int status;
  const char* text;  // how the report begins
  int procs = 0;     // 0: any number, and under any policy
} kEndings[] = {
    {ENDING(send_to_nil_waits_for_ever), 2, kDeadlock},
    {ENDING(receive_from_nil_waits_for_ever), 2, kDeadlock},
    {ENDING(receive_without_a_sender_waits_for_ever), 2, kDeadlock},
    {ENDING(send_without_a_receiver_waits_for_ever), 2, kDeadlock},
    {ENDING(select_without_cases_waits_for_ever), 2, kDeadlock},
    {ENDING(select_of_a_nil_receive_waits_for_ever), 2, kDeadlock},
    {ENDING(select_of_a_nil_send_waits_for_ever), 2, kDeadlock},
    {ENDING(select_of_nil_cases_waits_for_ever), 2, kDeadlock},
    {ENDING(select_without_a_ready_case_waits_for_ever), 2, kDeadlock},
    {ENDING(select_that_meets_itself_only_waits_for_ever), 2, kDeadlock},
    {ENDING(send_to_closed_panics), 2, kSendOnClosed},
    {ENDING(select_send_to_closed_panics), 2, kSendOnClosed},
    {ENDING(select_send_to_closed_beside_otherwise_panics), 2, kSendOnClosed},
    {ENDING(close_of_closed_panics), 2, "panic: close of closed channel"},
    {ENDING(close_of_nil_panics), 2, "panic: close of nil channel"},
    {ENDING(unlock_of_a_new_mutex_is_fatal), 2, kUnlock},
    {ENDING(second_unlock_is_fatal), 2, kUnlock},
    {ENDING(unlock_of_a_new_rwmutex_is_fatal), 2, kRWUnlock},
    {ENDING(unlock_of_a_reader_is_fatal), 2, kRWUnlock},
    {ENDING(second_unlock_of_a_writer_is_fatal), 2, kRWUnlock},
    {ENDING(runlock_of_a_new_rwmutex_is_fatal), 2, kRUnlock},
    {ENDING(runlock_of_a_writer_is_fatal), 2, kRUnlock},
    {ENDING(second_runlock_is_fatal), 2, kRUnlock},
    {ENDING(wait_group_below_zero_panics), 2, "panic: sync: negative WaitGroup counter"},
    {ENDING(ticker_of_a_negative_period_panics), 2, "panic: non-positive interval for NewTicker"},
    {ENDING(ticker_reset_to_zero_panics), 2, "panic: non-positive interval for Ticker.Reset"},
    {ENDING(longest_sleep_does_not_return), 0, ""},
    {ENDING(tick_ticks_without_a_handle), 0, ""},
    {ENDING(cancel_of_a_nil_parent_panics), 2, kNilParent},
    {ENDING(deadline_of_a_nil_parent_panics), 2, kNilParent},
    {ENDING(value_of_a_nil_parent_panics), 2, kNilParent},
    {ENDING(very_many_procs_start_and_end), 0, "", 1024},
};

int app(int argc, char** argv) {
  if (argc != 2) return 64;
  for (const auto& ending : kEndings) {
    if (std::strcmp(argv[1], "--list") == 0) {
      std::printf("%s\t%d\t%s\t%d\n", ending.name, ending.status, ending.text, ending.procs);
    } else if (std::strcmp(argv[1], ending.name) == 0) {
      ending.run();
      return 0;
    }
  }
  return std::strcmp(argv[1], "--list") == 0 ? 0 : 64;
}

}  // namespace

REPRISE_MAIN(app)
