package klas

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/check"
	"github.com/providerauth/providerauth-go/internal/decimal"
)

// An AuthenticateRequest is the body of POST {WEBHOOK_URL}/authenticate. No
// field is empty. The ids are opaque: Klas's own samples of them are no UUIDs.
type AuthenticateRequest struct {
	RequestID string    `json:"request_id"`
	Timestamp Timestamp `json:"timestamp"`
	SessionID string    `json:"session_id"`
	PlayerID  string    `json:"player_id"` // the operator's own id of the player
}

// An AuthenticateResponse accepts the player.
type AuthenticateResponse struct {
	// Currency of the player, three capital letters (ISO 4217), such as EUR,
	// unless Config.AnyCurrency is set. Required.
	Currency string
	// Balance in major units of the currency, of at most 18 digits. Required.
	Balance providerauth.Amount
}

// An Authenticator decides whether a player may play.
type Authenticator interface {
	// Authenticate answers one verified webhook. It should be quick, honour
	// ctx, and change nothing: a repeat has to be answered in the same way. It
	// must be safe for concurrent use.
	//
	// A [*Refusal] is sent to Klas with its code. Any other error, a panic, a
	// response that is not valid and the end of Config.HandlerTimeout are
	// ERR_UNKNOWN for Klas and show in the log and in OnResult.
	//
	// If it does not return when ctx ends, that does not hold up the answer, but
	// nothing else ends it, and what it returns in the end is dropped. Over
	// HTTP/1 it runs on the goroutine of the request, whose connection closes
	// then and for which http.Server.Shutdown waits. Over HTTP/2, and behind
	// middleware that wraps the http.ResponseWriter, it runs on a goroutine of its
	// own, which is left alone. (A wrapper without the method Unwrap that can flush
	// is taken for net/http's own.)
	Authenticate(ctx context.Context, req AuthenticateRequest) (AuthenticateResponse, error)
}

// AuthenticatorFunc makes an [Authenticator] of a function.
type AuthenticatorFunc func(context.Context, AuthenticateRequest) (AuthenticateResponse, error)

// Authenticate calls f.
func (f AuthenticatorFunc) Authenticate(ctx context.Context, req AuthenticateRequest) (AuthenticateResponse, error) {
	return f(ctx, req)
}

// AuthenticateHandler returns the handler for {WEBHOOK_URL}/authenticate. Mount
// it without a method pattern: http.ServeMux would answer other methods itself.
//
// Every POST is answered with HTTP 200 and a signed body, errors included; see
// the package's table. The two exceptions are unsigned: another method is
// answered 405, and a webhook for which no secret can be had 500 with an empty
// body. Without an Authenticator every good webhook is answered ERR_UNKNOWN.
func (w *Webhook) AuthenticateHandler(a Authenticator) http.Handler {
	e := &endpoint{hook: w, op: "AuthenticateHandler", act: (*exchange).authenticate}
	if a != nil {
		e.auth = func(ctx context.Context, req AuthenticateRequest) (AuthenticateResponse, error) {
			return a.Authenticate(ctx, req)
		}
	}
	return e
}

func (x *exchange) authenticate() verdict {
	if v := x.validate(); v.code != "" {
		return v
	}
	req := AuthenticateRequest{
		RequestID: x.wire.RequestID, Timestamp: Timestamp(x.wire.Timestamp),
		SessionID: x.wire.SessionID, PlayerID: x.wire.PlayerID,
	}
	if v := x.timely(req.Timestamp); v.code != "" {
		return v
	}
	c := x.prepare()
	c.request = req
	if v := x.run(c); v.code != "" {
		return v
	}
	return x.accept(c.response)
}

func (x *exchange) validate() verdict {
	if x.wire.misfit != "" {
		return refuse(StatusBadParams, x.wire.misfit, "has the wrong type")
	}
	for _, f := range [...]struct{ name, value string }{
		{"request_id", x.wire.RequestID}, {"session_id", x.wire.SessionID}, {"player_id", x.wire.PlayerID},
	} {
		if f.value == "" {
			return refuse(StatusBadParams, f.name, "is missing or empty")
		}
		// The decoder writes U+FFFD for half a surrogate pair, so that two
		// different ids would become one.
		if strings.Contains(f.value, "\uFFFD") {
			return refuse(StatusBadParams, f.name, "holds a character that cannot be read")
		}
	}
	if x.wire.Timestamp <= 0 {
		return refuse(StatusBadParams, "timestamp", "is missing or not above 0")
	}
	return verdict{}
}

// timely refuses a webhook that is too old or too far ahead.
func (x *exchange) timely(t Timestamp) verdict {
	switch maxAge := x.hook.cfg.MaxAge; {
	case maxAge == 0:
		return verdict{}
	case t <= 0:
		return refuse(StatusBadParams, "timestamp", "is missing or cannot be read")
	case !t.fresh(time.Now(), maxAge):
		return refuse(StatusBadParams, "timestamp", "is further from now than MaxAge")
	}
	return verdict{}
}

// accept answers OK if the operator's answer allows it.
func (x *exchange) accept(resp AuthenticateResponse) verdict {
	if !resp.Balance.IsSet() {
		return unfit("Balance", "was not set")
	}
	if _, err := providerauth.ParseAmount(resp.Balance.String()); err != nil {
		return unfit("Balance", decimal.ErrDigits.Error())
	}
	if x.hook.cfg.AnyCurrency {
		var p check.Problems
		p.Require("Currency", resp.Currency)
		if rule := p["Currency"]; rule != "" {
			return unfit("Currency", rule)
		}
	} else if !isISO4217(resp.Currency) {
		return unfit("Currency", "must be three capital letters")
	}
	x.accepted = acceptance{resp.Currency, resp.Balance.String()}
	return verdict{code: StatusOK}
}

func isISO4217(s string) bool {
	if len(s) != 3 {
		return false
	}
	for i := range len(s) {
		if s[i] < 'A' || s[i] > 'Z' {
			return false
		}
	}
	return true
}

// operatorError answers for an error of the operator's code, which may be a nil
// pointer whose methods panic.
func operatorError(c *call) (v verdict) {
	defer func() {
		if p := recover(); p != nil {
			v = failed(StatusUnknown, fmt.Errorf("the handler's error, a %T, panics when it is unwrapped", c.err))
		}
	}()
	var r *Refusal
	switch {
	case !c.reached && errors.Is(c.err, errSeen):
		return failed(StatusBadParams, c.err)
	case c.reached && errors.As(c.err, &r):
		return r.verdict(c.err)
	}
	return verdict{StatusUnknown, &fault{err: c.err, stack: c.stack}}
}
