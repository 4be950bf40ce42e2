package transport_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/apierror"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/internal/transport"
)

// observed is the attempts shown to an OnAttempt.
type observed struct{ all []providerauth.Attempt }

func (o *observed) add(_ context.Context, a providerauth.Attempt) { o.all = append(o.all, a) }

func (o *observed) outcomes() string {
	var all []string
	for _, a := range o.all {
		all = append(all, string(a.Outcome))
	}
	return strings.Join(all, " ")
}

func TestConfig_OnAttempt(t *testing.T) {
	t.Run("it is called for each attempt", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var seen observed
			statuses := []int{503, 200}
			c := client(t, testkit.RoundTrip(func(*http.Request) (*http.Response, error) {
				time.Sleep(time.Second)
				status := statuses[0]
				statuses = statuses[1:]
				return answer(status, "{}"), nil
			}), func(cfg *transport.Config) { cfg.OnAttempt = seen.add })
			if _, err := c.Do(t.Context(), transport.Call{Op: "Order", Method: "GET", Path: "/orders/7f3a?token=hunter2"}); err != nil {
				t.Fatal(err)
			}
			first := providerauth.Attempt{
				Provider: "acme", Op: "Order", Method: "GET", Path: "/orders/{id}", StatusCode: 503,
				Attempt: 1, Duration: time.Second, Outcome: providerauth.OutcomeFailed,
			}
			second := first
			second.StatusCode, second.Attempt, second.Outcome = 200, 2, providerauth.OutcomeOK
			testkit.Equal(t, "attempts", seen.all, []providerauth.Attempt{first, second})
		})
	})

	t.Run("it gets the values of the caller's context, before the call returns", func(t *testing.T) {
		type key struct{}
		var got any
		c := client(t, testkit.Responding(200, nil, "{}"), func(cfg *transport.Config) {
			cfg.OnAttempt = func(ctx context.Context, _ providerauth.Attempt) { got = ctx.Value(key{}) }
		})
		if _, err := c.Do(context.WithValue(t.Context(), key{}, "trace"), post(transport.Once)); err != nil {
			t.Fatal(err)
		}
		testkit.Equal(t, "value", got, any("trace"))
	})

	t.Run("it is not called for a request that is not made", func(t *testing.T) {
		var seen observed
		c := client(t, &http.Transport{}, func(cfg *transport.Config) { cfg.OnAttempt = seen.add })
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		_, _ = c.Do(ended, post(transport.Once))
		unsigned, unsendable := post(transport.Once), post(transport.Once)
		unsigned.Signer = signer(func(context.Context, *http.Request, []byte) error { return errors.New("no key") })
		unsendable.Signer = signer(func(_ context.Context, r *http.Request, _ []byte) error {
			r.Header.Set("Authorization", "two\nlines")
			return nil
		})
		for _, call := range []transport.Call{unsigned, unsendable, {Method: "GET", Path: "//elsewhere"}} {
			if _, err := c.Do(t.Context(), call); err == nil {
				t.Errorf("%+v: no error", call)
			}
		}
		testkit.Equal(t, "attempts", len(seen.all), 0)
	})

	t.Run("a panic is logged once in ten seconds, without its value", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var log bytes.Buffer
			c := client(t, testkit.Responding(200, nil, "{}"), func(cfg *transport.Config) {
				cfg.OnAttempt = func(context.Context, providerauth.Attempt) { panic("hunter2") }
				cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
			})
			for _, wait := range []time.Duration{0, 9 * time.Second, time.Second} {
				time.Sleep(wait)
				if _, err := c.Do(t.Context(), post(transport.Once)); err != nil {
					t.Fatal(err)
				}
			}
			testkit.Equal(t, "records", strings.Count(log.String(), "level=ERROR msg=\"OnAttempt panicked\" provider=acme type=string\n"), 2)
			testkit.Equal(t, "lines", strings.Count(log.String(), "\n"), 2)
		})
	})

	t.Run("a panic of the logger beside it is swallowed", func(t *testing.T) {
		c := client(t, testkit.Responding(200, nil, "{}"), func(cfg *transport.Config) {
			cfg.OnAttempt = func(context.Context, providerauth.Attempt) { panic(1) }
			cfg.Logger = slog.New(slog.NewTextHandler(panicking{}, nil))
		})
		if _, err := c.Do(t.Context(), post(transport.Once)); err != nil {
			t.Error(err)
		}
	})

	t.Run("it costs at most two allocations a call", func(t *testing.T) {
		allocations := func(f func(context.Context, providerauth.Attempt)) float64 {
			c := client(t, canned{}, func(cfg *transport.Config) { cfg.OnAttempt = f })
			return testing.AllocsPerRun(100, func() { _, _ = c.Do(context.Background(), post(transport.Once)) })
		}
		without := allocations(nil)
		with := allocations(func(context.Context, providerauth.Attempt) {})
		if with > without+2 { // of the path's template
			t.Errorf("got %v allocations, without OnAttempt %v", with, without)
		}
	})
}

type panicking struct{}

func (panicking) Write([]byte) (int, error) { panic("no disk") }

func TestConfig_OnAttempt_outcome(t *testing.T) {
	broken := func(*http.Request) (*http.Response, error) {
		resp := answer(200, "")
		resp.ContentLength, resp.Body = 10, io.NopCloser(io.MultiReader(strings.NewReader("half"), failing{}))
		return resp, nil
	}
	until := func(d time.Duration) testkit.RoundTrip {
		return func(r *http.Request) (*http.Response, error) {
			select {
			case <-time.After(d):
				return answer(200, "{}"), nil
			case <-r.Context().Done():
				return nil, r.Context().Err()
			}
		}
	}
	classes := reader(func(_ int, body []byte) apierror.Class {
		if i := slices.Index([]string{"", "rejected", "refused", "may have"}, string(body)); i > 0 {
			return apierror.Class(i)
		}
		return apierror.Unread
	})
	for name, tt := range map[string]struct {
		rt      testkit.RoundTrip
		patient time.Duration // of the caller; 0: a minute
		want    providerauth.Outcome
	}{
		"a success":                              {rt: testkit.Responding(201, nil, "{}"), want: providerauth.OutcomeOK},
		"a 401":                                  {rt: testkit.Responding(401, nil, ""), want: providerauth.OutcomeRejected},
		"a rejection under another status":       {rt: testkit.Responding(200, nil, "rejected"), want: providerauth.OutcomeRejected},
		"a rejection under 500":                  {rt: testkit.Responding(500, nil, "rejected"), want: providerauth.OutcomeRejected},
		"a 404":                                  {rt: testkit.Responding(404, nil, ""), want: providerauth.OutcomeRefused},
		"a failure envelope under 200":           {rt: testkit.Responding(200, nil, "refused"), want: providerauth.OutcomeRefused},
		"an unclear envelope under 200":          {rt: testkit.Responding(200, nil, "may have"), want: providerauth.OutcomeRefused},
		"a 429":                                  {rt: testkit.Responding(429, nil, ""), want: providerauth.OutcomeRateLimited},
		"a 408":                                  {rt: testkit.Responding(408, nil, ""), want: providerauth.OutcomeFailed},
		"a 502":                                  {rt: testkit.Responding(502, nil, ""), want: providerauth.OutcomeFailed},
		"a redirect":                             {rt: testkit.Responding(302, nil, ""), want: providerauth.OutcomeBadResponse},
		"a body that is too large":               {rt: testkit.Responding(200, nil, strings.Repeat("x", 2<<20)), want: providerauth.OutcomeBadResponse},
		"a change of protocol":                   {rt: testkit.Responding(101, nil, ""), want: providerauth.OutcomeBadResponse},
		"a lost answer":                          {rt: func(*http.Request) (*http.Response, error) { return lost() }, want: providerauth.OutcomeLost},
		"half an answer":                         {rt: broken, want: providerauth.OutcomeLost},
		"a panic of the RoundTripper":            {rt: func(*http.Request) (*http.Response, error) { panic("no") }, want: providerauth.OutcomeLost},
		"no connection":                          {rt: func(*http.Request) (*http.Response, error) { return nil, refusedDial }, want: providerauth.OutcomeNotSent},
		"the end of AttemptTimeout":              {rt: until(time.Hour), want: providerauth.OutcomeTimeout},
		"the end of the caller's context":        {rt: until(time.Hour), patient: time.Second, want: providerauth.OutcomeCanceled},
		"a success just before the caller's end": {rt: until(time.Second), patient: 2 * time.Second, want: providerauth.OutcomeOK},
	} {
		t.Run(fmt.Sprintf("%s is %s", name, tt.want), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var seen observed
				c := client(t, tt.rt, func(cfg *transport.Config) {
					cfg.OnAttempt, cfg.MaxAttempts, cfg.Reader = seen.add, 1, classes
				})
				if tt.patient == 0 {
					tt.patient = time.Minute
				}
				ctx, cancel := context.WithTimeout(t.Context(), tt.patient)
				defer cancel()
				_, _ = c.Do(ctx, post(transport.Safe))
				testkit.Equal(t, "outcomes", seen.outcomes(), string(tt.want))
			})
		})
	}
}

// failing is a body that breaks off.
type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
