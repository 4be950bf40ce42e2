package providerauthprom_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	providerauth "github.com/providerauth/providerauth-go"
	providerauthprom "github.com/providerauth/providerauth-go/integrations/prometheus"
	"github.com/providerauth/providerauth-go/klas"
	"github.com/providerauth/providerauth-go/partnerjwt"
	"github.com/providerauth/providerauth-go/partnerjwt/partnerjwttest"
)

// fixed is a Source.
type fixed providerauth.Stats

func (f fixed) Stats() providerauth.Stats { return providerauth.Stats(f) }

// all is a Source whose figures all differ.
var all = fixed{
	Waits: 1, Refreshes: 2, Failures: 3, Invalidations: 4, Contested: 5, Evictions: 6, EvictedLive: 7,
	Entries: 8, InFlight: 9, Abandoned: 10, LastFailure: time.UnixMilli(11_500), BackoffUntil: time.UnixMilli(12_250),
	Adopted: 13, StoreFailures: 14, Takeovers: 15, Conflicts: 16, Restored: 17, NoticesDropped: 18, Unsaved: 19,
}

// registry registers collectors.
func registry(t *testing.T, cs ...prometheus.Collector) *prometheus.Registry {
	t.Helper()
	reg := prometheus.NewPedanticRegistry()
	for _, c := range cs {
		if err := reg.Register(c); err != nil {
			t.Fatal(err)
		}
	}
	return reg
}

// scrape reads the metrics as Prometheus does.
func scrape(t *testing.T, reg *prometheus.Registry) string {
	t.Helper()
	srv := httptest.NewServer(promhttp.HandlerFor(reg, promhttp.HandlerOpts{ErrorHandling: promhttp.HTTPErrorOnError}))
	defer srv.Close()
	res, err := http.Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatal(res.Status, err, string(body))
	}
	return string(body)
}

// series are the lines of a scrape that are no comments.
func series(scraped string) []string {
	return slices.DeleteFunc(strings.Split(strings.TrimSpace(scraped), "\n"), func(l string) bool { return strings.HasPrefix(l, "#") })
}

func printSeries(scraped string, names ...string) {
	for _, line := range series(scraped) {
		if name, _, _ := strings.Cut(line, "{"); slices.Contains(names, name) {
			fmt.Println(line)
		}
	}
}

func collector(t *testing.T, clients map[string]providerauthprom.Source) *providerauthprom.Collector {
	t.Helper()
	c, err := providerauthprom.NewCollector(clients)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCollector(t *testing.T) {
	t.Run("exports each figure of each client", func(t *testing.T) {
		got := series(scrape(t, registry(t, collector(t, map[string]providerauthprom.Source{"bank": all, "broker": fixed{}}))))
		var want []string
		for i, name := range []string{
			"token_waits_total", "token_refreshes_total", "token_refresh_failures_total", "token_invalidations_total",
			"token_contested_total", "token_evictions_total", "token_live_evictions_total", "tokens", "token_requests_in_flight",
			"abandoned_requests", "last_failure_timestamp_seconds", "backoff_until_timestamp_seconds", "token_adopted_total",
			"store_failures_total", "store_takeovers_total", "store_conflicts_total", "store_restored_total",
			"store_notices_dropped_total", "store_unsaved_tokens",
		} {
			value := fmt.Sprint(i + 1)
			switch name {
			case "last_failure_timestamp_seconds":
				value = "11.5"
			case "backoff_until_timestamp_seconds":
				value = "12.25"
			}
			want = append(want, fmt.Sprintf(`providerauth_%s{client="bank"} %s`, name, value), fmt.Sprintf(`providerauth_%s{client="broker"} 0`, name))
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
	t.Run("a nil Source and a name that is not UTF-8 are errors", func(t *testing.T) {
		c, err := providerauthprom.NewCollector(map[string]providerauthprom.Source{"bank": nil, "\xff": all})
		if c != nil || err == nil || !strings.Contains(err.Error(), "bank") || !strings.Contains(err.Error(), "UTF-8") {
			t.Error(c, err)
		}
	})
}

func TestRegister(t *testing.T) {
	t.Run("a second registration is an error", func(t *testing.T) {
		kinds := []func() prometheus.Collector{
			func() prometheus.Collector { return collector(t, nil) },
			func() prometheus.Collector { return providerauthprom.NewAttempts() },
			func() prometheus.Collector {
				return providerauthprom.NewWebhooks(providerauthprom.WebhookOptions{})
			},
		}
		for _, f := range kinds {
			var already prometheus.AlreadyRegisteredError
			if err := registry(t, f()).Register(f()); !errors.As(err, &already) {
				t.Error(err)
			}
		}
	})
	t.Run("the linter finds nothing", func(t *testing.T) {
		a, w := providerauthprom.NewAttempts(), providerauthprom.NewWebhooks(providerauthprom.WebhookOptions{})
		a.Observe(t.Context(), providerauth.Attempt{Provider: "assetpay", Op: "Call", Outcome: providerauth.OutcomeOK})
		w.Observe(t.Context(), klas.Result{})
		problems, err := testutil.GatherAndLint(registry(t, a, w, collector(t, map[string]providerauthprom.Source{"bank": all})))
		if err != nil || len(problems) > 0 {
			t.Error(problems, err)
		}
	})
}

func TestAttempts_Observe(t *testing.T) {
	t.Run("10,000 paths and ids make a bounded number of series", func(t *testing.T) {
		srv := partnerjwttest.NewServer(partnerjwttest.Options{})
		defer srv.Close()
		cfg, attempts := srv.Config(), providerauthprom.NewAttempts()
		cfg.OnAttempt = attempts.Observe
		client, err := partnerjwt.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		const calls, callers = 10_000, 8
		var all sync.WaitGroup
		for from := range callers {
			all.Go(func() {
				for i := from; i < calls; i += callers {
					path := fmt.Sprintf("/path%c%c%c/%d?user=%d", 'a'+i%26, 'a'+i/26%26, 'a'+i/676%26, i, i)
					if err := client.Call(context.Background(), http.MethodPost, path, nil, nil); err == nil {
						t.Error("a call to a path that does not exist succeeded")
					}
				}
			})
		}
		all.Wait()
		reg := registry(t, attempts)
		const counters, buckets = 1, 12 + 3 // +Inf, sum and count
		got := series(scrape(t, reg))
		if len(got) != counters+buckets {
			t.Errorf("got %d series:\n%s", len(got), strings.Join(got, "\n"))
		}
		if want := `providerauth_attempts_total{op="Call",outcome="refused",provider="partnerjwt"} 10000`; !slices.Contains(got, want) {
			t.Errorf("there is no %s in\n%s", want, strings.Join(got, "\n"))
		}
	})
	t.Run("a label that is not UTF-8 does not panic", func(t *testing.T) {
		a := providerauthprom.NewAttempts()
		a.Observe(t.Context(), providerauth.Attempt{Provider: "\xff"})
		if n := testutil.CollectAndCount(a); n != 0 {
			t.Error(n)
		}
	})
}

func TestWebhooks_Observe(t *testing.T) {
	t.Run("10,000 paths, codes and ids make a bounded number of series", func(t *testing.T) {
		w := providerauthprom.NewWebhooks(providerauthprom.WebhookOptions{Paths: []string{"/klas/bet", "/\xff"}, Codes: []klas.StatusCode{"ERR_FUNDS"}})
		for i := range 10_000 {
			id := fmt.Sprint(i)
			w.Observe(t.Context(), klas.Result{Path: "/" + id, Code: klas.StatusCode("ERR_" + id), RequestID: id})
		}
		w.Observe(t.Context(), klas.Result{Path: "/klas/bet", Code: "ERR_FUNDS", Duration: time.Second})
		w.Observe(t.Context(), klas.Result{Path: "/klas/bet", Code: klas.StatusOK, SendErr: io.ErrClosedPipe})
		w.Observe(t.Context(), klas.Result{Path: "/\xff", Code: "\xff"})
		w.Observe(t.Context(), klas.Result{Path: "/klas/bet"})
		var got []string
		for _, line := range series(scrape(t, registry(t, w))) {
			if strings.HasPrefix(line, "providerauth_webhook_results_total") {
				got = append(got, line)
			}
		}
		want := []string{
			`providerauth_webhook_results_total{code="ERR_FUNDS",path="/klas/bet",sent="true"} 1`,
			`providerauth_webhook_results_total{code="OK",path="/klas/bet",sent="false"} 1`,
			`providerauth_webhook_results_total{code="none",path="/klas/bet",sent="true"} 1`,
			`providerauth_webhook_results_total{code="other",path="/` + "\uFFFD" + `",sent="true"} 1`,
			`providerauth_webhook_results_total{code="other",path="other",sent="true"} 10000`,
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}
