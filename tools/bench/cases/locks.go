package main

import "sync"

const lockers = 8

//go:noinline
func touch(*uint64) {}

// `each` calls of turn(i) on each of the goroutines.
func onGoroutines(r *run, each uint64, turn func(i uint64)) {
	var wg sync.WaitGroup
	wg.Add(lockers)
	r.start()
	for g := 0; g < lockers; g++ {
		go func() {
			for i := uint64(0); i < each; i++ {
				turn(i)
			}
			wg.Done()
		}()
	}
	wg.Wait()
	r.stop()
	r.done = each * lockers
}

func mutexUncontended(r *run) {
	var mutex sync.Mutex
	var count uint64
	r.start()
	for i := uint64(0); i < r.ops; i++ {
		mutex.Lock()
		count++
		mutex.Unlock()
	}
	r.stop()
	r.check(count == r.ops, "mutex_uncontended: count")
}

func mutexContended(r *run) {
	var mutex sync.Mutex
	var count uint64
	each := r.ops/lockers + 1
	onGoroutines(r, each, func(i uint64) {
		mutex.Lock()
		count++
		mutex.Unlock()
		for work := 0; work < 20; work++ {
			touch(&i)
		}
	})
	r.check(count == each*lockers, "mutex_contended: no increment was lost")
}

func rwmutexRead(r *run) {
	var mutex sync.RWMutex
	value, sum := uint64(1), uint64(0)
	r.start()
	for i := uint64(0); i < r.ops; i++ {
		mutex.RLock()
		sum += value
		mutex.RUnlock()
	}
	r.stop()
	r.check(sum == r.ops, "rwmutex_read: sum")
}

func rwmutexMixed(r *run) {
	var mutex sync.RWMutex
	var written uint64
	each := r.ops/lockers + 1
	onGoroutines(r, each, func(i uint64) {
		if i%10 == 0 {
			mutex.Lock()
			written++
			mutex.Unlock()
		} else {
			mutex.RLock()
			touch(&written)
			mutex.RUnlock()
		}
	})
	r.check(written == (each+9)/10*lockers, "rwmutex_mixed: no increment was lost")
}

func waitGroup(r *run) {
	var wg sync.WaitGroup
	var count uint64
	r.start()
	for i := uint64(0); i < r.ops; i++ {
		wg.Add(1)
		count++
		wg.Done()
		wg.Wait()
	}
	r.stop()
	r.check(count == r.ops, "wait_group: count")
}
