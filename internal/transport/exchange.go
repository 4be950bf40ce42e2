package transport

import (
	"bytes"
	"cmp"
	"context"
	"net/http"
	"time"

	"github.com/providerauth/providerauth-go/internal/timebox"
)

const (
	// promptness is how long an operator's RoundTripper may take to return after
	// the end of its context. Beyond it the RoundTripper goes on without us.
	promptness = 20 * time.Millisecond

	// unauthorizedPatience is how long an attempt waits for the body of a 401: the
	// call is made again with another token, and need not wait for the old answer.
	unauthorizedPatience = 100 * time.Millisecond
)

// A reply is an answer with the read part of its body.
type reply struct {
	status   int
	header   http.Header
	body     []byte // without a byte order mark
	whole    bool
	broken   error // of reading the body
	received time.Time
}

// exchange sends the request and reads the answer. An http.Transport honours
// its context. Any other RoundTripper may ignore it, so it runs on a goroutine
// of its own until the end of the attempt; a panic is an error there. The
// goroutine uses nothing of the run that may change: after ErrLate it goes on
// alone.
func (r *run) exchange(ctx context.Context, cancel context.CancelFunc, req *http.Request) (reply, error) {
	e := exchange{r.client.rt, req, cancel, r.maxBody()}
	if r.client.prompt {
		return e.make(ctx)
	}
	rep, err := timebox.Run(ctx, &r.client.abandoned, e.make, nil)
	if err == timebox.ErrNotBegun {
		err = cmp.Or(ctx.Err(), context.DeadlineExceeded)
	}
	if rep.received.IsZero() {
		rep.received = time.Now()
	}
	return rep, err
}

// An exchange is a request on its way.
type exchange struct {
	rt     http.RoundTripper
	req    *http.Request
	cancel context.CancelFunc
	most   int // bytes of the body of a success
}

func (e exchange) make(context.Context) (reply, error) {
	resp, err := e.rt.RoundTrip(e.req)
	rep := reply{received: time.Now()}
	if resp != nil {
		if resp.Body == nil {
			resp.Body = http.NoBody
		}
		defer resp.Body.Close()
	}
	switch {
	case err != nil:
		return rep, err
	case resp == nil:
		return rep, errNoResponse
	case resp.StatusCode < 100:
		return rep, errNoStatus
	}
	rep.status, rep.header = resp.StatusCode, resp.Header
	most := maxErrorBody
	switch {
	case rep.status < 200: // the following bytes are not a body
		return rep, nil
	case rep.status < 300:
		most = e.most
	case rep.status == http.StatusUnauthorized:
		defer time.AfterFunc(unauthorizedPatience, e.cancel).Stop()
	}
	rep.body, rep.whole, rep.broken = read(resp.Body, resp.ContentLength, most)
	if rep.status >= 300 && !rep.whole && rep.broken == nil {
		drain(resp.Body)
	}
	rep.body = bytes.TrimPrefix(rep.body, mark)
	return rep, nil
}

// maxBody is the longest body of a success.
func (r *run) maxBody() int {
	if r.call.Long {
		return r.client.maxResponse
	}
	return maxBody
}
