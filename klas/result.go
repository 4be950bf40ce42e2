package klas

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
)

// A Result is what became of one request.
type Result struct {
	// Path of the request.
	Path string
	// Code that was answered; "" if the answer had none: 405 for another method
	// than POST, 500 for want of a secret, or an answer of a handler behind
	// Middleware without status_code.
	Code StatusCode
	// RequestID of a verified webhook, if it could be read.
	RequestID string
	// Duration from the header of the request to the answer.
	Duration time.Duration
	// Err is why Code is not OK, an [*Error]; nil if it is, or if a handler
	// behind Middleware answered so itself. What an Authenticator returned is
	// found in it by errors.Is and errors.As. With Code OK it says that the
	// answer could not be written.
	Err error
}

// LogValue leaves out what is not there.
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
	return a
}

// logResult logs. A panic of the Logger would cost Klas an answer that is
// written but not yet on its way.
func logResult(ctx context.Context, log *slog.Logger, r Result, f *fault) {
	defer func() { _ = recover() }()
	level := slog.LevelInfo
	switch {
	case r.Code == StatusOK && r.Err == nil:
		level = slog.LevelDebug
	case r.Code == StatusIntegrityCheckFailed, r.Code == StatusOK:
		level = slog.LevelWarn
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

// notify calls OnResult, whose panic would cost as much.
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
