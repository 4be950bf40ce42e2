package klastest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// margin is the extra time for the answer to a stopped body, beyond
// Options.HandlerTimeout. lastAnswer is the wait for an answer after the rest
// of the body was sent.
const (
	margin     = 2 * time.Second
	lastAnswer = time.Second
)

// stalled sends a body that stops before its end, and keeps the connection
// open. A client can hold the endpoint's goroutines with many such connections.
func (s *suite) stalled() {
	if s.opt.HandlerTimeout < 0 {
		return
	}
	const name = "body that stops before its end"
	bound := s.opt.HandlerTimeout + margin
	rule := fmt.Sprintf("ERR_INTEGRITY_CHECK_FAILED, or the end of the connection, within Options.HandlerTimeout and %v. "+
		"Set a read deadline on the connection, or the ReadTimeout of the http.Server", margin)

	// A client buffers 4 KiB, so a short part of a body would not leave.
	body := []byte(s.body())
	body = append(body, bytes.Repeat([]byte(" "), max(0, min(int(s.opt.MaxBodyBytes), 8<<10)-len(body)))...)
	cut := len(body) - 10
	half := &halfBody{first: body[:cut], rest: body[cut:], more: make(chan struct{}), closed: make(chan struct{})}
	sent := fmt.Sprintf("POST, signed with Options.Secret, the first %d of %d bytes of a good webhook, then nothing", cut, len(body))
	r := NewRequest(s.opt.Secret, body)
	r.Body, r.GetBody = half, nil
	found := func(what, came string) {
		s.found(finding{name: name, what: what, sent: sent, came: came, right: rule})
	}

	line := s.dial()
	line.ended = func() { half.Close() }
	defer line.close()
	defer half.Close()
	ctx, cancel := context.WithTimeout(line.to.Context(), bound+lastAnswer)
	defer cancel()
	begun := time.Now()
	completes := time.AfterFunc(bound, func() { close(half.more) })
	defer completes.Stop()
	var a *answer
	resp, err := line.send(ctx, r)
	if err == nil {
		a, _ = read(resp) // nil if it is cut off
	}
	held := time.Since(begun) >= bound
	panicked, returned := line.wait(bound - time.Since(begun))
	switch {
	case panicked != nil && panicked != http.ErrAbortHandler:
		found(s.mask(fmt.Sprintf("the handler panicked: %v", panicked)), "no answer")
	case line.to.Context().Err() != nil:
		found("the context has ended", "no answer")
	case held && a == nil && !line.blind:
		found(fmt.Sprintf("no answer within %v, and the connection stays open", bound), "no answer")
	case held && a != nil:
		found(fmt.Sprintf("no answer within %v", bound), s.came(a)+", after the rest of the body was sent")
	case !returned:
		found(fmt.Sprintf("the handler has not returned within %v", bound), "an answer, or the end of the connection")
	case a != nil && a.status != http.StatusRequestTimeout:
		if fault := a.fault(codeIntegrity, s.opt.Secret); fault != "" {
			found(fault, s.came(a))
		}
	}
}

// wait waits for the handler, and reports whether it returned.
func (l *line) wait(limit time.Duration) (panicked any, returned bool) {
	if l.returned == nil {
		return nil, true
	}
	select {
	case v := <-l.returned:
		return v, true
	default:
	}
	select {
	case v := <-l.returned:
		return v, true
	case <-time.After(limit):
		return nil, false
	}
}

// A halfBody delivers the first part, and the rest when there is more.
type halfBody struct {
	first, rest  []byte
	more, closed chan struct{}
	once         sync.Once
}

func (b *halfBody) Read(p []byte) (int, error) {
	if len(b.first) > 0 {
		n := copy(p, b.first)
		b.first = b.first[n:]
		return n, nil
	}
	select {
	case <-b.closed:
		return 0, io.ErrClosedPipe
	case <-b.more:
	}
	if len(b.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

func (b *halfBody) Close() error {
	b.once.Do(func() { close(b.closed) })
	return nil
}
