package main

import (
	"context"
	"net/http"
	"sync"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/examples/replicas/internal/stage"
	"github.com/providerauth/providerauth-go/platformtoken"
)

// A setting is what the processes of a row are told.
type setting struct {
	Worker       string        // its name
	Provider     string        // its address
	Redis        string        // its address; "": no store
	WithoutNews  bool          // hide the Notifier of the store
	Life         time.Duration // of a token
	Latency      time.Duration // of its creation
	Attempt      time.Duration // AttemptTimeout
	StoreTimeout time.Duration
	Callers      int
	Players      int
	Pause        time.Duration // of a caller
}

func platform(s setting) error {
	p := stage.Platform{Life: s.Life, Latency: s.Latency}
	return p.Run()
}

func playerWorker(s setting) error {
	store, closing, err := openStore(s)
	if err != nil {
		return err
	}
	defer closing()
	sends := newSender(s)
	cfg := platformtoken.Config{
		BaseURL: s.Provider, TenantID: stage.TenantID, Secret: providerauth.StaticSecret(stage.Secret),
		HTTPClient: &http.Client{Transport: sends}, AttemptTimeout: s.Attempt,
	}
	if store != nil {
		cfg.Store, cfg.StoreKeys, cfg.StoreTimeout = store, storeKeys, s.StoreTimeout
	}
	client, err := platformtoken.New(cfg)
	if err != nil {
		return err
	}
	defer client.Close()
	p := players{client: client, sends: sends, margin: s.Life / 8, last: map[string]platformtoken.Token{}}
	crowd := stage.Crowd{Callers: s.Callers, Players: s.Players, Pause: s.Pause, Call: p.call, Stats: client.Stats}
	return crowd.Run()
}

// players makes the calls of a worker.
type players struct {
	client *platformtoken.Client
	sends  *sender
	margin time.Duration // before the expiry of a token, at most

	mu   sync.Mutex
	last map[string]platformtoken.Token
}

// needless is the kind of a failure for want of the store while the worker has a
// token of the player that has neither expired nor been rejected.
const needless = "store unavailable though the token is good"

func (p *players) call(ctx context.Context, id string) string {
	player := platformtoken.Player{UserID: id}
	token, err := p.client.Token(ctx, player)
	if err == nil {
		p.mu.Lock()
		p.last[id] = token
		p.mu.Unlock()
		_, err = p.client.Balance(ctx, player)
	}
	kind := stage.Kind(err)
	if kind == stage.Unavailable && p.hasToken(id) {
		return needless
	}
	return kind
}

func (p *players) hasToken(id string) bool {
	p.mu.Lock()
	token, ok := p.last[id]
	p.mu.Unlock()
	return ok && time.Until(token.ExpiresAt) > p.margin && !p.sends.rejected(token.Value())
}

// A sender sends the requests of a worker with its name, and remembers the tokens
// that were rejected.
type sender struct {
	worker string
	next   http.RoundTripper
	bad    sync.Map // by the Authorization header
}

func newSender(s setting) *sender {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = s.Callers
	return &sender{worker: s.Worker, next: transport}
}

// RoundTrip implements http.RoundTripper.
func (s *sender) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set(stage.WorkerHeader, s.worker)
	resp, err := s.next.RoundTrip(r)
	if err == nil && resp.StatusCode == http.StatusUnauthorized {
		s.bad.Store(r.Header.Get("Authorization"), true)
	}
	return resp, err
}

func (s *sender) rejected(token string) bool {
	_, ok := s.bad.Load("Bearer " + token)
	return ok
}
