package storetest

import (
	"context"
	"errors"
	"time"
)

var contextRules = []rule{{"an operation with an ended context returns its error", func(c *check) {
	canceled, cancel := context.WithCancel(c.ctx)
	cancel()
	late, cancel := context.WithDeadline(c.ctx, time.Now().Add(-time.Second))
	defer cancel()
	k, v := c.key(), c.value("next")
	for _, ctx := range []context.Context{canceled, late} {
		if _, err := c.stores[0].Load(ctx, k); !errors.Is(err, ctx.Err()) {
			c.failf("Load: got error %v, want %w", err, ctx.Err())
		}
		if _, err := c.stores[0].Swap(ctx, k, nil, v, time.Minute); !errors.Is(err, ctx.Err()) {
			c.failf("Swap: got error %v, want %w", err, ctx.Err())
		}
	}
}}}
