// The Go peer of server.cc, step by step.
package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"sync"
)

var answer = []byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, world\n")
var endOfRequest = []byte("\r\n\r\n")
var get = []byte("GET ")

const bufferSize = 4096

func echo(conn net.Conn) {
	defer conn.Close()
	buffer := make([]byte, bufferSize)
	for {
		n, err := conn.Read(buffer)
		if err != nil {
			return
		}
		if _, err = conn.Write(buffer[:n]); err != nil {
			return
		}
	}
}

const items = 64
const bodySize = 1024

type sessionItem struct {
	next    *sessionItem
	key     uint64
	payload [6]uint64
}

type session struct {
	items *sessionItem
	body  []byte
	keys  uint64
}

var sessions struct {
	mutex sync.Mutex
	ring  [10_000]*session
	next  uint64
}

func addSession() {
	s := new(session)
	for key := uint64(0); key < items; key++ {
		s.items = &sessionItem{next: s.items, key: key}
		s.keys += key
	}
	s.body = make([]byte, bodySize)
	check(replace(s))
}

func replace(s *session) *session {
	sessions.mutex.Lock()
	defer sessions.mutex.Unlock()
	place := &sessions.ring[sessions.next%uint64(len(sessions.ring))]
	sessions.next++
	before := *place
	*place = s
	return before
}

// What is thrown away is whole.
func check(s *session) {
	if s == nil {
		return
	}
	keys := uint64(0)
	for item := s.items; item != nil; item = item.next {
		keys += item.key
	}
	if keys != s.keys {
		panic("a session is broken")
	}
}

func noWork() {}

// Answers the whole requests at the front of text; how many bytes they took, or -1.
func answerAll(conn net.Conn, text []byte, work func()) int {
	taken := 0
	for {
		end := bytes.Index(text[taken:], endOfRequest)
		if end < 0 {
			return taken
		}
		if !bytes.HasPrefix(text[taken:], get) {
			return -1
		}
		work()
		if _, err := conn.Write(answer); err != nil {
			return -1
		}
		taken += end + len(endOfRequest)
	}
}

func http(conn net.Conn, work func()) {
	defer conn.Close()
	buffer := make([]byte, bufferSize)
	held := 0
	for held < len(buffer) {
		n, err := conn.Read(buffer[held:])
		if err != nil {
			return
		}
		held += n
		taken := answerAll(conn, buffer[:held], work)
		if taken < 0 {
			return
		}
		copy(buffer, buffer[taken:held])
		held -= taken
	}
}

func main() {
	kinds := map[string]func(net.Conn){
		"echo":     echo,
		"http":     func(conn net.Conn) { http(conn, noWork) },
		"sessions": func(conn net.Conn) { http(conn, addSession) },
	}
	if len(os.Args) != 2 || kinds[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: server echo|http|sessions")
		os.Exit(64)
	}
	serve := kinds[os.Args[1]]
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err == nil {
		fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	}
	for err == nil {
		var conn net.Conn
		if conn, err = listener.Accept(); err == nil {
			go serve(conn)
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
