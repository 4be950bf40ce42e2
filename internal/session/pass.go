package session

import (
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/providerauth/providerauth-go/internal/resend"
)

var errNoResponse = errors.New("the RoundTripper below returned neither an answer nor an error")

// The states of a Client's knowledge about the protocol of its connections.
const (
	unknownProtocol = iota
	otherThanHTTP2
	http2
)

// maxRefusals is how often a request is sent again after a server refused it
// over HTTP/2 and proved that it did not process it.
const maxRefusals = 2

// pass sends the request by the base. A Guard keeps net/http from sending it
// again where a repeat could do harm, and from repeats without a limit. Over
// HTTP/1 no read needs a Guard.
func (t *roundTripper) pass(s *sending) (*http.Response, error) {
	if !resend.ByItself(s.req.Method) || t.protocol.Load() != otherThanHTTP2 {
		return t.passGuarded(s)
	}
	resp, err := usable(t.make(s.req.Context(), &s.req))
	t.notice(resp)
	return resp, err
}

// notice learns the protocol from an answer.
func (t *roundTripper) notice(resp *http.Response) {
	switch {
	case resp == nil:
	case resp.ProtoMajor == 2:
		t.protocol.Store(http2)
	default:
		t.protocol.Store(otherThanHTTP2)
	}
}

// passGuarded sends the request under a Guard, and again after a refusal if
// net/http does not repeat it by itself.
func (t *roundTripper) passGuarded(s *sending) (*http.Response, error) {
	rewind := s.req.GetBody
	for refusals := 0; ; {
		s.guard.Refusals = maxRefusals
		outer := s.req.Context()
		resp, err := t.try(outer, s)
		t.notice(resp)
		learnt := s.guard.Learnt()
		refused := err != nil && !learnt && s.guard.Refused(err)
		switch {
		case learnt: // nothing was written
			t.protocol.Store(http2)
		case refused && !s.guard.Resent() && refusals < maxRefusals && rewind != nil && outer.Err() == nil:
			refusals++
		case refused:
			return nil, t.Unsent(&s.req, resend.ErrRefused)
		default:
			return resp, err
		}
		body, err := rewind()
		if err != nil {
			return nil, err
		}
		again := new(sending) // the base may still hold the last
		again.req = *s.req.WithContext(outer)
		again.req.Body, again.req.GetBody = body, rewind
		s = again
	}
}

// try sends the request under the Guard. outer is the caller's context.
func (t *roundTripper) try(outer context.Context, s *sending) (*http.Response, error) {
	ctx, cancel := context.WithCancel(outer)
	s.req = *s.req.WithContext(s.guard.StepIn(ctx, cancel)) // the copy stays on the stack
	switch {
	case resend.ByItself(s.req.Method):
		s.guard.Spare = 1
	case t.protocol.Load() == http2:
		resend.Unreplayable(&s.req)
	default:
		s.guard.Learn = resend.Learns(&s.req)
	}
	resp, err := usable(t.make(outer, &s.req))
	switch {
	case err != nil:
		cancel()
		if s.guard.Resent() {
			err = resend.Err
		}
	case resp.StatusCode != http.StatusSwitchingProtocols:
		s.body = ending{resp.Body, cancel}
		resp.Body = &s.body
	}
	return resp, err
}

// usable returns an answer with a body, or else an error.
func usable(resp *http.Response, err error) (*http.Response, error) {
	switch {
	case err != nil:
		return nil, err
	case resp == nil:
		return nil, errNoResponse
	case resp.Body == nil:
		resp.Body = http.NoBody
	}
	return resp, nil
}

// ending is a body; it ends the context of its request when it has been read,
// or is closed.
type ending struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (e *ending) Read(p []byte) (int, error) {
	n, err := e.ReadCloser.Read(p)
	if err != nil {
		e.cancel()
	}
	return n, err
}

func (e *ending) Close() error {
	defer e.cancel()
	return e.ReadCloser.Close()
}
