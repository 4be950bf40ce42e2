package main

import (
	"context"
	"strings"
	"testing"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/propagation"

	"github.com/providerauth/providerauth-go/merchantauth/merchantauthtest"
)

func TestRun(t *testing.T) {
	t.Run("each request is a span of the caller's trace", func(t *testing.T) {
		var out strings.Builder
		if err := run(&out); err != nil {
			t.Fatal(err)
		}
		var names []string
		for line := range strings.Lines(out.String()) {
			indent := line[:len(line)-len(strings.TrimLeft(line, " "))]
			fields := strings.Fields(line)
			outcome := ""
			for _, f := range fields {
				if v, ok := strings.CutPrefix(f, "providerauth.outcome="); ok {
					outcome = " " + v
				}
			}
			names = append(names, indent+fields[0]+outcome)
		}
		const want = `GET
  merchantauth.Login failed
  merchantauth.Login ok
  merchantauth.FindCustomers failed
  merchantauth.FindCustomers ok
  merchantauth.FindCustomers ok`
		if got := strings.Join(names, "\n"); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
		if strings.Contains(out.String(), "player-1") {
			t.Errorf("a span holds the id of a player:\n%s", &out)
		}
	})
}

func TestTraced(t *testing.T) {
	t.Run("no traceparent and no baggage reach the provider", func(t *testing.T) {
		otel.SetTextMapPropagator(propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}))
		defer otel.SetTextMapPropagator(propagation.NewCompositeTextMapPropagator())
		member, err := baggage.NewMember("player", "12001")
		if err != nil {
			t.Fatal(err)
		}
		bag, err := baggage.New(member)
		if err != nil {
			t.Fatal(err)
		}
		srv := merchantauthtest.NewServer(merchantauthtest.Options{})
		defer srv.Close()
		spans, err := traced(baggage.ContextWithBaggage(context.Background(), bag), srv.Config())
		if err != nil {
			t.Fatal(err)
		}
		requests := srv.Requests()
		if len(requests) != 3 || len(spans) != 4 { // a login and two calls; their spans and the caller's
			t.Fatalf("%d requests, %d spans", len(requests), len(spans))
		}
		for _, r := range requests {
			for _, name := range []string{"Traceparent", "Tracestate", "Baggage"} {
				if v := r.Header.Values(name); len(v) > 0 {
					t.Errorf("%s %s has %s: %q", r.Method, r.URL.Path, name, v)
				}
			}
			for name, values := range r.Header {
				if name != "Authorization" && strings.Contains(strings.Join(values, " "), "12001") {
					t.Errorf("%s %s has the baggage in %s", r.Method, r.URL.Path, name)
				}
			}
		}
		for _, s := range spans {
			if s.SpanContext.TraceID() != spans[0].SpanContext.TraceID() {
				t.Errorf("span %s is of another trace", s.Name)
			}
		}
	})
}
