package main

import (
	"runtime"
	"sync"
	"sync/atomic"
)

func spawnJoin(r *run) {
	var sum uint64
	var wg sync.WaitGroup
	r.start()
	for i := uint64(0); i < r.ops; i++ {
		wg.Add(1)
		go func() {
			sum++
			wg.Done()
		}()
		wg.Wait()
	}
	r.stop()
	r.check(sum == r.ops, "spawn_join: every goroutine ran once")
}

func spawnMany(r *run) {
	const batch = 1000
	batches := (r.ops + batch - 1) / batch
	var sum uint64
	var wg sync.WaitGroup
	r.start()
	for b := uint64(0); b < batches; b++ {
		wg.Add(batch)
		for i := 0; i < batch; i++ {
			go func() {
				atomic.AddUint64(&sum, 1)
				wg.Done()
			}()
		}
		wg.Wait()
	}
	r.stop()
	r.done = batches * batch
	r.check(atomic.LoadUint64(&sum) == batches*batch, "spawn_many: every goroutine ran once")
}

func yieldTwo(r *run) {
	each := r.ops/2 + 1
	var other, own uint64
	var wg sync.WaitGroup
	wg.Add(1)
	r.start()
	go func() {
		for ; other < each; other++ {
			runtime.Gosched()
		}
		wg.Done()
	}()
	for ; own < each; own++ {
		runtime.Gosched()
	}
	wg.Wait()
	r.stop()
	r.done = 2 * each
	r.check(own+other == 2*each, "yield: both came to their end")
}
