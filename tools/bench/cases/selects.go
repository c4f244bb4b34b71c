package main

func chansOf(count, capacity int) []chan uint64 {
	chans := make([]chan uint64, count)
	for i := range chans {
		chans[i] = make(chan uint64, capacity)
	}
	return chans
}

func selectReady(r *run) {
	c := chansOf(r.arg, 1)
	count := uint64(r.arg)
	var sum uint64
	r.start()
	if r.arg == 2 {
		for i := uint64(0); i < r.ops; i++ {
			c[i%count] <- i
			sum += receiveOf2(c)
		}
	} else {
		for i := uint64(0); i < r.ops; i++ {
			c[i%count] <- i
			sum += receiveOf8(c)
		}
	}
	r.stop()
	r.check(sum == r.ops*(r.ops-1)/2, "select: sum")
}

func selectWaits(r *run) {
	c := chansOf(r.arg, 0)
	count := uint64(r.arg)
	var sum uint64
	r.start()
	go func() {
		for i := uint64(0); i < r.ops; i++ {
			c[i%count] <- i
		}
	}()
	if r.arg == 2 {
		for i := uint64(0); i < r.ops; i++ {
			sum += receiveOf2(c)
		}
	} else {
		for i := uint64(0); i < r.ops; i++ {
			sum += receiveOf8(c)
		}
	}
	r.stop()
	r.check(sum == r.ops*(r.ops-1)/2, "select that waits: sum")
}

func receiveOf2(c []chan uint64) (v uint64) {
	select {
	case v = <-c[0]:
	case v = <-c[1]:
	}
	return
}

func receiveOf8(c []chan uint64) (v uint64) {
	select {
	case v = <-c[0]:
	case v = <-c[1]:
	case v = <-c[2]:
	case v = <-c[3]:
	case v = <-c[4]:
	case v = <-c[5]:
	case v = <-c[6]:
	case v = <-c[7]:
	}
	return
}

func selectDefault(r *run) {
	empty := make(chan uint64, 1)
	var none, got uint64
	r.start()
	for i := uint64(0); i < r.ops; i++ {
		select {
		case <-empty:
			got++
		default:
			none++
		}
	}
	r.stop()
	r.check(got == 0 && none == r.ops, "select_default: the default every time")
}
