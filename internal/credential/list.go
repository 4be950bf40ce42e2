package credential

import (
	"context"
	"fmt"
	"sync"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/apierror"
	"github.com/providerauth/providerauth-go/internal/text"
	"github.com/providerauth/providerauth-go/internal/timebox"
)

// maxHanging bounds the calls of the function running on after the end of their
// context. At the bound no further call is made.
const maxHanging = 8

// A List asks a [providerauth.SecretsFunc], one call at a time: callers meanwhile
// share its result. It refuses unusable lists. Safe for concurrent use.
type List struct {
	ListConfig

	static  bool              // Func returns at once
	hanging timebox.Abandoned // calls that ignore the end of their context

	mu      sync.Mutex
	current *listCall // nil: no call is under way
}

// ListConfig of a List.
type ListConfig struct {
	Field   string // of the configuration
	Func    providerauth.SecretsFunc
	Timeout time.Duration // of a call
	Limit   string        // the field of the configuration that sets it
	// Rule returns the broken rule of a member, in addition to those of every
	// secret; "": none.
	Rule func(string) string
}

// A listCall is a call of the function.
type listCall struct {
	done chan struct{} // closed when list, err and late are set
	list []string
	err  error
	late bool // the context of the call had ended
}

// NewList returns a List.
func NewList(cfg ListConfig) *List {
	_, static := StaticValues(cfg.Func)
	return &List{ListConfig: cfg, static: static}
}

// Get returns the secrets of this moment. The error is an [*apierror.Error] and
// matches [providerauth.ErrSecretUnavailable].
func (l *List) Get(ctx context.Context) ([]string, error) {
	list, err := l.ask(ctx)
	if err == nil {
		err = l.defect(list)
	}
	if err != nil {
		return nil, &apierror.Error{Kind: providerauth.ErrSecretUnavailable, Err: err}
	}
	return list, nil
}

// ask waits for the call of the function under way, or makes a call. A call
// begun earlier may end at its own, earlier deadline; ask then makes another
// call.
func (l *List) ask(ctx context.Context) ([]string, error) {
	if l.static {
		return l.Func(ctx)
	}
	for {
		c := l.join()
		if c == nil {
			return nil, l.unusable("the function that supplies them does not return", nil)
		}
		select {
		case <-c.done:
			if c.err == nil {
				return c.list, nil
			}
			if !c.late || timebox.Over(ctx) {
				return nil, c.err
			}
		case <-ctx.Done():
			return nil, l.unusable("the function that supplies them did not return within Config."+l.Limit, context.DeadlineExceeded)
		}
	}
}

// join returns the call under way, or a new call; nil if too many hang.
func (l *List) join() *listCall {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.current == nil && l.hanging.Running() < maxHanging {
		l.current = &listCall{done: make(chan struct{})}
		go l.call(l.current)
	}
	return l.current
}

// call calls the function. The context has no values: the result is for callers of
// every origin.
func (l *List) call(c *listCall) {
	ctx, cancel := context.WithTimeout(context.Background(), l.Timeout)
	defer cancel()
	list, err := timebox.Run(ctx, &l.hanging, l.Func, nil)
	switch err.(type) {
	case nil:
	case *timebox.Panic:
		err = l.unusable(fmt.Sprintf("the function that supplies them %v", err), nil)
	default:
		if err == timebox.ErrLate || err == timebox.ErrNotBegun {
			err = context.DeadlineExceeded
		}
		err = l.unusable("the function that supplies them failed", err)
	}
	c.list, c.err, c.late = list, err, timebox.Over(ctx)
	l.mu.Lock()
	l.current = nil
	l.mu.Unlock()
	close(c.done)
}

// defect returns the reason not to use the list; nil: none.
func (l *List) defect(list []string) error {
	if len(list) == 0 {
		return l.unusable("the list is empty", nil)
	}
	for _, s := range list {
		rule := text.Defect(s)
		if rule == "" {
			rule = l.Rule(s)
		}
		if rule != "" {
			return l.unusable("a member "+rule, nil)
		}
	}
	return nil
}

// unusable is the reason for missing secrets, without the text of the
// function's own error.
func (l *List) unusable(rule string, cause error) error {
	return &apierror.Opaque{Text: l.Field + ": " + rule, Cause: cause}
}

// Running returns how many calls that nobody waits for have not ended.
func (l *List) Running() int64 { return l.hanging.Running() }
