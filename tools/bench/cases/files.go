package main

import (
	"bytes"
	"os"
)

const block = 4096
const blocks = 256

func blocksFile(r *run) *os.File {
	file, err := os.CreateTemp("", "reprise-bench-")
	r.check(err == nil, "file_read: a temporary file")
	for i := 0; i < blocks; i++ {
		_, err = file.Write(bytes.Repeat([]byte{byte(i)}, block))
		r.check(err == nil, "file_read: it can be written")
	}
	return file
}

func fileRead(r *run) {
	file := blocksFile(r)
	defer os.Remove(file.Name())
	buffer := make([]byte, block)
	var right uint64
	r.start()
	for i := uint64(0); i < r.ops; i++ {
		at := i % blocks
		n, err := file.ReadAt(buffer, int64(at*block))
		if err == nil && n == block && buffer[i%block] == byte(at) {
			right++
		}
	}
	r.stop()
	r.check(right == r.ops, "file_read: every block is the right one")
}
