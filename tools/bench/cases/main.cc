// reprise-bench-cases: the list of the cases of this folder.
#include <reprise/main.h>

#include "tools/bench/cases/case.h"

namespace reprise::bench {

namespace {

constexpr Case kCases[] = {
    // goroutines.cc
    {"spawn_join", spawn_join},
    {"spawn_many", spawn_many},
    {"yield", yield_two},
    // channels.cc
    {"ping_pong", ping_pong},
    {"ring", ring},
    {"buffered_same_goroutine", buffered_same},
    {"producer_consumer_0", producer_consumer, 0},
    {"producer_consumer_10", producer_consumer, 10},
    {"producer_consumer_100", producer_consumer, 100},
    {"popular_channel", popular_channel},
    // selects.cc
    {"select_2", select_ready, 2},
    {"select_8", select_ready, 8},
    {"select_2_waits", select_waits, 2},
    {"select_8_waits", select_waits, 8},
    {"select_default", select_default},
    // locks.cc
    {"mutex_uncontended", mutex_uncontended},
    {"mutex_contended", mutex_contended},
    {"rwmutex_read", rwmutex_read},
    {"rwmutex_mixed", rwmutex_mixed},
    {"wait_group", wait_group},
    // timers.cc
    {"timer_add_stop", timer_add_stop},
    {"timer_fire", timer_fire},
    {"timer_reset", timer_reset},
    {"timer_1m_alive", timer_among, 1'000'000},
    {"sleep_latency", sleep_latency},
    // heap.cc
    {"malloc_small", malloc_small},
    {"malloc_large", malloc_large},
    {"binary_trees", binary_trees},
    {"gc_pause_256mb", gc_pause, 22},
    {"gc_pause_1gb", gc_pause, 24},  // by hand: half a minute
    {"unique_ptr_small", unique_small},
    {"unique_ptr_large", unique_large},
    {"unique_ptr_trees", unique_trees},
    // maps.cc
    {"map_hit", map_hit},
    {"map_hit_text", map_hit_text},
    {"map_miss", map_miss},
    {"map_insert", map_insert},
    {"map_iterate", map_iterate},
    {"map_delete", map_delete},
    // calls.cc
    {"assert_concrete", assert_concrete},
    {"assert_interface", assert_interface},
    {"interface_call", interface_call},
    {"defer", defer_one},
    {"defer_loop", defer_loop},
    {"panic_recover", panic_recover},
    {"c_call", c_call},
    // files.cc
    {"file_read", file_read},
};

}  // namespace

int main_of_cases(int argc, char** argv) { return main_of(kCases, argc, argv); }

}  // namespace reprise::bench

REPRISE_MAIN(reprise::bench::main_of_cases)
