package providerauthprom_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	providerauth "github.com/providerauth/providerauth-go"
	providerauthprom "github.com/providerauth/providerauth-go/integrations/prometheus"
	"github.com/providerauth/providerauth-go/klas"
	"github.com/providerauth/providerauth-go/partnerjwt"
	"github.com/providerauth/providerauth-go/partnerjwt/partnerjwttest"
)

func Example() {
	srv := partnerjwttest.NewServer(partnerjwttest.Options{})
	defer srv.Close()
	handler, client, err := monitored(srv.Config())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	if _, err := client.Portfolio(context.Background()); err != nil {
		fmt.Println(err)
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	printSeries(w.Body.String(), "providerauth_attempts_total", "providerauth_token_refreshes_total", "providerauth_tokens")
	// Output:
	// providerauth_attempts_total{op="Portfolio",outcome="ok",provider="partnerjwt"} 1
	// providerauth_token_refreshes_total{client="broker"} 1
	// providerauth_tokens{client="broker"} 1
}

// monitored makes a client with metrics, and the handler of /metrics.
func monitored(cfg partnerjwt.Config) (http.Handler, *partnerjwt.Client, error) {
	attempts := providerauthprom.NewAttempts()
	cfg.OnAttempt = attempts.Observe
	client, err := partnerjwt.New(cfg)
	if err != nil {
		return nil, nil, err
	}
	clients, err := providerauthprom.NewCollector(map[string]providerauthprom.Source{"broker": client})
	if err != nil {
		return nil, nil, err
	}
	reg := prometheus.NewRegistry()
	for _, c := range []prometheus.Collector{attempts, clients} {
		if err := reg.Register(c); err != nil {
			return nil, nil, err
		}
	}
	return promhttp.HandlerFor(reg, promhttp.HandlerOpts{}), client, nil
}

func ExampleWebhooks() {
	webhooks := providerauthprom.NewWebhooks(providerauthprom.WebhookOptions{Paths: []string{"/klas/authenticate"}})
	reg := prometheus.NewRegistry()
	if err := reg.Register(webhooks); err != nil {
		fmt.Println(err)
		return
	}
	hook, err := klas.New(klas.Config{Secrets: providerauth.StaticSecrets("secret-of-32-characters-or-more!"), OnResult: webhooks.Observe})
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("/klas/authenticate", hook.AuthenticateHandler(klas.AuthenticatorFunc(
		func(context.Context, klas.AuthenticateRequest) (klas.AuthenticateResponse, error) {
			return klas.AuthenticateResponse{}, nil
		})))
	mux.Handle("/metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))

	mux.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/klas/authenticate", http.NoBody)) // not signed
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	printSeries(w.Body.String(), "providerauth_webhook_results_total")
	// Output:
	// providerauth_webhook_results_total{code="ERR_INTEGRITY_CHECK_FAILED",path="/klas/authenticate",sent="true"} 1
}
