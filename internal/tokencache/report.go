package tokencache

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/credential"
)

// reportEvery is the time between two warnings about renewals, and between two lines
// about recoveries, in the log of a cache.
const reportEvery = 10 * time.Second

// reports limits the lines about renewals.
type reports struct {
	mu                   sync.Mutex
	failures, recoveries rationed
	failing              bool // the last line was a warning
}

// rationed are the lines of a kind.
type rationed struct {
	last    int64 // Unix ns: of the last line; 0: none
	leftOut int   // since then
}

// A report is a line for the log about the renewal of a token.
type report struct {
	recovered bool
	again     bool          // it was left out before
	failure   error         // of the last failed flight
	token     credential.ID // the current token
	expiresAt int64         // Unix ns
	flights   int           // failed flights in a row
	leftOut   int           // lines of its kind before this line
}

// admit reports whether the line may be logged now. A left-out line is only due
// again if the last line says the opposite.
func (r *reports) admit(line *report, now int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if line.again && r.failing {
		return false
	}
	kind := &r.failures
	if line.recovered {
		kind = &r.recoveries
	}
	if kind.last != 0 && now >= kind.last && now-kind.last < int64(reportEvery) {
		if !line.again {
			kind.leftOut++
		}
		return false
	}
	line.leftOut = kind.leftOut
	if line.again {
		line.leftOut = max(0, line.leftOut-1)
	}
	kind.last, kind.leftOut, r.failing = now, 0, !line.recovered
	return true
}

// reportFailureLocked prepares a line if this flight is the first failed renewal of
// a token. s is the current snapshot. Without a token callers have the error.
func (f *flight[K, S, T]) reportFailureLocked(s *snapshot[S, T], now int64) {
	failure, live := f.slot.failure, s.alive()
	if failure == nil || failure.reported || live == nil || now >= live.expiresAt() {
		return
	}
	line := &report{again: failure.leftOut, failure: failure.err, token: live.id, expiresAt: live.expiresAt(), flights: failure.flights}
	if f.cache.reports.admit(line, now) {
		failure.reported, f.report = true, line
	} else {
		failure.leftOut = true
	}
}

// reportRecoveryLocked prepares a line if the log says that the renewals of the token
// fail.
func (f *flight[K, S, T]) reportRecoveryLocked(now int64) {
	failure := f.slot.failure
	if !failure.reported {
		return
	}
	line := &report{recovered: true, failure: failure.err, token: f.issued.id, expiresAt: f.issued.expiresAt(), flights: failure.flights}
	if f.cache.reports.admit(line, now) {
		f.report = line
	}
}

// log writes the flight's report. The logger may panic.
func (f *flight[K, S, T]) log(ctx context.Context) {
	r := f.report
	if r == nil {
		return
	}
	defer func() { _ = recover() }()
	var failure providerauth.Failure
	var e providerauth.Error
	if errors.As(r.failure, &e) {
		failure = e.Failure()
	}
	attrs := []slog.Attr{
		slog.String("provider", failure.Provider),
		slog.String("op", failure.Op),
		slog.String("token_id", r.token.String()),
		slog.Time("expires_at", time.Unix(0, r.expiresAt)),
		slog.Int("failed", r.flights),
		slog.Int("left_out", r.leftOut),
	}
	if r.recovered {
		f.cache.cfg.Logger.LogAttrs(ctx, slog.LevelInfo, "the token was renewed again", attrs...)
		return
	}
	attrs = append(attrs, slog.Int("status", failure.StatusCode), slog.String("error", r.failure.Error()))
	f.cache.cfg.Logger.LogAttrs(ctx, slog.LevelWarn, "renewing the token fails; it stays in use until it expires", attrs...)
}
