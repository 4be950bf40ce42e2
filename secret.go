package providerauth

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/providerauth/providerauth-go/internal/text"
)

// SecretFunc returns a credential at the moment of its use. A rotated
// credential therefore takes effect without a restart. It must be safe for
// concurrent use, and should honour ctx. An empty value, white space at the
// ends and control characters are ErrSecretUnavailable. The error of a
// SecretFunc is not printed: the error of a vault may quote its request.
// errors.Is and errors.As see it, such as errors.Is(err, fs.ErrNotExist) for a
// missing file. A SecretFunc must not choose a value by the values of ctx: its
// token serves all callers.
type SecretFunc = func(ctx context.Context) (string, error)

// SecretsFunc returns all secrets that verify, the current secret first. It
// must be safe for concurrent use, and should honour ctx. Its callers do not
// change the list.
type SecretsFunc = func(ctx context.Context) ([]string, error)

// StaticSecret returns a SecretFunc for a constant value. It returns nil for a
// value no provider can accept: an empty value, white space at the ends, or
// control characters. New then reports the field as missing.
//
//go:noinline
func StaticSecret(value string) SecretFunc {
	if text.Defect(value) != "" {
		return nil
	}
	return func(context.Context) (string, error) { return value, nil }
}

// StaticSecrets returns a SecretsFunc for a constant list: the current secret
// and the previous secrets that still verify. It returns nil if [StaticSecret]
// would return nil for any of them.
//
//go:noinline
func StaticSecrets(current string, previous ...string) SecretsFunc {
	list := slices.Clip(append([]string{current}, previous...))
	for _, s := range list {
		if text.Defect(s) != "" {
			return nil
		}
	}
	return func(context.Context) ([]string, error) { return list, nil }
}

// FileSecret returns a SecretFunc for a file with a single secret, such as a
// mounted Kubernetes secret. It cuts a single line break at the end. A changed
// file is read again: each call looks at its inode, time and size. If the file
// is missing, empty, half written, longer than 64 KiB or no usable secret, the
// last value stays in use; without a last value, the call fails. FileSecret
// returns nil if path is empty.
func FileSecret(path string) SecretFunc {
	if path == "" {
		return nil
	}
	f := &file[string]{path: path, parse: usable}
	return f.get
}

// FileSecrets is [FileSecret] for a file with a secret on each line, the
// current secret first.
func FileSecrets(path string) SecretsFunc {
	if path == "" {
		return nil
	}
	f := &file[[]string]{path: path, parse: usableLines}
	return f.get
}

// A file is a mounted file, and its last good content.
type file[T any] struct {
	path  string
	parse func(content string) (T, error)
	last  atomic.Pointer[reading[T]]
}

// A reading is the content of a file at one time.
type reading[T any] struct {
	info    os.FileInfo
	settled bool // a later change shows in info
	value   T
}

func (f *file[T]) get(ctx context.Context) (T, error) {
	last := f.last.Load()
	if last != nil && last.settled {
		if info, err := os.Stat(f.path); err == nil && same(info, last.info) {
			return last.value, nil
		}
	}
	r, err := f.read()
	switch {
	case err == nil:
		f.last.Store(r)
		return r.value, nil
	case last != nil:
		return last.value, nil
	}
	var none T
	return none, err
}

const maxFile = 64 << 10

// read reads the file. It fails if the file is being written meanwhile.
func (f *file[T]) read() (*reading[T], error) {
	h, err := os.Open(f.path)
	if err != nil {
		return nil, err
	}
	defer h.Close()
	before, err := h.Stat()
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(h, maxFile+1))
	if err != nil {
		return nil, err
	}
	after, err := h.Stat()
	switch {
	case err != nil:
		return nil, err
	case len(b) > maxFile:
		return nil, errors.New("the file is longer than 64 KiB")
	case !same(before, after) || after.Size() != int64(len(b)):
		return nil, errors.New("the file is being written")
	}
	value, err := f.parse(string(b))
	if err != nil {
		return nil, err
	}
	// A second change within the resolution of the file's time cannot be seen.
	age := time.Since(after.ModTime())
	return &reading[T]{after, age > 2*time.Second, value}, nil
}

func same(a, b os.FileInfo) bool {
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}

func usable(content string) (string, error) {
	value := strings.TrimSuffix(strings.TrimSuffix(content, "\n"), "\r")
	if rule := text.Defect(value); rule != "" {
		return "", errors.New("the content of the file " + rule)
	}
	return value, nil
}

func usableLines(content string) ([]string, error) {
	var list []string
	for line := range strings.Lines(content) {
		value, err := usable(line)
		if err != nil {
			return nil, err
		}
		list = append(list, value)
	}
	if list == nil {
		return nil, errors.New("the file is empty")
	}
	return slices.Clip(list), nil
}

// CachedSecret returns a SecretFunc for a vault: it calls f at most once in
// ttl, one call at a time. While f fails or has not returned, the last value is
// served, for at most ten times ttl. Without a value, callers within a second
// of a failure get the same failure. Under a context of [FreshSecret], as after
// a rejection, it calls f again within ttl, but at most once a second.
// CachedSecret returns nil if f is nil, and f if ttl is not positive.
func CachedSecret(f SecretFunc, ttl time.Duration) SecretFunc {
	if f == nil || ttl <= 0 {
		return f
	}
	c := &cachedSecret{f: f, ttl: ttl, turn: make(chan struct{}, 1)}
	return c.get
}

type cachedSecret struct {
	f    SecretFunc
	ttl  time.Duration
	turn chan struct{} // holds an element while f is being called

	mu    sync.Mutex
	value string
	got   time.Time // when f returned value; zero: never
	asked time.Time // when f returned last
	err   error     // of f's last call; nil: it succeeded
}

// A glance is a cachedSecret as a caller finds it: a value, a failure of a moment
// ago, or neither.
type glance struct {
	value string
	have  bool
	err   error
	due   bool // f has to be asked
}

func (c *cachedSecret) look(ctx context.Context) (g glance) {
	c.mu.Lock()
	defer c.mu.Unlock()
	age := time.Since(c.got)
	recent := !c.asked.IsZero() && time.Since(c.asked) < min(time.Second, c.ttl)
	switch {
	case !c.got.IsZero() && age/10 < c.ttl:
		g.value, g.have = c.value, true
		g.due = !recent && (age >= c.ttl || WantsFreshSecret(ctx))
	case recent && c.err != nil:
		g.err = c.err
	default:
		g.due = true
	}
	return g
}

func (c *cachedSecret) get(ctx context.Context) (string, error) {
	g := c.look(ctx)
	if !g.due {
		return g.value, g.err
	}
	if g.have {
		select {
		case c.turn <- struct{}{}:
		default: // another caller asks f
			return g.value, nil
		}
	} else {
		select {
		case c.turn <- struct{}{}:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
	defer func() { <-c.turn }()
	g = c.look(ctx)
	if !g.due { // f was asked meanwhile
		return g.value, g.err
	}
	return c.ask(ctx)
}

// ask asks f. It serves the last value if f fails.
func (c *cachedSecret) ask(ctx context.Context) (string, error) {
	value, err := c.f(ctx)
	if rule := text.Defect(value); err == nil && rule != "" {
		err = errors.New("the secret " + rule)
	}
	if err == nil || ctx.Err() == nil { // else the failure is this caller's alone
		c.note(value, err)
	}
	if err == nil {
		return value, nil
	}
	if g := c.look(ctx); g.have {
		return g.value, nil
	}
	return "", err
}

// note keeps the result of f.
func (c *cachedSecret) note(value string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked, c.err = time.Now(), err
	if err == nil {
		c.value, c.got = value, c.asked
	}
}

type freshSecret struct{}

// FreshSecret returns a context that asks a SecretFunc for the secret as it is
// now, instead of a value from a cache. The clients call their SecretFunc under
// such a context when the provider has rejected a token or the secret.
func FreshSecret(ctx context.Context) context.Context {
	return context.WithValue(ctx, freshSecret{}, true)
}

// WantsFreshSecret reports whether ctx comes from [FreshSecret]. It is for
// SecretFuncs with a cache of their own.
func WantsFreshSecret(ctx context.Context) bool { return ctx.Value(freshSecret{}) != nil }
