package main

import (
	"sort"
	"sync"
	"sync/atomic"
	"time"
)

func timerAddStop(r *run) {
	var stopped uint64
	r.start()
	for i := uint64(0); i < r.ops; i++ {
		if time.NewTimer(time.Hour).Stop() {
			stopped++
		}
	}
	r.stop()
	r.check(stopped == r.ops, "timer_add_stop: all were stopped")
}

func timerFire(r *run) {
	const batch = 1000
	batches := r.ops/batch + 1
	var fired uint64
	var wg sync.WaitGroup
	r.start()
	for b := uint64(0); b < batches; b++ {
		wg.Add(batch)
		for i := 0; i < batch; i++ {
			time.AfterFunc(time.Microsecond, func() {
				atomic.AddUint64(&fired, 1)
				wg.Done()
			})
		}
		wg.Wait()
	}
	r.stop()
	r.done = batches * batch
	r.check(atomic.LoadUint64(&fired) == batches*batch, "timer_fire: each fired once")
}

func timerReset(r *run) {
	timer := time.NewTimer(time.Hour)
	var active uint64
	r.start()
	for i := uint64(0); i < r.ops; i++ {
		if timer.Reset(time.Hour + time.Duration(i%1000)) {
			active++
		}
	}
	r.stop()
	r.check(active == r.ops && timer.Stop(), "timer_reset: it was active every time")
}

func timerAmong(r *run) {
	others := make([]*time.Timer, r.arg)
	for i := range others {
		others[i] = time.NewTimer(time.Hour + time.Duration(i*7919%r.arg)*time.Microsecond)
	}
	var stopped uint64
	r.start()
	for i := uint64(0); i < r.ops; i++ {
		timer := time.NewTimer(time.Hour + time.Duration(i*104_729%uint64(r.arg))*time.Microsecond)
		if timer.Stop() {
			stopped++
		}
	}
	r.stop()
	r.check(stopped == r.ops, "timer_1m_alive: all were stopped")
	for _, other := range others {
		r.check(other.Stop(), "timer_1m_alive: the others did not fire")
	}
}

func sleepLatency(r *run) {
	var late []float64
	r.start()
	for i := uint64(0); i < r.ops; i++ {
		begun := time.Now()
		time.Sleep(time.Millisecond)
		late = append(late, float64(time.Since(begun)-time.Millisecond))
	}
	r.stop()
	sort.Float64s(late)
	r.check(late[0] >= 0, "sleep_latency: nobody woke early")
	r.measured = late[len(late)/2]
}
