// Quickstart runs every provider of the SDK against a simulation of it, over real
// HTTP and without credentials. It prints a table with the cost of a crowd of
// callers: tokens obtained, calls made, requests seen by the provider, a refresh
// before expiry and a recovery after the token has become invalid. For klas, which
// has no tokens, a crowd sends genuine and forged webhooks instead. Standard error
// gets a line for each provider that starts.
//
//	go run ./examples/quickstart
//
// It ends by itself within ten seconds. The exit code is not 0 if any printed claim
// did not hold.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"golang.org/x/sync/errgroup"
)

// crowd is the number of goroutines with simultaneous calls.
const crowd = 500

// A row holds the figures of a provider.
type row struct {
	provider string
	tokens   int           // issued by the provider or shown to it
	calls    int           // made by the crowd, all successful
	requests int           // seen by the provider
	refresh  time.Duration // life left of the old token at its replacement
	recovery int           // requests for 500 calls with a revoked token
	took     time.Duration

	webhooks string // for a provider with webhooks, in place of refresh and recovery
}

// A demo is a provider's part: run fills in the row, or returns the failed claim.
type demo struct {
	provider string
	run      func(ctx context.Context, r *row) error
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 9*time.Second)
	defer cancel()
	if err := run(ctx, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "did not hold:", err)
		os.Exit(1)
	}
}

// run prints the table to out, and a line for each started provider to progress.
func run(ctx context.Context, out, progress io.Writer) error {
	demos := []demo{
		{"partnerjwt", partnerJWT},
		{"assetpay", assetPay},
		{"merchantauth", merchantAuth},
		{"platformtoken", platformToken},
		{"klas", klasWebhooks},
	}
	rows := make([]row, len(demos))
	fmt.Fprintf(out, "%d goroutines at each of %d simulated providers, no credentials needed\n", crowd, len(demos))
	var all errgroup.Group
	for i, d := range demos {
		fmt.Fprintf(progress, "%s: running ...\n", d.provider)
		all.Go(func() error {
			start := time.Now()
			rows[i].provider = d.provider
			err := d.run(ctx, &rows[i])
			rows[i].took = time.Since(start)
			if err != nil {
				return fmt.Errorf("%s: %w", d.provider, err)
			}
			return nil
		})
	}
	err := all.Wait()
	fmt.Fprintln(out)
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "provider\ttokens\tcalls\trequests\trefreshed before expiry\trecovery after revocation\ttime\t")
	for _, r := range rows {
		tokens, refresh := fmt.Sprint(r.tokens), fmt.Sprint(r.refresh.Round(time.Millisecond), " to spare")
		recovery := fmt.Sprintf("%d calls, %d requests", crowd, r.recovery)
		if r.webhooks != "" {
			tokens, refresh, recovery = "none", "it calls us", r.webhooks
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\t%s\t%v\t\n",
			r.provider, tokens, r.calls, r.requests, refresh, recovery, r.took.Round(time.Millisecond))
	}
	err = errors.Join(err, w.Flush())
	fmt.Fprintln(out, "\nrequests: seen by the provider, tokens included; to spare: life left of the replaced token; "+
		"recovery: calls at once with a revoked token")
	return err
}

// together makes one call from each goroutine of the crowd, all at once.
func (r *row) together(ctx context.Context, call func(ctx context.Context) error) error {
	g, ctx := errgroup.WithContext(ctx)
	start := make(chan struct{})
	for range crowd {
		g.Go(func() error {
			<-start
			return call(ctx)
		})
	}
	close(start)
	if err := g.Wait(); err != nil {
		return fmt.Errorf("a call of the crowd failed: %w", err)
	}
	r.calls += crowd
	return nil
}

// refreshed asks for the token until it has been replaced, and records the
// remaining life of the old token.
func (r *row) refreshed(ctx context.Context, id string, expires time.Time, token func(context.Context) (string, error)) error {
	for {
		next, err := token(ctx)
		switch {
		case err != nil:
			return err
		case next != id:
			if r.refresh = time.Until(expires); r.refresh <= 0 {
				return errors.New("the token was refreshed after it had expired")
			}
			return nil
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return errors.New("the token was not refreshed in time")
		}
	}
}

// expect returns an error if a figure is not as wanted.
func expect(what string, got, want int) error {
	if got != want {
		return fmt.Errorf("%s: %d, want %d", what, got, want)
	}
	return nil
}
