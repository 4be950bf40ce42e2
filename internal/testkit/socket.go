package testkit

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// A Socket is a server on 127.0.0.1. It keeps the heads of requests as they
// came. net/http canonicalises the header names of a received request.
type Socket struct {
	// URL is the base URL of the server, without a path.
	URL string

	mu    sync.Mutex
	lines []string
}

// NewSocket starts a server. It answers its requests with these bodies in turn,
// and with the last for ever. It closes at the end of the test.
func NewSocket(t testing.TB, bodies ...string) *Socket {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Socket{URL: "http://" + listener.Addr().String()}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s.answer(conn, bodies[0])
			if len(bodies) > 1 {
				bodies = bodies[1:]
			}
		}
	})
	t.Cleanup(func() {
		listener.Close()
		running.Wait()
	})
	return s
}

// Lines returns the request lines and header lines of all requests since its last
// call.
func (s *Socket) Lines() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	lines := s.lines
	s.lines = nil
	return lines
}

func (s *Socket) answer(conn net.Conn, body string) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	length := 0
	for {
		line, err := in.ReadString('\n')
		line = strings.TrimRight(line, "\r\n")
		if err != nil || line == "" {
			break
		}
		_, _ = fmt.Sscanf(line, "Content-Length: %d", &length)
		s.mu.Lock()
		s.lines = append(s.lines, line)
		s.mu.Unlock()
	}
	_, _ = io.CopyN(io.Discard, in, int64(length))
	fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}
