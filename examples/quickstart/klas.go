package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/klas"
	"github.com/providerauth/providerauth-go/klas/klastest"
)

// klasWebhooks answers a provider's webhooks: a crowd of genuine webhooks, then a
// crowd of forged webhooks.
func klasWebhooks(ctx context.Context, r *row) error {
	const secret = "test-secret"
	var asked, answered atomic.Int64
	hook, err := klas.New(klas.Config{
		Secrets:  providerauth.StaticSecrets(secret),
		OnResult: func(context.Context, klas.Result) { answered.Add(1) },
	})
	if err != nil {
		return err
	}
	balance, err := providerauth.ParseAmount("30.5")
	if err != nil {
		return err
	}
	srv := httptest.NewServer(hook.AuthenticateHandler(klas.AuthenticatorFunc(
		func(context.Context, klas.AuthenticateRequest) (klas.AuthenticateResponse, error) {
			asked.Add(1)
			return klas.AuthenticateResponse{Currency: "EUR", Balance: balance}, nil
		})))
	defer srv.Close()
	target, err := url.Parse(srv.URL)
	if err != nil {
		return err
	}
	body := []byte(`{"request_id":"r-1","timestamp":1710000000,"session_id":"s-1","player_id":"12001"}`)
	call := func(signedWith, want string) func(context.Context) error {
		return func(ctx context.Context) error {
			req := klastest.NewRequest(signedWith, body).WithContext(ctx)
			req.RequestURI, req.URL = "", target
			resp, err := srv.Client().Do(req)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			got, err := io.ReadAll(resp.Body)
			if err != nil {
				return err
			}
			if !klas.Verify(secret, got, resp.Header.Get(klas.SignatureHeader)) || resp.StatusCode != http.StatusOK {
				return errors.New("the answer is not a signed 200")
			}
			if !bytes.Contains(got, []byte(`"status_code":"`+want+`"`)) {
				return fmt.Errorf("the answer is not %s", want)
			}
			return nil
		}
	}
	if err := r.together(ctx, call(secret, "OK")); err != nil {
		return err
	}
	if err := r.together(ctx, call("forged", "ERR_INTEGRITY_CHECK_FAILED")); err != nil {
		return err
	}
	r.requests = int(answered.Load())
	r.webhooks = fmt.Sprintf("%d forged, 0 let in", crowd)
	return errors.Join(
		expect("webhooks that reached the operator's code", int(asked.Load()), crowd),
		expect("answers", r.requests, 2*crowd),
	)
}
