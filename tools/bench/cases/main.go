// The Go peers of the cases in this folder: the same work, step by step.
//
//	cases CASE OPS     as reprise-bench-cases
//	cases --list
//
// A run is wanted ops, a measured part between start and stop, and checks whose failure ends the process with status 1.
package main

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"
)

type run struct {
	ops, done uint64
	arg       int
	begun     time.Time
	wall      time.Duration
	cpu       time.Duration
	measured  float64 // ns, instead of wall; -1: not
}

func newRun(ops uint64, arg int) *run { return &run{ops: ops, done: ops, arg: arg, measured: -1} }

func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func (r *run) start() {
	r.cpu = cpuTime()
	r.begun = time.Now()
}

func (r *run) stop() {
	r.wall = time.Since(r.begun)
	r.cpu = cpuTime() - r.cpu
}

func (r *run) check(holds bool, what string) {
	if !holds {
		fmt.Fprintln(os.Stderr, "cases: wrong result:", what)
		os.Exit(1)
	}
}

func (r *run) nsPerOp() float64 {
	if r.measured >= 0 {
		return r.measured
	}
	return float64(r.wall.Nanoseconds()) / float64(r.done)
}

type benchCase struct {
	name string
	run  func(r *run)
	arg  int
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == "--list" {
		for _, c := range cases {
			fmt.Println(c.name)
		}
		return
	}
	if len(os.Args) == 3 {
		ops, err := strconv.ParseUint(os.Args[2], 10, 63)
		for _, c := range cases {
			if err == nil && ops > 0 && c.name == os.Args[1] {
				runOne(c, ops)
				return
			}
		}
	}
	fmt.Fprintln(os.Stderr, "usage: cases CASE OPS | --list")
	os.Exit(64)
}

func runOne(c benchCase, ops uint64) {
	warmUp := ops / 8
	if warmUp == 0 {
		warmUp = 1
	}
	c.run(newRun(warmUp, c.arg))
	r := newRun(ops, c.arg)
	c.run(r)
	fmt.Printf("{\"ops\":%d,\"ns\":%.3f,\"cpu_ns\":%.3f}\n", r.done, r.nsPerOp(), float64(r.cpu.Nanoseconds())/float64(r.done))
}
