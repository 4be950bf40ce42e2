// Tracing records each HTTP request to a provider as an OpenTelemetry span, from
// Config.OnAttempt, and prints the spans as a tree.
//
//	go -C examples/tracing run .
//
// It runs against the simulator, and prints the spans instead of exporting them. The
// first login and the first call fail, so that the tree shows repeated requests.
package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/providerauth/providerauth-go/merchantauth"
	"github.com/providerauth/providerauth-go/merchantauth/merchantauthtest"
)

func main() {
	if err := run(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(w io.Writer) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	srv := merchantauthtest.NewServer(merchantauthtest.Options{})
	defer srv.Close()
	srv.FailNext(1, http.StatusServiceUnavailable, nil)
	srv.FailNext(1, http.StatusBadGateway, nil, func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/find") })
	spans, err := traced(ctx, srv.Config())
	if err != nil {
		return err
	}
	printTree(w, spans)
	return nil
}

// traced makes two calls for a user's request, and returns the spans. The first call
// needs a token.
func traced(ctx context.Context, cfg merchantauth.Config) (tracetest.SpanStubs, error) {
	exporter := tracetest.NewInMemoryExporter() // in production otlptracehttp, with WithBatcher
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
	tracer := provider.Tracer("backend")
	cfg.OnAttempt = attemptSpans(tracer)
	client, err := merchantauth.New(cfg)
	if err != nil {
		return nil, err
	}
	defer client.Close()

	ctx, span := tracer.Start(ctx, "GET /customers") // in production otelhttp.NewHandler
	for range 2 {
		if _, err := client.FindCustomers(ctx, merchantauth.CustomerQuery{ExternalID: "player-1"}); err != nil {
			return nil, err
		}
	}
	span.End()
	spans := exporter.GetSpans()
	return spans, provider.Shutdown(ctx)
}
