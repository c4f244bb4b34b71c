package main

import (
	"runtime"
	"runtime/metrics"
	"sync"
	"sync/atomic"
)

type small struct {
	next  *small
	value uint64
}

const largeWords = 1024

type tree struct{ left, right *tree }

const depth = 16
const nodesOfTree = uint64(2)<<depth - 1

// What is stored here escapes, as it does where a program keeps it.
var keptSmall *small
var keptLarge []uint64

func mallocSmall(r *run) {
	var sum uint64
	r.start()
	for i := uint64(0); i < r.ops; i++ {
		object := new(small)
		keptSmall = object
		object.value = i
		sum += object.value
	}
	r.stop()
	r.check(sum == r.ops*(r.ops-1)/2, "malloc_small: sum")
}

func mallocLarge(r *run) {
	var sum uint64
	r.start()
	for i := uint64(0); i < r.ops; i++ {
		words := make([]uint64, largeWords)
		keptLarge = words
		sum += words[i%largeWords]
		words[i%largeWords] = i
	}
	r.stop()
	r.check(sum == 0, "malloc_large: new objects are zero")
}

func grow(depth int) *tree {
	t := new(tree)
	if depth > 0 {
		t.left = grow(depth - 1)
		t.right = grow(depth - 1)
	}
	return t
}

func (t *tree) count() uint64 {
	if t == nil {
		return 0
	}
	return 1 + t.left.count() + t.right.count()
}

func binaryTrees(r *run) {
	trees := r.ops/nodesOfTree + 1
	stays := grow(depth)
	var nodes uint64
	r.start()
	for i := uint64(0); i < trees; i++ {
		nodes += grow(depth).count()
	}
	r.stop()
	r.done = trees * nodesOfTree
	r.check(nodes == trees*nodesOfTree && stays.count() == nodesOfTree, "binary_trees: nodes")
}

type liveBlock struct {
	left, right *liveBlock
	payload     [6]uint64
}

func growBlocks(depth int) *liveBlock {
	b := new(liveBlock)
	if depth > 0 {
		b.left = growBlocks(depth - 1)
		b.right = growBlocks(depth - 1)
	}
	return b
}

func (b *liveBlock) count() uint64 {
	if b == nil {
		return 0
	}
	return 1 + b.left.count() + b.right.count()
}

var keptBlocks *liveBlock

func pauses() *metrics.Float64Histogram {
	sample := []metrics.Sample{{Name: "/gc/pauses:seconds"}}
	metrics.Read(sample)
	h := sample[0].Value.Float64Histogram()
	return &metrics.Float64Histogram{Counts: append([]uint64(nil), h.Counts...), Buckets: append([]float64(nil), h.Buckets...)}
}

func gcPause(r *run) {
	if keptBlocks == nil {
		keptBlocks = growBlocks(r.arg - 1)
	}
	before := pauses()
	var stop atomic.Bool
	var done sync.WaitGroup
	done.Add(1)
	go func() {
		for !stop.Load() {
			keptSmall = new(small)
		}
		done.Done()
	}()
	for i := uint64(0); i < r.ops; i++ {
		runtime.GC()
	}
	stop.Store(true)
	done.Wait()
	after := pauses()
	var total, seen uint64
	for i := range after.Counts {
		after.Counts[i] -= before.Counts[i]
		total += after.Counts[i]
	}
	r.check(total >= 2*r.ops, "gc_pause: two stops a cycle")
	r.check(keptBlocks.count() == 1<<r.arg-1, "gc_pause: blocks")
	wanted := uint64(float64(total) * 0.999)
	for i := range after.Counts {
		seen += after.Counts[i]
		if seen > wanted || seen == total {
			r.measured = after.Buckets[i+1] * 1e9
			return
		}
	}
}
