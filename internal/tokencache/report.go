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

// reportEvery is the time between two lines about renewals in the log of a cache.
const reportEvery = 10 * time.Second

// reports limits the lines about renewals.
type reports struct {
	mu      sync.Mutex
	last    int64 // Unix ns: when a line was due and not left out
	leftOut int   // lines since then
}

// admit reports whether a line may be logged now, and the number of lines that were
// left out before it. counted is true for a line that was left out before.
func (r *reports) admit(now int64, counted bool) (leftOut int, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last != 0 && now >= r.last && now-r.last < int64(reportEvery) {
		if !counted {
			r.leftOut++
		}
		return 0, false
	}
	leftOut = r.leftOut
	if counted && leftOut > 0 {
		leftOut--
	}
	r.last, r.leftOut = now, 0
	return leftOut, true
}

// A report is a line for the log about the renewal of a token.
type report struct {
	recovered bool
	failure   error         // of the flight that failed last
	token     credential.ID // the current token
	expiresAt int64         // Unix ns
	flights   int           // that failed in a row
	leftOut   int
}

// reportFailureLocked prepares a line if this flight is the first failed renewal of
// a token, or the first for which the log has room. s is the current snapshot.
// Without a token callers have the error.
func (f *flight[K, S, T]) reportFailureLocked(s *snapshot[S, T], now int64) {
	failure, live := f.slot.failure, s.alive()
	if failure == nil || failure.reported || live == nil || now >= live.expiresAt {
		return
	}
	leftOut, ok := f.cache.reports.admit(now, failure.leftOut)
	failure.reported, failure.leftOut = ok, !ok
	if ok {
		f.report = &report{failure: failure.err, token: live.id, expiresAt: live.expiresAt, flights: failure.flights, leftOut: leftOut}
	}
}

// reportRecoveryLocked prepares a line if the log says that the renewals of the token
// fail.
func (f *flight[K, S, T]) reportRecoveryLocked(now int64) {
	failure := f.slot.failure
	if !failure.reported {
		return
	}
	leftOut, ok := f.cache.reports.admit(now, false)
	if ok {
		f.report = &report{
			recovered: true, failure: failure.err, token: f.issued.id, expiresAt: f.issued.expiresAt,
			flights: failure.flights, leftOut: leftOut,
		}
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
