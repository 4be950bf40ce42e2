package testkit

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
)

// HTTP2 is a server with just enough HTTP/2 to refuse requests.
type HTTP2 struct {
	URL       string
	Transport *http.Transport // reaches the server, and trusts it
	Requests  atomic.Int32    // complete requests
}

// NewHTTP2 starts a server on the loopback interface. It writes reply's frames
// for its n-th request, on the given stream. The end of the test stops the
// server.
func NewHTTP2(t testing.TB, reply func(n int32, stream uint32) []byte) *HTTP2 {
	t.Helper()
	lender := httptest.NewTLSServer(nil)
	certificates, roots := lender.TLS.Certificates, x509.NewCertPool()
	roots.AddCert(lender.Certificate())
	lender.Close()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: certificates, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	h := &HTTP2{
		URL:       "https://" + listener.Addr().String(),
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true},
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go h.serve(conn, reply) // until the client closes the connection
		}
	}()
	t.Cleanup(func() {
		listener.Close()
		h.Transport.CloseIdleConnections()
	})
	return h
}

// The server's parts of HTTP/2 (RFC 9113).
const (
	frameData, frameHeaders, frameReset, frameSettings, frameGoAway = 0, 1, 3, 4, 7
	flagEndStream, flagAck, flagEndHeaders                          = 1, 1, 4
)

// Codes for ResetStream.
const (
	ProtocolError = 1
	RefusedStream = 7
)

// ResetStream returns a frame that resets a stream with a code.
func ResetStream(stream uint32, code byte) []byte {
	return frame(frameReset, 0, stream, 0, 0, 0, code)
}

// GoAway returns the frame that ends a connection: no stream after last is
// processed.
func GoAway(last uint32) []byte {
	return frame(frameGoAway, 0, 0, binary.BigEndian.AppendUint64(nil, uint64(last)<<32)...)
}

// Answer200 is an answer with status 200 and no body.
func Answer200(stream uint32) []byte {
	const status200 = 0x88 // an entry of HPACK's static table
	return frame(frameHeaders, flagEndHeaders|flagEndStream, stream, status200)
}

func frame(kind, flags byte, stream uint32, payload ...byte) []byte {
	f := binary.BigEndian.AppendUint32(nil, uint32(len(payload)))[1:]
	f = append(f, kind, flags)
	return append(binary.BigEndian.AppendUint32(f, stream), payload...)
}

// serve answers the requests of a connection.
func (h *HTTP2) serve(conn net.Conn, reply func(n int32, stream uint32) []byte) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	if _, err := r.Discard(len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")); err != nil {
		return
	}
	if _, err := conn.Write(frame(frameSettings, 0, 0)); err != nil {
		return
	}
	for {
		var head [9]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return
		}
		length := int(head[0])<<16 | int(head[1])<<8 | int(head[2])
		if _, err := r.Discard(length); err != nil {
			return
		}
		kind, flags, stream := head[3], head[4], binary.BigEndian.Uint32(head[5:])
		var answer []byte
		switch {
		case kind == frameSettings && flags&flagAck == 0:
			answer = frame(frameSettings, flagAck, 0)
		case (kind == frameData || kind == frameHeaders) && flags&flagEndStream != 0:
			answer = reply(h.Requests.Add(1), stream)
		}
		if _, err := conn.Write(answer); err != nil {
			return
		}
	}
}
