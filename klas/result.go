package klas

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/timebox"
)

// A Result is the outcome of a request.
type Result struct {
	// Path of the request.
	Path string
	// Code of the answer; "" if the answer had none: 405 for another method
	// than POST, 500 for want of a secret, or an answer of a handler behind
	// Middleware without status_code.
	Code StatusCode
	// RequestID of a verified webhook, if it could be read.
	RequestID string
	// Duration from the header of the request to the answer.
	Duration time.Duration
	// Err is the reason if Code is not OK, an [*Error]; nil if a handler behind
	// Middleware answered so itself. It matches a sentinel of this package or
	// [providerauth.ErrSecretUnavailable], by errors.Is, unless the method was
	// wrong or the operator's code refused. The error of an Authenticator is
	// found in it by errors.Is and errors.As.
	Err error
	// SendErr is the reason if the answer did not leave; nil if it left. Klas
	// then has no answer, whatever Code is. A Server.WriteTimeout not longer
	// than Config.HandlerTimeout shows here. Behind a wrapper of the
	// ResponseWriter only an error of its Write shows.
	SendErr error
}

// LogValue leaves out empty fields.
func (r Result) LogValue() slog.Value { return slog.GroupValue(r.attrs()...) }

func (r Result) attrs() []slog.Attr {
	a := []slog.Attr{
		slog.String("path", r.Path), slog.String("code", string(r.Code)), slog.Duration("duration", r.Duration),
	}
	if r.RequestID != "" {
		a = append(a, slog.String("request_id", r.RequestID))
	}
	if r.Err != nil {
		a = append(a, slog.String("error", r.Err.Error()))
	}
	if r.SendErr != nil {
		a = append(a, slog.String("send_error", r.SendErr.Error()))
	}
	return a
}

// logResult logs. Without recover, a panic of the Logger would drop an answer
// already written but not yet sent.
func logResult(ctx context.Context, log *slog.Logger, r Result, f *fault) {
	defer func() { _ = recover() }()
	level := slog.LevelInfo
	switch {
	case r.Code == StatusIntegrityCheckFailed, r.SendErr != nil:
		level = slog.LevelWarn
	case r.Code == StatusOK:
		level = slog.LevelDebug
	case r.Code == StatusUnknown, r.Code == "" && errors.Is(r.Err, providerauth.ErrSecretUnavailable):
		level = slog.LevelError
	}
	if log == nil || !log.Enabled(ctx, level) {
		return
	}
	attrs := r.attrs()
	if f != nil && f.stack != nil {
		attrs = append(attrs, slog.String("stack", string(f.stack)))
	}
	log.LogAttrs(ctx, level, "klas: webhook", attrs...)
}

// notify calls OnResult, and logs a panic of OnResult. Without recover, such a
// panic would drop the answer too.
func notify(ctx context.Context, cfg *Config, r Result) {
	if cfg.OnResult == nil {
		return
	}
	defer func() {
		if v := recover(); v != nil && cfg.Logger != nil {
			defer func() { _ = recover() }()
			cfg.Logger.LogAttrs(ctx, slog.LevelError, "klas: OnResult panicked", slog.String("type", fmt.Sprintf("%T", v)))
		}
	}()
	cfg.OnResult(ctx, r)
}

// log logs beside an answer. A panic of the Logger must not end the process.
func (w *Webhook) log(ctx context.Context, level slog.Level, text string, attrs ...slog.Attr) {
	defer func() { _ = recover() }()
	if w.cfg.Logger != nil {
		w.cfg.Logger.LogAttrs(ctx, level, text, attrs...)
	}
}

// ended logs a panic of code still running when its webhook was answered.
func (w *Webhook) ended(err error) {
	if p, ok := err.(*timebox.Panic); ok && p.Stack != nil {
		w.log(context.Background(), slog.LevelError, "klas: panic after the answer",
			slog.String("error", "the operator's code "+p.Error()), slog.String("stack", string(p.Stack)))
	}
}
