package transport

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/apierror"
	"github.com/providerauth/providerauth-go/internal/text"
)

// Reports reports whether there is a Config.OnAttempt.
func (c *Client) Reports() bool { return c.onAttempt != nil }

// Report shows an attempt to Config.OnAttempt. It adds the provider and the
// path's template; a.Path is below the base URL, without query.
func (c *Client) Report(ctx context.Context, a providerauth.Attempt) {
	if !c.Reports() {
		return
	}
	a.Provider = c.provider
	if a.Path = text.PathTemplate(a.Path); !strings.HasPrefix(a.Path, "/") {
		a.Path = "/" + a.Path
	}
	defer func() {
		if p := recover(); p != nil {
			c.reportPanic(ctx, p)
		}
	}()
	c.onAttempt(ctx, a)
}

// panicPause is the time without another record of a panic.
const panicPause = 10 * time.Second

// panicked is the time of the last record of a panic.
type panicked struct {
	mu sync.Mutex
	at time.Time
}

// due reports whether a record of a panic is due now.
func (p *panicked) due(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.at.IsZero() && now.Sub(p.at) < panicPause {
		return false
	}
	p.at = now
	return true
}

// reportPanic logs the type of a panic of OnAttempt: its value may hold anything.
// The logger may panic too.
func (c *Client) reportPanic(ctx context.Context, p any) {
	if c.logger == nil || !c.panicked.due(time.Now()) {
		return
	}
	defer func() { _ = recover() }()
	c.logger.LogAttrs(ctx, slog.LevelError, "OnAttempt panicked",
		slog.String("provider", c.provider), slog.String("type", fmt.Sprintf("%T", p)))
}

// report shows the last attempt to Config.OnAttempt, unless its header was
// unusable: such a request is not given to the RoundTripper.
func (r *run) report(ctx context.Context) {
	a := &r.now
	if !r.client.Reports() || a.kind == providerauth.ErrInvalidRequest {
		return
	}
	r.client.Report(ctx, providerauth.Attempt{
		Op: r.call.Op, Method: r.call.Method, Path: r.call.RelativePath(), StatusCode: a.status,
		Attempt: r.attempts, Duration: a.took, Outcome: r.outcome(),
	})
}

// outcome returns the result of the last attempt.
func (r *run) outcome() providerauth.Outcome {
	a := &r.now
	switch {
	case a.success:
		return providerauth.OutcomeOK
	case a.status == 0 && r.ended != nil:
		return providerauth.OutcomeCanceled
	case a.status == 0 && a.unsent:
		return providerauth.OutcomeNotSent
	case a.status == 0:
		return lost(a.err)
	case a.read.Class == apierror.Rejected:
		return providerauth.OutcomeRejected
	case a.status < 400 && a.kind == providerauth.ErrBadResponse:
		return providerauth.OutcomeBadResponse
	}
	return Failed(a.status)
}

// Failed returns the outcome of an attempt whose answer is no success.
func Failed(status int) providerauth.Outcome {
	switch {
	case status == http.StatusUnauthorized:
		return providerauth.OutcomeRejected
	case status == http.StatusTooManyRequests:
		return providerauth.OutcomeRateLimited
	case status == http.StatusRequestTimeout, status >= http.StatusInternalServerError:
		return providerauth.OutcomeFailed
	}
	return providerauth.OutcomeRefused
}

// Unanswered returns the outcome of a request that a RoundTripper ended with err,
// before the end of the caller's context.
func Unanswered(err error) providerauth.Outcome {
	if errors.Is(err, providerauth.ErrNotSent) || beforeSending(err) {
		return providerauth.OutcomeNotSent
	}
	return lost(err)
}

// lost returns the outcome of an attempt that may have been sent and ended with
// err.
func lost(err error) providerauth.Outcome {
	var late interface{ Timeout() bool }
	if errors.As(err, &late) && late.Timeout() {
		return providerauth.OutcomeTimeout
	}
	return providerauth.OutcomeLost
}
