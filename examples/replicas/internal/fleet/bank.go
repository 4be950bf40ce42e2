package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"sync/atomic"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/examples/replicas/internal/stage"
	"github.com/providerauth/providerauth-go/merchantauth"
	"github.com/providerauth/providerauth-go/merchantauth/merchantauthtest"
)

// bankVerdict is what the bank says at the end.
type bankVerdict struct {
	Calls     int64
	Rejected  int64 // of Calls: status 401
	Logins    int
	Refreshes int
	Replays   int // refresh tokens sent after their replacement was used
	Shared    int // refresh tokens sent by more than one process
}

// grants are the refresh tokens that processes have sent.
type grants struct {
	mu     sync.Mutex
	worker map[string]string // that sent a token first
	shared map[string]bool
}

func (g *grants) sent(token, worker string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.worker[token] == "" {
		g.worker[token] = worker
	}
	if g.worker[token] != worker {
		g.shared[token] = true
	}
}

// bank is the simulator of merchantauth in a process of its own.
func bank(s setting) error {
	server := merchantauthtest.NewServer(merchantauthtest.Options{TokenLifetime: s.Life})
	defer server.Close()
	var calls, rejected atomic.Int64
	g := grants{worker: map[string]string{}, shared: map[string]bool{}}
	server.Intercept(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/v2/auth/login":
			case "/v2/auth/refresh":
				var in struct{ RefreshToken string }
				body, err := io.ReadAll(r.Body)
				if err == nil && json.Unmarshal(body, &in) == nil {
					g.sent(in.RefreshToken, r.Header.Get(stage.WorkerHeader))
				}
				r.Body = io.NopCloser(bytes.NewReader(body))
			default:
				calls.Add(1)
				w = &stage.Rejections{ResponseWriter: w, N: &rejected}
			}
			next.ServeHTTP(w, r)
		})
	})
	control := http.NewServeMux()
	control.HandleFunc("/verdict", func(w http.ResponseWriter, _ *http.Request) {
		g.mu.Lock()
		defer g.mu.Unlock()
		_ = json.NewEncoder(w).Encode(bankVerdict{
			calls.Load(), rejected.Load(), server.Logins(), server.Refreshes(), server.Replays(), len(g.shared),
		})
	})
	return stage.Serve(server.URL(), control)
}

func merchantWorker(s setting) error {
	store, closing, err := openStore(s)
	if err != nil {
		return err
	}
	defer closing()
	cfg := merchantauth.Config{
		BaseURL: s.Provider, MerchantID: "merchant-1", Email: "owner@merchant.example", Password: providerauth.StaticSecret("password-1"),
		HTTPClient: &http.Client{Transport: newSender(s)}, AttemptTimeout: s.Attempt,
	}
	if store != nil {
		cfg.Store, cfg.StoreKeys, cfg.StoreTimeout = store, storeKeys, s.StoreTimeout
	}
	client, err := merchantauth.New(cfg)
	if err != nil {
		return err
	}
	defer client.Close()
	crowd := stage.Crowd{
		Callers: s.Callers, Players: 1, Pause: s.Pause,
		Call: func(ctx context.Context, _ string) string {
			_, err := client.FindCustomers(ctx, merchantauth.CustomerQuery{Email: "nobody@example.com"})
			return stage.Kind(err)
		},
		Stats: client.Stats,
	}
	return crowd.Run()
}
