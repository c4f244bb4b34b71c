package main

var cases = []benchCase{
	// goroutines.go
	{"spawn_join", spawnJoin, 0},
	{"spawn_many", spawnMany, 0},
	{"yield", yieldTwo, 0},
	// channels.go
	{"ping_pong", pingPong, 0},
	{"ring", ring, 0},
	{"buffered_same_goroutine", bufferedSame, 0},
	{"producer_consumer_0", producerConsumer, 0},
	{"producer_consumer_10", producerConsumer, 10},
	{"producer_consumer_100", producerConsumer, 100},
	{"popular_channel", popularChannel, 0},
	// selects.go
	{"select_2", selectReady, 2},
	{"select_8", selectReady, 8},
	{"select_2_waits", selectWaits, 2},
	{"select_8_waits", selectWaits, 8},
	{"select_default", selectDefault, 0},
	// locks.go
	{"mutex_uncontended", mutexUncontended, 0},
	{"mutex_contended", mutexContended, 0},
	{"rwmutex_read", rwmutexRead, 0},
	{"rwmutex_mixed", rwmutexMixed, 0},
	{"wait_group", waitGroup, 0},
	// timers.go
	{"timer_add_stop", timerAddStop, 0},
	{"timer_fire", timerFire, 0},
	{"timer_reset", timerReset, 0},
	{"timer_1m_alive", timerAmong, 1_000_000},
	{"sleep_latency", sleepLatency, 0},
	// heap.go: unique_ptr_* are the same work as malloc_* and binary_trees
	{"malloc_small", mallocSmall, 0},
	{"malloc_large", mallocLarge, 0},
	{"binary_trees", binaryTrees, 0},
	{"gc_pause_256mb", gcPause, 22},
	{"gc_pause_1gb", gcPause, 24},
	{"unique_ptr_small", mallocSmall, 0},
	{"unique_ptr_large", mallocLarge, 0},
	{"unique_ptr_trees", binaryTrees, 0},
	// maps.go
	{"map_hit", mapHit, 0},
	{"map_hit_text", mapHitText, 0},
	{"map_miss", mapMiss, 0},
	{"map_insert", mapInsert, 0},
	{"map_iterate", mapIterate, 0},
	{"map_delete", mapDelete, 0},
	// calls.go
	{"assert_concrete", assertConcrete, 0},
	{"assert_interface", assertInterface, 0},
	{"interface_call", interfaceCall, 0},
	{"defer", deferOne, 0},
	{"defer_loop", deferLoop, 0},
	{"panic_recover", panicRecover, 0},
	// files.go
	{"file_read", fileRead, 0},
}
