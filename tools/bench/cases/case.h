// Run: one measured run of one case, and the list of cases.
//
// A case does run.ops operations and says where the measured part begins and ends; what it sets up before start()
// is not measured. It checks what it did: a wrong result ends the process with status 1, and no figure. The Go and
// Boost peers beside these files do the same work, step by step.
//
// Thread safety: the main goroutine's alone.
#pragma once

#include <cstdint>
#include <span>

namespace reprise::bench {

class Run {
 public:
  Run(uint64_t wanted_ops, int64_t argument) : ops(wanted_ops), arg(argument) {}

  void start();
  void stop();
  // Where the operations come in batches: how many were done. Default: ops.
  void did(uint64_t count) { done_ = count; }
  // Instead of start() and stop(): the time of one operation, measured by the case itself.
  void measured(double ns_per_op) { measured_ns_ = ns_per_op; }
  void check(bool holds, const char* what) const;

  double ns_per_op() const;
  double cpu_ns_per_op() const;
  uint64_t done() const { return done_ != 0 ? done_ : ops; }

  const uint64_t ops;
  const int64_t arg;  // a capacity, a size, a number of cases

 private:
  uint64_t done_ = 0;
  int64_t wall_ns_ = 0, cpu_ns_ = 0;
  double measured_ns_ = -1;
};

struct Case {
  const char* name;
  void (*run)(Run& run);
  int64_t arg = 0;
};

// PROGRAM CASE OPS warms up with an eighth of OPS, does OPS operations, and prints
// {"ops":…,"ns":…,"cpu_ns":…}: how many were done, wall and CPU time of one. PROGRAM --list prints the names. The result is
// the exit status: 0, or 64 usage; a check that fails ends the process with 1.
int main_of(std::span<const Case> cases, int argc, char** argv);

// The compiler must have `value` in memory or a register here, and knows nothing of it afterwards.
template <class T>
inline void keep(T& value) {
  asm volatile("" : "+m"(value) : : "memory");
}

// A call that does nothing and that no compiler leaves out.
[[gnu::noinline]] inline void touch(uint64_t* value) { asm volatile("" : : "r"(value) : "memory"); }

// Each in the file of the same name as its group in main.cc.
void spawn_join(Run& run);
void spawn_many(Run& run);
void yield_two(Run& run);
void ping_pong(Run& run);
void ring(Run& run);
void buffered_same(Run& run);
void producer_consumer(Run& run);
void popular_channel(Run& run);
void select_ready(Run& run);
void select_waits(Run& run);
void select_default(Run& run);
void mutex_uncontended(Run& run);
void mutex_contended(Run& run);
void rwmutex_read(Run& run);
void rwmutex_mixed(Run& run);
void wait_group(Run& run);
void timer_add_stop(Run& run);
void timer_fire(Run& run);
void timer_reset(Run& run);
void timer_among(Run& run);
void sleep_latency(Run& run);
void malloc_small(Run& run);
void malloc_large(Run& run);
void binary_trees(Run& run);
void gc_pause(Run& run);
void unique_small(Run& run);
void unique_large(Run& run);
void unique_trees(Run& run);
void map_hit(Run& run);
void map_hit_text(Run& run);
void map_miss(Run& run);
void map_insert(Run& run);
void map_iterate(Run& run);
void map_delete(Run& run);
void assert_concrete(Run& run);
void assert_interface(Run& run);
void interface_call(Run& run);
void defer_one(Run& run);
void defer_loop(Run& run);
void panic_recover(Run& run);
void c_call(Run& run);
void file_read(Run& run);

}  // namespace reprise::bench
