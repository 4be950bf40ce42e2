package klas

import (
	"context"
	"errors"
	"net/http"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/check"
	"github.com/providerauth/providerauth-go/internal/decimal"
)

// An AuthenticateRequest is the body of POST {WEBHOOK_URL}/authenticate. No
// field is empty. The ids are opaque: Klas's own samples are no UUIDs.
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
	// Authenticate answers a verified webhook. It should be quick, honour ctx,
	// and change nothing: a repeat must get the same answer. It must be safe
	// for concurrent use.
	//
	// A [*Refusal] is sent to Klas with its code. Any other error, a panic, an
	// invalid response and the end of Config.HandlerTimeout are ERR_UNKNOWN for
	// Klas and show in the log and in OnResult.
	//
	// ctx ends after Config.HandlerTimeout, and has the values of the request's
	// context. It does not end when the client leaves. An Authenticator that
	// does not return when ctx ends does not hold up the answer. It runs on, on
	// its own goroutine, until it returns. Its result is dropped, and
	// [Webhook.Abandoned] counts it. http.Server.Shutdown does not wait for it.
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
// answered 405, and a webhook without an available secret 500 with an empty
// body. Without an Authenticator every good webhook is answered ERR_UNKNOWN.
func (w *Webhook) AuthenticateHandler(a Authenticator) http.Handler {
	e := &endpoint{hook: w, op: opAuthenticate}
	if a != nil {
		e.auth = a.Authenticate
	}
	return e
}

// callAuthenticator calls the Authenticator, and returns its answer or refusal.
func (j *job) callAuthenticator(ctx context.Context) (*reply, error) {
	resp, err := j.auth(ctx, j.authenticate)
	var refusal *Refusal
	switch {
	case errors.As(err, &refusal):
		return refusal.reply(err), nil
	case err != nil:
		return nil, err
	}
	return accepted(resp, j.hook.cfg.AnyCurrency)
}

// accepted returns the reply OK, if the operator's answer is valid.
func accepted(resp AuthenticateResponse, anyCurrency bool) (*reply, error) {
	if !resp.Balance.IsSet() {
		return nil, unfit("Balance", "was not set")
	}
	balance := resp.Balance.String()
	if len(balance) > decimal.MaxDigits { // a shorter text has no more digits
		if _, err := providerauth.ParseAmount(balance); err != nil {
			return nil, unfit("Balance", decimal.ErrDigits.Error())
		}
	}
	if anyCurrency {
		var p check.Problems
		p.Require("Currency", resp.Currency)
		if rule := p["Currency"]; rule != "" {
			return nil, unfit("Currency", rule)
		}
	} else if !isISO4217(resp.Currency) {
		return nil, unfit("Currency", "must be three capital letters")
	}
	return &reply{code: StatusOK, currency: resp.Currency, balance: balance}, nil
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
