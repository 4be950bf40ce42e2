package klas

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"
)

// A call runs the operator's code and sees to it that the answer goes out at
// the deadline, whether that code honours its context or not.
//
// Where an answer can be complete before its handler returns, the code runs on
// the goroutine of the request, and if it is late the alarm answers in its
// place. HTTP/2 ends an answer when its handler returns, and so do many writers
// that are wrapped around net/http's; there the code runs in a goroutine of its
// own, which the handler leaves. That one then belongs to nobody: it ends when
// the operator's code returns, and what that returned is dropped. So a call owns
// all that the code touches, and one that was left is not used again.
type call struct {
	task

	x     *exchange     // if the code runs on its goroutine, else nil
	alarm *alarm        // calls expire; calling it off decides that the code was in time
	late  bool          // written by who decides, read after that
	over  chan struct{} // one is sent when it is decided, where somebody waits
	start func()        // c.run, bound once
}

// A task is what a call does for one webhook.
type task struct {
	*endpoint
	ctx *callContext
	key string // for the ReplayGuard; "" if there is none

	request  AuthenticateRequest
	response AuthenticateResponse
	r        *http.Request
	sheet    *answerSheet

	reached bool // the operator's handler, not only the ReplayGuard
	err     error
	stack   []byte // of a panic
}

var (
	errGoexit = errors.New("the handler ended its goroutine without returning")
	errNone   = errors.New("there is no handler")
	errLate   = fmt.Errorf("the handler did not return within Config.HandlerTimeout: %w", context.DeadlineExceeded)
)

func newCall(hook *Webhook) *call {
	c := &call{over: make(chan struct{}, 1)}
	c.start, c.alarm = c.run, newAlarm(hook.born, c.expire)
	return c
}

// do runs the task and reports whether it returned in time. If not, x has been
// answered if the task ran on its goroutine, and else c must not be touched
// again.
func (c *call) do() bool {
	c.alarm.set(c.ctx.deadline)
	if c.x != nil {
		c.run()
	} else {
		go c.start()
		<-c.over
	}
	return !c.late
}

// grace is how long the end of the code's context is waited for. It is over at
// the same time, but for a parent that states a deadline and does not keep it.
const grace = 100 * time.Millisecond

// expire is what the alarm calls.
func (c *call) expire() {
	defer func() {
		if v := recover(); v != nil && c.x != nil { // of the ResponseWriter; it must not end the process
			c.x.report(c.x.r, c.x.start, c.x.wire.RequestID, verdict{StatusUnknown, &fault{
				err: fmt.Errorf("%w; and the ResponseWriter panicked with a %T", errLate, v), stack: debug.Stack(),
			}})
		}
		c.over <- struct{}{}
	}()
	c.late = true
	select { // the code is to end for its deadline, not because the answer is out
	case <-c.ctx.Done():
	case <-time.After(grace):
	}
	if c.x != nil {
		c.x.answerEarly(failed(StatusUnknown, errLate))
	}
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
	x, err := c.x, c.err
	switch {
	case !c.alarm.callOff():
		if x != nil {
			<-c.over // expire is answering, with what is this goroutine's
		}
		if c.stack != nil {
			c.tellPanic()
		}
	case x == nil:
		c.over <- struct{}{} // from here on c belongs to who waits for it
	case err == errGoexit:
		x.answerEarly(failed(StatusUnknown, err)) // nobody else will: the request's goroutine ends here
		c.task, c.x = task{}, nil                 // the timer still holds on to c
	}
}

// tellPanic logs a panic after the answer.
func (t *task) tellPanic() {
	defer func() { _ = recover() }() // of the Logger
	if log := t.hook.cfg.Logger; log != nil {
		log.LogAttrs(context.Background(), slog.LevelError, "klas: panic after the answer",
			slog.String("op", t.op), slog.Any("error", t.err), slog.String("stack", string(t.stack)))
	}
}

// work asks the guard, then runs the operator's handler. Neither begins once the
// alarm is due. The look at the alarm decides: before the alarm goes off, the
// handler has begun in time, and after that it does not begin.
func (c *call) work() error {
	if c.key != "" {
		if !c.alarm.ahead() {
			return errLate
		}
		if err := c.hook.replayed(c.ctx, c.key); err != nil {
			return err
		}
	}
	if !c.alarm.ahead() {
		return errLate
	}
	c.reached = true
	switch {
	case c.auth != nil:
		var err error
		c.response, err = c.auth.Authenticate(c.ctx, c.request)
		return err
	case c.next != nil:
		c.next.ServeHTTP(c.sheet, c.r)
		return nil
	}
	return errNone
}
