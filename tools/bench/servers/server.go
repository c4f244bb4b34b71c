// The Go peer of server.cc, step by step.
package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
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

// Answers the whole requests at the front of text; how many bytes they took, or -1.
func answerAll(conn net.Conn, text []byte) int {
	taken := 0
	for {
		end := bytes.Index(text[taken:], endOfRequest)
		if end < 0 {
			return taken
		}
		if !bytes.HasPrefix(text[taken:], get) {
			return -1
		}
		if _, err := conn.Write(answer); err != nil {
			return -1
		}
		taken += end + len(endOfRequest)
	}
}

func http(conn net.Conn) {
	defer conn.Close()
	buffer := make([]byte, bufferSize)
	held := 0
	for held < len(buffer) {
		n, err := conn.Read(buffer[held:])
		if err != nil {
			return
		}
		held += n
		taken := answerAll(conn, buffer[:held])
		if taken < 0 {
			return
		}
		copy(buffer, buffer[taken:held])
		held -= taken
	}
}

func main() {
	kinds := map[string]func(net.Conn){"echo": echo, "http": http}
	if len(os.Args) != 2 || kinds[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: server echo|http")
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
