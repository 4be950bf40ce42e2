package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/assetpay"
	providerauthprom "github.com/providerauth/providerauth-go/integrations/prometheus"
	"github.com/providerauth/providerauth-go/klas"
	"github.com/providerauth/providerauth-go/merchantauth"
	"github.com/providerauth/providerauth-go/partnerjwt"
	"github.com/providerauth/providerauth-go/platformtoken"
)

// klasPath is the path of the webhook at which Klas asks for a player.
const klasPath = "/klas/authenticate"

// A backend holds one client per provider. Each client is made once and shared by
// all callers: two clients would not know of each other's tokens.
type backend struct {
	log     *slog.Logger
	broker  *partnerjwt.Client
	skins   *assetpay.Client
	bank    *merchantauth.Client
	games   *platformtoken.Client
	webhook *klas.Webhook
	metrics *prometheus.Registry
}

func newBackend(p *simulators, log *slog.Logger) (*backend, error) {
	b := &backend{log: log, metrics: prometheus.NewRegistry()}
	// In production these are literals with SecretFuncs for a vault.
	brokerCfg, skinsCfg, bankCfg, gamesCfg := p.broker.Config(), p.skins.Config(), p.bank.Config(), p.games.Config()
	attempts := providerauthprom.NewAttempts()
	brokerCfg.OnAttempt, skinsCfg.OnAttempt = attempts.Observe, attempts.Observe
	bankCfg.OnAttempt, gamesCfg.OnAttempt = attempts.Observe, attempts.Observe
	webhooks := providerauthprom.NewWebhooks(providerauthprom.WebhookOptions{Paths: []string{klasPath}})
	var err [5]error
	b.broker, err[0] = partnerjwt.New(brokerCfg)
	b.skins, err[1] = assetpay.New(skinsCfg)
	b.bank, err[2] = merchantauth.New(bankCfg)
	b.games, err[3] = platformtoken.New(gamesCfg)
	b.webhook, err[4] = klas.New(klas.Config{
		Secrets: providerauth.StaticSecrets(klasSecret), OnResult: webhooks.Observe,
	})
	if err := errors.Join(err[:]...); err != nil {
		return nil, err
	}
	clients, failed := providerauthprom.NewCollector(map[string]providerauthprom.Source{
		"partnerjwt": b.broker, "assetpay": b.skins, "merchantauth": b.bank, "platformtoken": b.games,
	})
	if failed != nil {
		return nil, failed
	}
	return b, errors.Join(b.metrics.Register(attempts), b.metrics.Register(webhooks), b.metrics.Register(clients))
}

// close waits for requests for tokens under way; it cancels nothing.
func (b *backend) close() {
	if err := errors.Join(b.broker.Close(), b.skins.Close(), b.bank.Close(), b.games.Close()); err != nil {
		b.log.Error("closing", "error", err)
	}
}

func (b *backend) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", b.health)
	mux.Handle("GET /metrics", promhttp.HandlerFor(b.metrics, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /portfolio", b.portfolio)
	mux.HandleFunc("POST /players/{id}/skins-token", b.skinsToken)
	mux.HandleFunc("POST /players/{id}/deposits/{tx}", b.deposit)
	mux.HandleFunc("POST /customers", b.customer)
	mux.Handle(klasPath, b.webhook.AuthenticateHandler(klas.AuthenticatorFunc(b.authenticate)))
	return mux
}

func (b *backend) portfolio(w http.ResponseWriter, r *http.Request) {
	holdings, err := b.broker.Portfolio(r.Context())
	b.answer(w, holdings, err)
}

// skinsToken gives the player's browser a token. A token refuses to be marshalled,
// so the handler calls Value.
func (b *backend) skinsToken(w http.ResponseWriter, r *http.Request) {
	t, err := b.skins.Token(r.Context(), assetpay.User{
		SteamID: r.PathValue("id"), TradeURL: r.FormValue("trade_url"),
		ClientData: &assetpay.ClientData{KYCLevel: 2}, // the player's current data
	})
	b.answer(w, map[string]any{"token": t.Value(), "expires_at": t.ExpiresAt}, err)
}

func (b *backend) deposit(w http.ResponseWriter, r *http.Request) {
	amount, err := providerauth.ParseAmount(r.FormValue("amount"))
	if err != nil {
		http.Error(w, "amount "+err.Error(), http.StatusBadRequest)
		return
	}
	moved, err := b.games.Transfer(r.Context(), platformtoken.Player{UserID: r.PathValue("id")}, platformtoken.TransferRequest{
		TxID: r.PathValue("tx"), Direction: platformtoken.TransferIn, Amount: amount,
	})
	b.answer(w, map[string]any{"record": moved.RecordID, "state": moved.State}, err)
}

func (b *backend) customer(w http.ResponseWriter, r *http.Request) {
	c, err := b.bank.CreateCustomer(r.Context(), merchantauth.CreateCustomerRequest{
		Email: r.FormValue("email"), FirstName: r.FormValue("first"), LastName: r.FormValue("last"),
		Country: r.FormValue("country"), VerificationDocumentID: r.FormValue("document"),
		ResidenceAddress: r.FormValue("address"), ExternalID: r.FormValue("id"),
	})
	b.answer(w, map[string]any{"wallet": c.WalletID}, err)
}

func (b *backend) authenticate(_ context.Context, req klas.AuthenticateRequest) (klas.AuthenticateResponse, error) {
	if req.PlayerID != "12001" {
		return klas.AuthenticateResponse{}, &klas.Refusal{Err: errors.New("no such player")}
	}
	balance, err := providerauth.AmountFromMinor(30_00, 2)
	return klas.AuthenticateResponse{Currency: "EUR", Balance: balance}, err
}

// providerError is the common interface of the errors of all packages.
type providerError interface {
	error
	Retryable() (after time.Duration, ok bool)
	Ambiguous() bool
}

// answer turns every provider's error into an answer.
func (b *backend) answer(w http.ResponseWriter, v any, err error) {
	var e providerError
	status, text := http.StatusBadGateway, "the provider refused"
	switch {
	case err == nil:
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(v); err != nil {
			b.log.Error("encoding an answer", "error", err)
		}
		return
	case errors.Is(err, providerauth.ErrInvalidRequest): // the same sentinel in all packages
		status, text = http.StatusBadRequest, "the request is not valid"
	case errors.As(err, &e):
		if after, ok := e.Retryable(); ok { // before Ambiguous: a repeatable read may be both
			status, text = http.StatusServiceUnavailable, "try again later"
			w.Header().Set("Retry-After", strconv.Itoa(int(max(after, time.Second).Seconds())))
		} else if e.Ambiguous() {
			text = "the outcome is unknown and is being looked into"
		}
	}
	b.log.Warn("a provider's call failed", "error", err, "status", status) // the error's text holds no secret
	http.Error(w, text, status)
}

// health fails while a provider gives no tokens. It does not ask the clients with a
// token per user: their back-off may concern only a single user.
func (b *backend) health(w http.ResponseWriter, _ *http.Request) {
	for name, s := range map[string]providerauth.Stats{"partnerjwt": b.broker.Stats(), "merchantauth": b.bank.Stats()} {
		if until := s.BackoffUntil; !until.IsZero() && s.Entries == 0 {
			http.Error(w, name+" gives no tokens, next try at "+until.Format(time.TimeOnly), http.StatusServiceUnavailable)
			return
		}
	}
	_, _ = io.WriteString(w, "ok\n")
}
