package redisstore_test

import (
	"net"
	"sync"
	"testing"
	"time"
)

// A proxy is a TCP proxy in front of a server. It ends with its test.
type proxy struct {
	listener net.Listener
	target   string
	wg       sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]struct{}
	open  chan struct{} // closed while the proxy forwards
	held  func()        // called when something was read that is kept back
	piece int           // the most bytes of an answer sent at once, 0 for all
	delay time.Duration // before each read of an answer is sent
	cut   int           // so many answers are cut in the middle
	cuts  int           // so many answers were cut
}

func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, target: target, conns: map[net.Conn]struct{}{}, open: make(chan struct{})}
	close(p.open)
	p.wg.Go(p.accept)
	t.Cleanup(func() {
		_ = l.Close()
		p.resume()
		p.breakAll()
		p.wg.Wait()
	})
	return p
}

func (p *proxy) addr() string { return p.listener.Addr().String() }

// cutNext cuts the connection in the middle of the next n answers.
func (p *proxy) cutNext(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = n
}

// cutAnswers returns how many answers were cut.
func (p *proxy) cutAnswers() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cuts
}

// trickle sends answers in pieces, each after a delay.
func (p *proxy) trickle(piece int, delay time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.piece, p.delay = piece, delay
}

// hold keeps everything back, in new connections too, until resume. It calls
// held, if that is not nil, when it has something.
func (p *proxy) hold(held func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open, p.held = make(chan struct{}), held
}

func (p *proxy) resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.open:
	default:
		close(p.open)
		p.held = nil
	}
}

// breakAll closes all connections.
func (p *proxy) breakAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		p.conns[client], p.conns[server] = struct{}{}, struct{}{}
		p.mu.Unlock()
		p.wg.Go(func() { p.forward(server, client, false) })
		p.wg.Go(func() { p.forward(client, server, true) })
	}
}

// forward copies from a connection to another, until one of them ends.
func (p *proxy) forward(to, from net.Conn, answers bool) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		p.mu.Lock()
		open, held, piece, delay := p.open, p.held, p.piece, p.delay
		cut := answers && p.cut > 0
		if cut {
			p.cut--
			p.cuts++
		}
		p.mu.Unlock()
		if held != nil {
			held()
		}
		<-open
		rest := buffer[:n]
		if cut {
			_, _ = to.Write(rest[:n/2])
			return
		}
		if !answers || piece == 0 {
			piece = n
		} else {
			time.Sleep(delay)
		}
		for len(rest) > 0 {
			written, err := to.Write(rest[:min(piece, len(rest))])
			if err != nil {
				return
			}
			rest = rest[written:]
		}
	}
}
