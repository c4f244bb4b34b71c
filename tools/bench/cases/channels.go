package main

import "sync"

func pingPong(r *run) {
	ping, pong := make(chan uint64), make(chan uint64)
	go func() {
		for v := range ping {
			pong <- v + 1
		}
		close(pong)
	}()
	var sum uint64
	r.start()
	for i := uint64(0); i < r.ops; i++ {
		ping <- i
		sum += <-pong
	}
	r.stop()
	close(ping)
	_, open := <-pong
	r.check(!open, "ping_pong: the other ended")
	r.check(sum == r.ops*(r.ops+1)/2, "ping_pong: what came back")
}

func ring(r *run) {
	const goroutines = 100
	rounds := r.ops/goroutines + 1
	first := make(chan uint64)
	in := first
	for i := 1; i < goroutines; i++ {
		out := make(chan uint64)
		go func(in, out chan uint64) {
			for v := range in {
				out <- v + 1
			}
			close(out)
		}(in, out)
		in = out
	}
	var token uint64
	r.start()
	for i := uint64(0); i < rounds; i++ {
		first <- token + 1
		token = <-in
	}
	r.stop()
	close(first)
	_, open := <-in
	r.check(!open, "ring: all ended")
	r.done = rounds * goroutines
	r.check(token == rounds*goroutines, "ring: every hop was counted")
}

func bufferedSame(r *run) {
	ch := make(chan uint64, 64)
	var sum uint64
	r.start()
	for i := uint64(0); i < r.ops; i++ {
		ch <- i
		sum += <-ch
	}
	r.stop()
	r.check(sum == r.ops*(r.ops-1)/2, "buffered_same_goroutine: sum")
}

func producerConsumer(r *run) {
	ch := make(chan uint64, r.arg)
	var sum uint64
	r.start()
	go func() {
		for i := uint64(0); i < r.ops; i++ {
			ch <- i
		}
		close(ch)
	}()
	for v := range ch {
		sum += v
	}
	r.stop()
	r.check(sum == r.ops*(r.ops-1)/2, "producer_consumer: sum")
}

func popularChannel(r *run) {
	const goroutines = 1000
	rounds := r.ops/goroutines + 1
	popular := make(chan bool)
	own := make([]chan bool, goroutines)
	received := make([]uint64, goroutines)
	var wg sync.WaitGroup
	wg.Add(goroutines)
	r.start()
	for g := range own {
		own[g] = make(chan bool)
		go func(mine chan bool, count *uint64) {
			for i := uint64(0); i < rounds; i++ {
				select {
				case <-popular:
				case <-mine:
					*count++
				}
			}
			wg.Done()
		}(own[g], &received[g])
	}
	for i := uint64(0); i < rounds; i++ {
		for _, ch := range own {
			ch <- true
		}
	}
	wg.Wait()
	r.stop()
	r.done = rounds * goroutines
	var sum uint64
	for _, count := range received {
		sum += count
	}
	r.check(sum == rounds*goroutines, "popular_channel: every message arrived")
}
