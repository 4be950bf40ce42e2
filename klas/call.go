package klas

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync/atomic"
	"time"
)

// A call runs the operator's code in a goroutine of its own, because code that
// ignores its context can be left only by leaving its goroutine. That one then
// belongs to nobody: it ends when the operator's code returns, and what that
// returned is dropped. So a call owns all it touches, and one that was left is
// not used again. Others are: their channel and timer cost as much as the
// goroutine.
type call struct {
	task

	state atomic.Int32
	done  chan bool   // true: returned, false: the time is up; has room for both
	timer *time.Timer // sends false; nil before the first use
	start func()      // c.run, bound once
}

// A task is what a call does for one webhook.
type task struct {
	hook *Webhook
	op   string
	ctx  *callContext
	key  string // for the ReplayGuard; "" if there is none

	// One of the two is run.
	auth Authenticator
	next http.Handler

	request  AuthenticateRequest
	response AuthenticateResponse
	r        *http.Request
	sheet    *answerSheet

	reached bool // the operator's handler, not only the ReplayGuard
	err     error
	stack   []byte // of a panic
}

const (
	running int32 = iota
	returned
	left
)

var (
	errGoexit = errors.New("the handler ended its goroutine without returning")
	errNone   = errors.New("there is no handler")
	errLate   = fmt.Errorf("the handler did not return within Config.HandlerTimeout: %w", context.DeadlineExceeded)
)

func newCall() *call {
	c := &call{done: make(chan bool, 2)}
	c.start = c.run
	return c
}

// do runs the task and reports whether it returned in time. If not, c must not
// be touched again.
func (c *call) do() bool {
	c.state.Store(running)
	if c.hook.cfg.Inline {
		c.run()
		return true
	}
	remaining := time.Until(c.ctx.deadline)
	if c.timer == nil {
		c.timer = time.AfterFunc(remaining, func() { c.done <- false })
	} else {
		c.timer.Reset(remaining)
	}
	go c.start()
	if <-c.done {
		return true
	}
	// It is to end for the deadline, not because the answer is out.
	<-c.ctx.Done()
	return c.state.Swap(left) == returned
}

// reuse prepares c for another webhook and reports whether it can be used for
// one: not if its timer has fired, for what that sends may still be under way.
func (c *call) reuse() bool {
	c.task = task{}
	return c.timer == nil || c.timer.Stop()
}

func (c *call) run() {
	c.err = errGoexit
	defer c.finish()
	c.err = c.work()
}

// finish is the deferred end of run.
func (c *call) finish() {
	if v := recover(); v != nil {
		c.err, c.stack = fmt.Errorf("the handler panicked with a %T", v), debug.Stack()
	}
	if c.hook.cfg.Inline {
		return
	}
	log, op, err, stack := c.hook.cfg.Logger, c.op, c.err, c.stack
	// From here on c belongs to who waits for it, unless nobody does.
	if c.state.Swap(returned) == left && stack != nil && log != nil {
		log.LogAttrs(context.Background(), slog.LevelError, "klas: panic after the answer",
			slog.String("op", op), slog.Any("error", err), slog.String("stack", string(stack)))
	}
	c.done <- true
}

func (t *task) work() error {
	if t.key != "" {
		if err := t.hook.replayed(t.ctx, t.key); err != nil {
			return err
		}
	}
	t.reached = true
	switch {
	case t.auth != nil:
		var err error
		t.response, err = t.auth.Authenticate(t.ctx, t.request)
		return err
	case t.next != nil:
		t.next.ServeHTTP(t.sheet, t.r)
		return nil
	}
	return errNone
}
