// The Go peers of parked.cc, timers_alive.cc and idle_conns.cc: what a parked goroutine, a timer, an idle connection takes.
//
//	memory parked N
//	memory timers N
//	memory idle N CLIENT     CLIENT is idle_conns, whose --client part makes the connections
//
// Each prints "… takes R bytes resident and T of page tables" as its peer does. Status 1: what was measured did not hold.
package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"
)

type usage struct{ resident, pageTables int }

func measure() (u usage) {
	text, err := os.ReadFile("/proc/self/status")
	must(err)
	for _, line := range strings.Split(string(text), "\n") {
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		switch words[0] {
		case "VmRSS:":
			u.resident, err = strconv.Atoi(words[1])
		case "VmPTE:":
			u.pageTables, err = strconv.Atoi(words[1])
		}
		must(err)
	}
	return u
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "memory:", err)
		os.Exit(1)
	}
}

func report(what string, before, after usage, count int) {
	each := func(later, earlier int) float64 { return float64(later-earlier) * 1024 / float64(count) }
	fmt.Printf("%s takes %.0f bytes resident and %.0f of page tables\n", what, each(after.resident, before.resident),
		each(after.pageTables, before.pageTables))
}

func parked(count int) {
	before := measure()
	chans := make([]chan int, count+1)
	for i := range chans {
		chans[i] = make(chan int)
	}
	var started sync.WaitGroup
	started.Add(count)
	for i := 0; i < count; i++ {
		go func(in, out chan int) {
			started.Done()
			out <- <-in + 1
		}(chans[i], chans[i+1])
	}
	started.Wait()
	report("each", before, measure(), count)
	chans[0] <- 0
	if <-chans[count] != count {
		must(fmt.Errorf("the token came with another value"))
	}
}

func timers(count int) {
	before := measure()
	all := make([]*time.Timer, count)
	for i := range all {
		all[i] = time.NewTimer(time.Hour + time.Duration(i*7919%count)*time.Microsecond)
	}
	report("each", before, measure(), count)
	for _, timer := range all {
		if !timer.Stop() {
			must(fmt.Errorf("a timer fired"))
		}
	}
}

func echo(conn net.Conn) {
	defer conn.Close()
	var buffer [1]byte
	for {
		if _, err := conn.Read(buffer[:]); err != nil {
			return
		}
		if _, err := conn.Write(buffer[:]); err != nil {
			return
		}
	}
}

func idle(count int, program string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	before := measure()
	port := listener.Addr().(*net.TCPAddr).Port
	client := exec.Command(program, "--client", strconv.Itoa(port), "--connections", strconv.Itoa(count), "--rounds", "1")
	client.Stderr = os.Stderr
	to, err := client.StdinPipe()
	must(err)
	from, err := client.StdoutPipe()
	must(err)
	must(client.Start())
	var all sync.WaitGroup
	for i := 0; i < count; i++ {
		conn, err := listener.Accept()
		must(err)
		all.Add(1)
		go func() {
			echo(conn)
			all.Done()
		}()
	}
	time.Sleep(200 * time.Millisecond)
	report("a connection", before, measure(), count)
	_, err = io.WriteString(to, "g")
	must(err)
	_, err = bufio.NewReader(from).ReadString('\n')
	must(err)
	must(client.Wait())
	all.Wait()
}

func main() {
	count := 0
	if len(os.Args) >= 3 {
		count, _ = strconv.Atoi(os.Args[2])
	}
	switch {
	case count > 0 && len(os.Args) == 3 && os.Args[1] == "parked":
		parked(count)
	case count > 0 && len(os.Args) == 3 && os.Args[1] == "timers":
		timers(count)
	case count > 0 && len(os.Args) == 4 && os.Args[1] == "idle":
		idle(count, os.Args[3])
	default:
		fmt.Fprintln(os.Stderr, "usage: memory parked N | timers N | idle N CLIENT")
		os.Exit(64)
	}
}
