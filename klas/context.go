package klas

import (
	"context"
	"sync"
	"time"
)

// A callContext is the context of one webhook. It is what context.WithDeadline
// makes, made when somebody first asks for more than a value: a player book in
// memory never does, and it costs more than checking a signature.
type callContext struct {
	parent   context.Context
	deadline time.Time
	header   [2]string // values of the answer's header, which live as long

	mu     sync.Mutex
	real   context.Context // nil until asked for
	cancel context.CancelFunc
	over   bool
}

func (c *callContext) ask() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.real == nil {
		c.real, c.cancel = context.WithDeadline(c.parent, c.deadline)
		if c.over {
			c.cancel()
		}
	}
	return c.real
}

// end cancels the context, whoever may still hold it.
func (c *callContext) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	if c.cancel != nil {
		c.cancel()
	}
}

func (c *callContext) Deadline() (time.Time, bool) { return c.ask().Deadline() }
func (c *callContext) Done() <-chan struct{}       { return c.ask().Done() }
func (c *callContext) Err() error                  { return c.ask().Err() }

// Value finds the real context where there is one: contexts derived from this
// one look for it there, and would each need a goroutine otherwise.
func (c *callContext) Value(key any) any {
	c.mu.Lock()
	from := c.real
	c.mu.Unlock()
	if from == nil {
		from = c.parent
	}
	return from.Value(key)
}
