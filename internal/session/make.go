package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/providerauth/providerauth-go/internal/timebox"
)

// make sends the request through the base, and returns when ctx, the caller's
// context, ends. A base that may ignore the end of its context runs on a
// goroutine of its own if ctx can end; a panic is an error there. After the end
// of ctx the base goes on alone, with a request that nobody else writes to.
func (t *roundTripper) make(ctx context.Context, req *http.Request) (*http.Response, error) {
	if t.prompt || ctx.Done() == nil {
		return t.next.RoundTrip(req)
	}
	body := req.Body // the base may replace it
	place := *req.URL
	req.URL = &place // the caller may change its own when the request is over
	resp, err := timebox.Run(ctx, t.API.Runs(), func(context.Context) (*http.Response, error) {
		return t.next.RoundTrip(req)
	}, closeLate)
	if err == timebox.ErrNotBegun {
		return nil, t.Unsent(req, over(ctx))
	}
	var fell *timebox.Panic
	switch {
	case err == timebox.ErrLate:
		err = over(ctx)
	case errors.As(err, &fell):
		err = fmt.Errorf("the RoundTripper below %w", fell)
	default:
		return resp, err
	}
	if body != nil {
		_ = body.Close() // as *http.Transport does; it ends a Read of the base
	}
	return nil, err
}

// over returns the error of a request whose context has ended: the cause, as
// *http.Transport does.
func over(ctx context.Context) error {
	return cmp.Or(context.Cause(ctx), context.DeadlineExceeded)
}

// closeLate closes the body of an answer that nobody waits for.
func closeLate(resp *http.Response, _ error) {
	if resp != nil && resp.Body != nil {
		_ = resp.Body.Close()
	}
}
