package main

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	providerauth "github.com/providerauth/providerauth-go"
)

// attemptSpans returns a Config.OnAttempt that records each HTTP request as a span.
// The span is a child of the span in the caller's context. A token request has the
// context of the caller who started it; callers who only wait for it get no span of
// it, and the renewals of KeepWarm are traces of their own.
//
// The span is made after the request, so no traceparent and no baggage can be in the
// request. otelhttp.NewTransport under Config.HTTPClient sends both unless it has
// otelhttp.WithPropagators with an empty propagator. Its attribute url.full also
// holds ids and the query.
func attemptSpans(tracer trace.Tracer) func(context.Context, providerauth.Attempt) {
	return func(ctx context.Context, a providerauth.Attempt) {
		end := time.Now()
		_, span := tracer.Start(ctx, a.Provider+"."+a.Op,
			trace.WithSpanKind(trace.SpanKindClient),
			trace.WithTimestamp(end.Add(-a.Duration)),
			trace.WithAttributes(
				attribute.String("http.request.method", a.Method),
				attribute.String("url.template", a.Path),
				attribute.Int("http.request.resend_count", a.Attempt-1),
				attribute.String("providerauth.outcome", string(a.Outcome)),
			))
		if a.StatusCode != 0 {
			span.SetAttributes(attribute.Int("http.response.status_code", a.StatusCode))
		}
		if a.Outcome != providerauth.OutcomeOK {
			span.SetAttributes(attribute.String("error.type", string(a.Outcome)))
			span.SetStatus(codes.Error, fmt.Sprintf("%s, HTTP status %d", a.Outcome, a.StatusCode))
		}
		span.End(trace.WithTimestamp(end))
	}
}
