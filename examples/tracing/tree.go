package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

// printTree prints spans under their parents, by their start.
func printTree(w io.Writer, spans tracetest.SpanStubs) {
	children := map[trace.SpanID]tracetest.SpanStubs{}
	for _, s := range spans {
		children[s.Parent.SpanID()] = append(children[s.Parent.SpanID()], s)
	}
	printUnder(w, children, trace.SpanID{}, 0)
}

func printUnder(w io.Writer, children map[trace.SpanID]tracetest.SpanStubs, parent trace.SpanID, depth int) {
	spans := children[parent]
	slices.SortStableFunc(spans, func(a, b tracetest.SpanStub) int { return cmp.Compare(a.StartTime.UnixNano(), b.StartTime.UnixNano()) })
	for _, s := range spans {
		fmt.Fprintln(w, strings.TrimRight(strings.Repeat("  ", depth)+s.Name+" "+describe(s.Attributes), " "))
		printUnder(w, children, s.SpanContext.SpanID(), depth+1)
	}
}

func describe(attrs []attribute.KeyValue) string {
	texts := make([]string, len(attrs))
	for i, a := range attrs {
		texts[i] = string(a.Key) + "=" + a.Value.String()
	}
	return strings.Join(texts, " ")
}
