package session_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"runtime"
	"strings"
	"testing"
)

type http2Conn struct{ net.Conn }

func (http2Conn) ConnectionState() tls.ConnectionState {
	return tls.ConnectionState{NegotiatedProtocol: "h2"}
}

// onlyRefusals is true from Go 1.27 on: net/http sends again after refusals only,
// which are repeated twice.
var onlyRefusals = !strings.HasPrefix(runtime.Version(), "go1.25") && !strings.HasPrefix(runtime.Version(), "go1.26")

// givenUp sends as net/http does over HTTP/2 when the server resets the stream
// with PROTOCOL_ERROR each time: again and again, until the context ends.
func givenUp(sent *int) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		trace := httptrace.ContextClientTrace(r.Context())
		for *sent < 50 {
			if trace != nil {
				trace.GotConn(httptrace.GotConnInfo{Conn: &http2Conn{}})
				trace.WroteHeaders()
			}
			if err := r.Context().Err(); err != nil {
				return nil, err
			}
			*sent++
		}
		return answer(200, "yes"), nil
	}
}

func TestRequestThatHTTP2GivesUpIsNotSentAgainUnlessItsMethodIsSafe(t *testing.T) {
	for method, want := range map[string]int{"POST": 1, "PUT": 1, "DELETE": 1, "GET": 2, "HEAD": 2, "": 2} {
		var sent int
		g := &rig{respond: givenUp(&sent)}
		req, _ := http.NewRequest(method, target, nil)
		req.Method = method
		resp, err := g.transport().RoundTrip(req)
		if onlyRefusals {
			want += 2
		}
		if err == nil {
			t.Errorf("%s: %v, %v", method, resp, err)
		}
		check(t, method+" was sent", sent, want)
		check(t, method+" replaced tokens", g.invalidated, 0)
	}
}

func TestContextOfARequestEndsWithItsBodyAndNotBefore(t *testing.T) {
	var ctx context.Context
	g := &rig{respond: func(r *http.Request) (*http.Response, error) {
		ctx = r.Context()
		return answer(200, "yes"), nil
	}}
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, target, strings.NewReader("x"))
	resp, err := g.transport().RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 3)
	_, err = io.ReadFull(resp.Body, b)
	check(t, "body", string(b)+" "+errText(err)+errText(ctx.Err()), "yes ")
	_, err = resp.Body.Read(b)
	check(t, "after its end", fmt.Sprint(err, ctx.Err()), "EOF context canceled")

	if resp, err = g.transport().RoundTrip(req); err != nil {
		t.Fatal(err)
	}
	check(t, "before it is closed", ctx.Err(), nil)
	_ = resp.Body.Close()
	check(t, "after it is closed", ctx.Err(), context.Canceled)

	g.respond = func(r *http.Request) (*http.Response, error) {
		ctx = r.Context()
		return nil, errors.New("reset")
	}
	if _, err := g.transport().RoundTrip(req); err == nil {
		t.Error("no error")
	}
	check(t, "after an error", ctx.Err(), context.Canceled)
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

type upgraded struct {
	io.Reader
	io.Writer
	io.Closer
}

func TestConnectionThatChangesItsProtocolIsHandedOnAsItIs(t *testing.T) {
	g := &rig{respond: func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusSwitchingProtocols, Header: http.Header{}, Body: &upgraded{}}, nil
	}}
	req, _ := http.NewRequest(http.MethodPost, target, nil)
	resp, err := g.transport().RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := resp.Body.(io.Writer); !ok {
		t.Errorf("the body is a %T", resp.Body)
	}
}
