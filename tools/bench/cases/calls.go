package main

type shape interface {
	area() uint64
	corners() uint64
}

type squareShape struct{ side uint64 }

func (s *squareShape) area() uint64    { return s.side * s.side }
func (s *squareShape) corners() uint64 { return 4 }

type triangleShape struct{ side uint64 }

func (t *triangleShape) area() uint64    { return t.side }
func (t *triangleShape) corners() uint64 { return 3 }

// Variables of the package, so that the compiler does not know what they hold.
var anyShapes = [2]any{&squareShape{2}, &triangleShape{2}}
var shapes = [2]shape{&squareShape{2}, &triangleShape{2}}

func assertConcrete(r *run) {
	var squares uint64
	r.start()
	for i := uint64(0); i < r.ops; i++ {
		if _, ok := anyShapes[i&1].(*squareShape); ok {
			squares++
		}
	}
	r.stop()
	r.check(squares == (r.ops+1)/2, "assert_concrete: every other value")
}

func assertInterface(r *run) {
	var corners uint64
	r.start()
	for i := uint64(0); i < r.ops; i++ {
		corners += anyShapes[i>>10&1].(shape).corners()
	}
	r.stop()
	r.check(corners >= 3*r.ops && corners <= 4*r.ops, "assert_interface: corners")
}

func interfaceCall(r *run) {
	var corners uint64
	r.start()
	for i := uint64(0); i < r.ops; i++ {
		corners += shapes[i&1].corners()
	}
	r.stop()
	r.check(corners == 3*r.ops+(r.ops+1)/2, "interface_call: corners")
}

//go:noinline
func deferring(count *uint64) {
	defer func() { *count++ }()
}

func deferOne(r *run) {
	var count uint64
	r.start()
	for i := uint64(0); i < r.ops; i++ {
		deferring(&count)
	}
	r.stop()
	r.check(count == r.ops, "defer: every call was made")
}

//go:noinline
func defersTen(count *uint64) {
	for i := 0; i < 10; i++ {
		defer func() { *count++ }()
	}
}

func deferLoop(r *run) {
	rounds := r.ops/10 + 1
	var count uint64
	r.start()
	for i := uint64(0); i < rounds; i++ {
		defersTen(&count)
	}
	r.stop()
	r.done = rounds * 10
	r.check(count == rounds*10, "defer_loop: every call was made")
}

//go:noinline
func panics(i uint64) { panic(i) }

//go:noinline
func recovers(i uint64, sum *uint64) {
	defer func() { *sum += recover().(uint64) }()
	panics(i)
}

func panicRecover(r *run) {
	var sum uint64
	r.start()
	for i := uint64(0); i < r.ops; i++ {
		recovers(i, &sum)
	}
	r.stop()
	r.check(sum == r.ops*(r.ops-1)/2, "panic_recover: what was recovered")
}
