package simulator

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
)

var (
	memoryAddr = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}
	clientAddr = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 2}
)

// A pipeListener accepts the connections made by its dial.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	close  func()
}

func newPipeListener() *pipeListener {
	l := &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
	l.close = sync.OnceFunc(func() { close(l.closed) })
	return l
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error { l.close(); return nil }

func (l *pipeListener) Addr() net.Addr { return memoryAddr }

// dial connects to the server, and refuses every other address: a bubble must
// not reach for a network.
func (l *pipeListener) dial(ctx context.Context, _, addr string) (net.Conn, error) {
	if addr != memoryAddr.String() {
		return nil, refused()
	}
	client, server := net.Pipe()
	broken := new(atomic.Bool)
	select {
	case l.conns <- &pipeConn{Conn: server, local: memoryAddr, remote: clientAddr, reset: broken}:
		return &pipeConn{Conn: client, local: clientAddr, remote: memoryAddr, reset: broken}, nil
	case <-l.closed:
		return nil, refused()
	case <-ctx.Done():
		return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: memoryAddr, Err: ctx.Err()}
	}
}

func refused() error {
	return &net.OpError{Op: "dial", Net: "tcp", Addr: memoryAddr, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
}

// A pipeConn is an end of a pipe with the resets of a TCP connection.
type pipeConn struct {
	net.Conn
	local, remote net.Addr
	reset         *atomic.Bool // shared by both ends
}

func (c *pipeConn) LocalAddr() net.Addr  { return c.local }
func (c *pipeConn) RemoteAddr() net.Addr { return c.remote }

// SetLinger is TCPConn's: with 0, Close resets the connection.
func (c *pipeConn) SetLinger(sec int) error {
	c.reset.Store(sec == 0)
	return nil
}

func (c *pipeConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	return n, c.explain("read", err)
}

func (c *pipeConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	return n, c.explain("write", err)
}

func (c *pipeConn) explain(op string, err error) error {
	if c.reset.Load() && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrClosedPipe)) {
		return &net.OpError{Op: op, Net: "tcp", Source: c.local, Addr: c.remote, Err: os.NewSyscallError(op, syscall.ECONNRESET)}
	}
	return err
}
