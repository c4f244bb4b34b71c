package main

import "strconv"

const entries = 100_000
const stride = 0x9e37

func filled() map[uint64]uint64 {
	m := map[uint64]uint64{}
	for i := uint64(0); i < entries; i++ {
		m[i*stride] = 1
	}
	return m
}

func batchesOf(ops uint64) uint64 { return ops/entries + 1 }

func mapHit(r *run) {
	m := filled()
	var sum, i uint64
	r.start()
	for n := uint64(0); n < r.ops; n++ {
		if value, ok := m[i*stride]; ok {
			sum += value
		}
		if i++; i == entries {
			i = 0
		}
	}
	r.stop()
	r.check(sum == r.ops, "map_hit: all were found")
}

func mapHitText(r *run) {
	var keys []string
	m := map[string]uint64{}
	for i := 0; i < 1000; i++ {
		keys = append(keys, "key number "+strconv.Itoa(i))
		m[keys[i]] = 1
	}
	var sum uint64
	i := 0
	r.start()
	for n := uint64(0); n < r.ops; n++ {
		if value, ok := m[keys[i]]; ok {
			sum += value
		}
		if i++; i == len(keys) {
			i = 0
		}
	}
	r.stop()
	r.check(sum == r.ops, "map_hit_text: all were found")
}

func mapMiss(r *run) {
	m := filled()
	var found, i uint64
	r.start()
	for n := uint64(0); n < r.ops; n++ {
		if _, ok := m[i*stride+1]; ok {
			found++
		}
		if i++; i == entries {
			i = 0
		}
	}
	r.stop()
	r.check(found == 0, "map_miss: none was found")
}

func mapInsert(r *run) {
	batches := batchesOf(r.ops)
	var got uint64
	r.start()
	for b := uint64(0); b < batches; b++ {
		got += uint64(len(filled()))
	}
	r.stop()
	r.done = batches * entries
	r.check(got == batches*entries, "map_insert: entries")
}

func mapIterate(r *run) {
	m := filled()
	batches := batchesOf(r.ops)
	var sum uint64
	r.start()
	for b := uint64(0); b < batches; b++ {
		for key, value := range m {
			sum += key + value
		}
	}
	r.stop()
	r.done = batches * entries
	r.check(sum == batches*(stride*(entries*(entries-1)/2)+entries), "map_iterate: sum")
}

func mapDelete(r *run) {
	m := filled()
	var gone uint64
	r.start()
	for i := uint64(0); i < r.ops; i++ {
		if _, ok := m[i*stride]; ok {
			gone++
		}
		delete(m, i*stride)
		m[(i+entries)*stride] = 1
	}
	r.stop()
	r.check(gone == r.ops && len(m) == entries, "map_delete: entries")
}
