// Klas is an operator's server for Klas Gaming's webhooks, with the players in
// memory.
//
//	KLAS_SECRET=... KLAS_ADDR=:8080 go run ./examples/klas
//
// It ends on SIGINT or SIGTERM, after the webhooks under way. Without KLAS_SECRET
// it plays Klas itself: it tests its own endpoint with the suite of klastest,
// prints the result, and ends.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/klas"
	"github.com/providerauth/providerauth-go/klas/klastest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// players is the operator's book.
type players struct {
	mu    sync.Mutex
	cents map[string]int64
}

// Authenticate lets known players play.
func (p *players) Authenticate(_ context.Context, req klas.AuthenticateRequest) (klas.AuthenticateResponse, error) {
	p.mu.Lock()
	cents, ok := p.cents[req.PlayerID]
	p.mu.Unlock()
	if !ok {
		return klas.AuthenticateResponse{}, &klas.Refusal{Err: errors.New("no such player")}
	}
	balance, err := providerauth.AmountFromMinor(cents, 2)
	return klas.AuthenticateResponse{Currency: "EUR", Balance: balance}, err
}

func run(ctx context.Context) error {
	secret, play := os.Getenv("KLAS_SECRET"), false
	if secret == "" {
		fmt.Println("KLAS_SECRET is not set: playing Klas against this server")
		secret, play = "test-secret", true
	}
	level := slog.LevelInfo
	if play { // forged webhooks would fill the log
		level = slog.LevelError + 1
	}
	hook, err := klas.New(klas.Config{
		Secrets: providerauth.StaticSecrets(secret),
		Logger:  slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level})),
	})
	if err != nil {
		return err
	}
	book := &players{cents: map[string]int64{"12001": 30_00}}
	mux := http.NewServeMux()
	mux.Handle("/authenticate", hook.AuthenticateHandler(book)) // for every method
	srv := &http.Server{
		Handler: mux, ConnContext: klas.ConnContext,
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, IdleTimeout: time.Minute,
		WriteTimeout: 15 * time.Second, // longer than Config.HandlerTimeout, 5 s
	}

	addr := cmp.Or(os.Getenv("KLAS_ADDR"), "127.0.0.1:0")
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	fmt.Println("listening on", ln.Addr())
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }() // ends with Shutdown

	var found error
	if play {
		found = klastest.TestURL(ctx, "http://"+ln.Addr().String()+"/authenticate", klastest.Options{Secret: secret})
		if found == nil {
			fmt.Println("good, forged, malformed and concurrent webhooks are answered as Klas expects")
		}
	} else {
		select {
		case <-ctx.Done():
		case err := <-served:
			return err
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := srv.Shutdown(last); err != nil {
		return errors.Join(found, err)
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return errors.Join(found, err)
	}
	return found
}
