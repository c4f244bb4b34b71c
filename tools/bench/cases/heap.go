package main

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
