package main

// #cgo CFLAGS: -O2
// #include <stdint.h>
// extern uint64_t bench_c_add(uint64_t a, uint64_t b);
import "C"

func cCall(r *run) {
	var sum uint64
	r.start()
	for i := uint64(0); i < r.ops; i++ {
		sum = uint64(C.bench_c_add(C.uint64_t(sum), C.uint64_t(i)))
	}
	r.stop()
	r.check(sum == r.ops*(r.ops-1)/2, "c_call: sum")
}

var cases = []benchCase{{"c_call", cCall, 0}}
