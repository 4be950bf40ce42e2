package storetest_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/providerauth/providerauth-go/integrations/storetest"
)

// broken is a Memory with some methods replaced.
type broken struct {
	storetest.Memory
	load   func(ctx context.Context, key string) ([]byte, error)
	swap   func(ctx context.Context, key string, prev, next []byte, ttl time.Duration) ([]byte, error)
	notify func(ctx context.Context, note []byte) error
	watch  func(ctx context.Context, f func(note []byte)) error
}

func (b *broken) Load(ctx context.Context, key string) ([]byte, error) {
	if b.load == nil {
		return b.Memory.Load(ctx, key)
	}
	return b.load(ctx, key)
}

func (b *broken) Swap(ctx context.Context, key string, prev, next []byte, ttl time.Duration) ([]byte, error) {
	if b.swap == nil {
		return b.Memory.Swap(ctx, key, prev, next, ttl)
	}
	return b.swap(ctx, key, prev, next, ttl)
}

func (b *broken) Notify(ctx context.Context, note []byte) error {
	if b.notify == nil {
		return b.Memory.Notify(ctx, note)
	}
	return b.notify(ctx, note)
}

func (b *broken) Watch(ctx context.Context, f func(note []byte)) error {
	if b.watch == nil {
		return b.Memory.Watch(ctx, f)
	}
	return b.watch(ctx, f)
}

// force makes next the value of a key, whatever was there.
func (b *broken) force(ctx context.Context, key string, next []byte, ttl time.Duration) ([]byte, error) {
	for {
		prev, err := b.Memory.Load(ctx, key)
		if err != nil {
			return nil, err
		}
		now, err := b.Memory.Swap(ctx, key, prev, next, ttl)
		if err != nil || bytes.Equal(now, next) {
			return now, err
		}
	}
}

const (
	absent      = "Load of a key without a value returns nil"
	fromNil     = "Swap with a nil prev makes next the value of a key without one"
	keepsValue  = "Swap with a nil prev leaves a value as it is, and returns it"
	keepsAbsent = "Swap with a prev leaves a key without a value as it is, and returns nil"
	swaps       = "Swap makes next the value if the value is prev"
	compares    = "Swap compares all bytes of prev"
	repeats     = "Swap that is repeated returns next"
	last        = "Load returns the value of the last Swap"
	anyBytes    = "a value may be any bytes"
	keys        = "keys that differ in one character have values of their own"
	slicesRule  = "a value does not change with the slices of callers"
	ttls        = "a value is there for the ttl of the last Swap that wrote it, and no longer"
	anyTTL      = "Swap takes any ttl above 0"
	oneWins     = "of many Swaps at once from one prev, one wins, and all return its next"
	noneLost    = "no step is lost of a list that many callers extend by Swap"
	contexts    = "an operation with an ended context returns its error"
	reaches     = "Notify reaches Watch of every handle"
	oneAtATime  = "Watch calls f by one goroutine at a time"
	returns     = "Watch returns when its context ends, and calls f no more"
	disconnects = "Watch returns when the connection is lost"
	endedNotes  = "with an ended context Watch returns, and Notify returns its error"
)

// defects break a store, each in one way, and name a rule that is then broken.
var defects = map[string]struct {
	rule   string
	defect func(b *broken)
}{
	"an absent value is empty, not nil": {absent, func(b *broken) {
		b.load = func(ctx context.Context, key string) ([]byte, error) {
			v, err := b.Memory.Load(ctx, key)
			return append([]byte{}, v...), err
		}
	}},
	"an absent value is an error": {absent, func(b *broken) {
		b.load = func(ctx context.Context, key string) ([]byte, error) {
			v, err := b.Memory.Load(ctx, key)
			if v == nil && err == nil {
				err = errors.New("no such key")
			}
			return v, err
		}
	}},
	"Swap writes nothing": {fromNil, func(b *broken) {
		b.swap = func(_ context.Context, _ string, _, next []byte, _ time.Duration) ([]byte, error) { return next, nil }
	}},
	"a first Swap returns what was there before": {fromNil, func(b *broken) {
		b.swap = func(ctx context.Context, key string, prev, next []byte, ttl time.Duration) ([]byte, error) {
			now, err := b.Memory.Swap(ctx, key, prev, next, ttl)
			if prev == nil && bytes.Equal(now, next) {
				return nil, err
			}
			return now, err
		}
	}},
	"nil is any prev": {keepsValue, func(b *broken) {
		b.swap = func(ctx context.Context, key string, prev, next []byte, ttl time.Duration) ([]byte, error) {
			if prev == nil {
				return b.force(ctx, key, next, ttl)
			}
			return b.Memory.Swap(ctx, key, prev, next, ttl)
		}
	}},
	"a refused Swap returns nil": {keepsValue, func(b *broken) {
		b.swap = func(ctx context.Context, key string, prev, next []byte, ttl time.Duration) ([]byte, error) {
			now, err := b.Memory.Swap(ctx, key, prev, next, ttl)
			if !bytes.Equal(now, next) {
				return nil, err
			}
			return now, err
		}
	}},
	"an absent value equals any prev": {keepsAbsent, func(b *broken) {
		b.swap = func(ctx context.Context, key string, prev, next []byte, ttl time.Duration) ([]byte, error) {
			if now, err := b.Memory.Load(ctx, key); err != nil || now == nil {
				prev = nil
			}
			return b.Memory.Swap(ctx, key, prev, next, ttl)
		}
	}},
	"only the first Swap of a key is applied": {swaps, func(b *broken) {
		b.swap = func(ctx context.Context, key string, _, next []byte, ttl time.Duration) ([]byte, error) {
			return b.Memory.Swap(ctx, key, nil, next, ttl)
		}
	}},
	"Swap compares lengths only": {compares, func(b *broken) {
		b.swap = func(ctx context.Context, key string, prev, next []byte, ttl time.Duration) ([]byte, error) {
			if now, _ := b.Memory.Load(ctx, key); now != nil && len(now) == len(prev) {
				prev = now
			}
			return b.Memory.Swap(ctx, key, prev, next, ttl)
		}
	}},
	"Swap compares without case": {compares, func(b *broken) {
		b.swap = func(ctx context.Context, key string, prev, next []byte, ttl time.Duration) ([]byte, error) {
			if now, _ := b.Memory.Load(ctx, key); now != nil && bytes.EqualFold(now, prev) {
				prev = now
			}
			return b.Memory.Swap(ctx, key, prev, next, ttl)
		}
	}},
	"Swap compares without spaces at the end": {compares, func(b *broken) {
		b.swap = func(ctx context.Context, key string, prev, next []byte, ttl time.Duration) ([]byte, error) {
			if now, _ := b.Memory.Load(ctx, key); now != nil && bytes.Equal(now, bytes.TrimRight(prev, " ")) {
				prev = now
			}
			return b.Memory.Swap(ctx, key, prev, next, ttl)
		}
	}},
	"a repeated Swap returns the value as if another had won": {repeats, func(b *broken) {
		b.swap = func(ctx context.Context, key string, prev, next []byte, ttl time.Duration) ([]byte, error) {
			now, err := b.Memory.Load(ctx, key)
			if err != nil || bytes.Equal(now, next) {
				return nil, err
			}
			return b.Memory.Swap(ctx, key, prev, next, ttl)
		}
	}},
	"Load is served from a cache": {last, func(b *broken) {
		var cache sync.Map
		b.load = func(ctx context.Context, key string) ([]byte, error) {
			if v, ok := cache.Load(key); ok {
				return bytes.Clone(v.([]byte)), nil
			}
			v, err := b.Memory.Load(ctx, key)
			if err == nil && v != nil {
				cache.Store(key, bytes.Clone(v))
			}
			return v, err
		}
	}},
	"Load is served from a replica that lags": {last, func(b *broken) {
		var mu sync.Mutex
		before := map[string][]byte{}
		b.swap = func(ctx context.Context, key string, prev, next []byte, ttl time.Duration) ([]byte, error) {
			mu.Lock()
			defer mu.Unlock()
			before[key], _ = b.Memory.Load(ctx, key)
			return b.Memory.Swap(ctx, key, prev, next, ttl)
		}
		b.load = func(_ context.Context, key string) ([]byte, error) {
			mu.Lock()
			defer mu.Unlock()
			return before[key], nil
		}
	}},
	"values are texts": {anyBytes, func(b *broken) {
		b.swap = func(ctx context.Context, key string, prev, next []byte, ttl time.Duration) ([]byte, error) {
			if len(next) < 600 {
				next = bytes.ToValidUTF8(next, []byte("?"))
			}
			return b.Memory.Swap(ctx, key, prev, next, ttl)
		}
	}},
	"values are cut": {anyBytes, func(b *broken) {
		b.swap = func(ctx context.Context, key string, prev, next []byte, ttl time.Duration) ([]byte, error) {
			return b.Memory.Swap(ctx, key, prev, next[:min(len(next), 32<<10)], ttl)
		}
	}},
	"keys have no case": {keys, func(b *broken) {
		b.load = func(ctx context.Context, key string) ([]byte, error) { return b.Memory.Load(ctx, strings.ToLower(key)) }
		b.swap = func(ctx context.Context, key string, prev, next []byte, ttl time.Duration) ([]byte, error) {
			return b.Memory.Swap(ctx, strings.ToLower(key), prev, next, ttl)
		}
	}},
	"keys are cut": {keys, func(b *broken) {
		cut := func(key string) string { return key[:24] }
		b.load = func(ctx context.Context, key string) ([]byte, error) { return b.Memory.Load(ctx, cut(key)) }
		b.swap = func(ctx context.Context, key string, prev, next []byte, ttl time.Duration) ([]byte, error) {
			return b.Memory.Swap(ctx, cut(key), prev, next, ttl)
		}
	}},
	"the store keeps the slices of callers": {slicesRule, func(b *broken) {
		var mu sync.Mutex
		values := map[string][]byte{}
		b.load = func(ctx context.Context, key string) ([]byte, error) {
			mu.Lock()
			defer mu.Unlock()
			return values[key], ctx.Err()
		}
		b.swap = func(ctx context.Context, key string, prev, next []byte, _ time.Duration) ([]byte, error) {
			mu.Lock()
			defer mu.Unlock()
			if now := values[key]; !bytes.Equal(now, prev) || (now == nil) != (prev == nil) {
				return now, ctx.Err()
			}
			values[key] = next
			return next, ctx.Err()
		}
	}},
	"values stay for ever": {ttls, func(b *broken) {
		b.swap = func(ctx context.Context, key string, prev, next []byte, _ time.Duration) ([]byte, error) {
			return b.Memory.Swap(ctx, key, prev, next, time.Hour)
		}
	}},
	"values go at once": {ttls, func(b *broken) {
		b.swap = func(ctx context.Context, key string, prev, next []byte, ttl time.Duration) ([]byte, error) {
			if ttl == time.Second {
				defer b.Wipe()
			}
			return b.Memory.Swap(ctx, key, prev, next, ttl)
		}
	}},
	"the first ttl of a key counts": {ttls, func(b *broken) {
		var first sync.Map
		b.swap = func(ctx context.Context, key string, prev, next []byte, ttl time.Duration) ([]byte, error) {
			kept, _ := first.LoadOrStore(key, ttl)
			return b.Memory.Swap(ctx, key, prev, next, kept.(time.Duration))
		}
	}},
	"a refused Swap renews the ttl": {ttls, func(b *broken) {
		b.swap = func(ctx context.Context, key string, prev, next []byte, ttl time.Duration) ([]byte, error) {
			now, err := b.Memory.Swap(ctx, key, prev, next, ttl)
			if err == nil && now != nil && !bytes.Equal(now, next) {
				return b.Memory.Swap(ctx, key, now, now, ttl)
			}
			return now, err
		}
	}},
	"Swap does not see that a ttl is over": {ttls, func(b *broken) {
		var values sync.Map
		b.swap = func(ctx context.Context, key string, prev, next []byte, ttl time.Duration) ([]byte, error) {
			if now, err := b.Memory.Load(ctx, key); now == nil && err == nil && prev != nil {
				if old, _ := values.Load(key); old == string(prev) {
					prev = nil
				}
			}
			values.Store(key, string(next))
			return b.Memory.Swap(ctx, key, prev, next, ttl)
		}
	}},
	"a ttl is in whole milliseconds, of which there must be some": {anyTTL, func(b *broken) {
		b.swap = func(ctx context.Context, key string, prev, next []byte, ttl time.Duration) ([]byte, error) {
			if ttl < time.Millisecond {
				return nil, errors.New("invalid expire time")
			}
			return b.Memory.Swap(ctx, key, prev, next, ttl)
		}
	}},
	"a ttl has 32 bits of milliseconds": {ttls, func(b *broken) {
		b.swap = func(ctx context.Context, key string, prev, next []byte, ttl time.Duration) ([]byte, error) {
			return b.Memory.Swap(ctx, key, prev, next, time.Duration(int32(ttl.Milliseconds()))*time.Millisecond)
		}
	}},
	"Swap has two steps": {oneWins, func(b *broken) {
		b.swap = func(ctx context.Context, key string, prev, next []byte, ttl time.Duration) ([]byte, error) {
			now, err := b.Memory.Load(ctx, key)
			if err != nil || !bytes.Equal(now, prev) || (now == nil) != (prev == nil) {
				return now, err
			}
			time.Sleep(time.Millisecond)
			return b.force(ctx, key, next, ttl)
		}
	}},
	"a Swap that lost returns prev": {oneWins, func(b *broken) {
		b.swap = func(ctx context.Context, key string, prev, next []byte, ttl time.Duration) ([]byte, error) {
			before, _ := b.Memory.Load(ctx, key)
			time.Sleep(time.Millisecond)
			now, err := b.Memory.Swap(ctx, key, prev, next, ttl)
			if bytes.Equal(now, next) {
				return now, err
			}
			return before, err
		}
	}},
	"Swap loses steps": {noneLost, func(b *broken) {
		b.swap = func(ctx context.Context, key string, prev, next []byte, ttl time.Duration) ([]byte, error) {
			if len(next) < 20 && prev != nil {
				return next, ctx.Err()
			}
			return b.Memory.Swap(ctx, key, prev, next, ttl)
		}
	}},
	"Swap never wins after the first": {noneLost, func(b *broken) {
		b.swap = func(ctx context.Context, key string, prev, next []byte, ttl time.Duration) ([]byte, error) {
			if now, err := b.Memory.Load(ctx, key); now != nil || err != nil {
				return now, err
			}
			return b.Memory.Swap(ctx, key, prev, next, ttl)
		}
	}},
	"operations do not look at their context": {contexts, func(b *broken) {
		b.load = func(_ context.Context, key string) ([]byte, error) { return b.Memory.Load(context.Background(), key) }
	}},
	"errors hide the error of the context": {contexts, func(b *broken) {
		b.swap = func(ctx context.Context, key string, prev, next []byte, ttl time.Duration) ([]byte, error) {
			now, err := b.Memory.Swap(ctx, key, prev, next, ttl)
			if err != nil {
				err = errors.New("database: canceling statement due to user request")
			}
			return now, err
		}
	}},
	"notes are lost": {reaches, func(b *broken) {
		b.notify = func(ctx context.Context, _ []byte) error { return ctx.Err() }
	}},
	"notes are texts": {reaches, func(b *broken) {
		b.notify = func(ctx context.Context, note []byte) error {
			return b.Memory.Notify(ctx, bytes.ToValidUTF8(note, []byte("?")))
		}
	}},
	"Watch returns at once": {reaches, func(b *broken) {
		b.watch = func(context.Context, func([]byte)) error { return nil }
	}},
	"Watch has a goroutine for each note": {oneAtATime, func(b *broken) {
		b.watch = func(ctx context.Context, f func([]byte)) error {
			var wg sync.WaitGroup
			defer wg.Wait()
			return b.Memory.Watch(ctx, func(note []byte) { wg.Go(func() { f(note) }) })
		}
	}},
	"Watch returns a minute late": {returns, func(b *broken) {
		b.watch = func(ctx context.Context, f func([]byte)) error {
			defer time.Sleep(time.Minute)
			return b.Memory.Watch(ctx, f)
		}
	}},
	"Watch goes on after it returned": {returns, func(b *broken) {
		b.watch = func(ctx context.Context, f func([]byte)) error {
			longer, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
			go func() {
				defer cancel()
				_ = b.Memory.Watch(longer, f)
			}()
			<-ctx.Done()
			return ctx.Err()
		}
	}},
	"Watch connects again by itself": {disconnects, func(b *broken) {
		b.watch = func(ctx context.Context, f func([]byte)) error {
			for ctx.Err() == nil {
				_ = b.Memory.Watch(ctx, f)
			}
			return ctx.Err()
		}
	}},
	"Notify does not look at its context": {endedNotes, func(b *broken) {
		b.notify = func(_ context.Context, note []byte) error { return b.Memory.Notify(context.Background(), note) }
	}},
}
