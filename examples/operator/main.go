// Operator is a backend with all five packages, wired as an operator would do it.
// Each provider has a single client for the life of the process. A single function
// turns errors into answers. Health comes from Stats, the metrics for Prometheus from
// Stats, OnAttempt and OnResult. The shutdown waits for the work under way.
//
//	go -C examples/operator run .
//
// The providers and the players are simulated here: Operator serves a session
// against itself, prints the answers, and ends. With OPERATOR_ADDR=:8080 it serves
// until SIGINT or SIGTERM.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/providerauth/providerauth-go/klas"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	providers := startSimulators()
	defer providers.close()
	b, err := newBackend(providers, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err != nil {
		return err
	}
	defer b.close() // after the server: requests under way need the clients

	addr, serve := os.LookupEnv("OPERATOR_ADDR")
	if !serve {
		addr = "127.0.0.1:0"
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	srv := &http.Server{
		Handler: b.routes(), ConnContext: klas.ConnContext,
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, IdleTimeout: time.Minute,
		WriteTimeout: 40 * time.Second, // longer than the slowest handler
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }() // ends with Shutdown
	fmt.Println("listening on", ln.Addr())

	var played error
	if serve {
		select {
		case <-ctx.Done():
		case err := <-served:
			return err
		}
	} else {
		played = session(ctx, "http://"+ln.Addr().String(), providers)
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
	defer cancel()
	if err := srv.Shutdown(last); err != nil {
		return errors.Join(played, err)
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return errors.Join(played, err)
	}
	return played
}
