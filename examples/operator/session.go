package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/providerauth/providerauth-go/assetpay/assetpaytest"
	"github.com/providerauth/providerauth-go/klas/klastest"
	"github.com/providerauth/providerauth-go/merchantauth/merchantauthtest"
	"github.com/providerauth/providerauth-go/partnerjwt/partnerjwttest"
	"github.com/providerauth/providerauth-go/platformtoken/platformtokentest"
)

const klasSecret = "test-secret"

// simulators stand in for the providers called by an operator.
type simulators struct {
	broker *partnerjwttest.Server
	skins  *assetpaytest.Server
	bank   *merchantauthtest.Server
	games  *platformtokentest.Server
}

func startSimulators() *simulators {
	return &simulators{
		partnerjwttest.NewServer(partnerjwttest.Options{}),
		assetpaytest.NewServer(assetpaytest.Options{}),
		merchantauthtest.NewServer(merchantauthtest.Options{}),
		platformtokentest.NewServer(platformtokentest.Options{}),
	}
}

func (s *simulators) close() {
	s.broker.Close()
	s.skins.Close()
	s.bank.Close()
	s.games.Close()
}

// session plays a day at the backend in a second. It fails if an answer has an
// unexpected status.
func session(ctx context.Context, base string, p *simulators) error {
	var wrong []error
	call := func(what string, want int, method, path string, form url.Values) {
		req, err := http.NewRequestWithContext(ctx, method, base+path, strings.NewReader(form.Encode()))
		if err != nil {
			wrong = append(wrong, err)
			return
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		wrong = append(wrong, show(what, want, req))
	}
	call("holdings at the broker", 200, "GET", "/portfolio", nil)
	p.broker.RevokeTokens()
	call("the same, with a revoked token", 200, "GET", "/portfolio", nil)
	p.broker.FailNext(3, 502, nil)
	call("the same while the broker is down", 503, "GET", "/portfolio", nil)
	trade := url.Values{"trade_url": {"https://steamcommunity.com/tradeoffer/new/?partner=52079950&token=AbCdEfGh"}}
	call("a malformed Steam ID", 400, "POST", "/players/123/skins-token", trade)
	call("a deposit", 200, "POST", "/players/t1_225478/deposits/tx-1", url.Values{"amount": {"12.50"}})
	p.games.OutsideCreate("t1_225478")
	call("a deposit, token killed from outside", 200, "POST", "/players/t1_225478/deposits/tx-2", url.Values{"amount": {"1"}})
	p.games.LoseAnswers(1)
	call("a deposit whose answer is lost", 502, "POST", "/players/t1_225478/deposits/tx-3", url.Values{"amount": {"1"}})
	p.games.FailActed(1, 500, nil)
	call("a deposit that fails after it was made", 502, "POST", "/players/t1_225478/deposits/tx-4", url.Values{"amount": {"1"}})
	call("a new customer", 200, "POST", "/customers", url.Values{
		"email": {"ada@example.com"}, "first": {"Ada"}, "last": {"L"}, "country": {"GB"}, "document": {"P1"}, "address": {"London"}, "id": {"42"},
	})
	p.skins.FailNext(3, 503, http.Header{"Retry-After": {"30"}})
	call("skins while AssetPay is down", 503, "POST", "/players/76561198012345678/skins-token", trade)
	call("health while a user of AssetPay waits", 200, "GET", "/healthz", nil)

	hook := klastest.NewRequest(klasSecret, []byte(`{"request_id":"r-1","timestamp":1710000000,"session_id":"s-1","player_id":"12001"}`))
	hook.RequestURI = ""
	var err error
	if hook.URL, err = url.Parse(base + klasPath); err != nil {
		return err
	}
	wrong = append(wrong, show("Klas asks for a player", 200, hook.WithContext(ctx)))
	call("metrics", 200, "GET", "/metrics", nil)
	return errors.Join(wrong...)
}

func show(what string, want int, req *http.Request) error {
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	if err != nil {
		return err
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(body)), "\n")
	fmt.Printf("%-38s %d  %.90s\n", what, resp.StatusCode, line)
	if resp.StatusCode != want {
		return fmt.Errorf("%s: status %d, want %d", what, resp.StatusCode, want)
	}
	return nil
}
