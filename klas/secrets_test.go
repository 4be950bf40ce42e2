package klas_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/klas"
)

func withSecrets(f providerauth.SecretsFunc) func(*klas.Config) {
	return func(cfg *klas.Config) { cfg.Secrets = f }
}

func TestTheAnswerIsSignedWithTheSecretThatVerifiedTheRequest(t *testing.T) {
	hook := newHook(t, withSecrets(providerauth.StaticSecrets("new", "old", "older")))
	h := hook.AuthenticateHandler(accept(t))
	for _, s := range []string{"new", "old", "older"} {
		want(t, send(t, h, request(compact, sign(s, compact)), s), ok)
		want(t, send(t, h, request("{}", sign(s, "{}")), s), badParams)
		want(t, send(t, h, request("x", sign(s, "x")), s), badBody)
		sibling := hook.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"balance":"1","status_code":"OK"}`))
		}))
		want(t, send(t, sibling, request(compact, sign(s, compact)), s), `{"balance":"1","status_code":"OK"}`)
	}
}

func TestTheAnswerToAnUnverifiedRequestIsSignedWithTheFirstSecret(t *testing.T) {
	h := newHook(t, withSecrets(providerauth.StaticSecrets("new", "old"))).AuthenticateHandler(unreachable(t))
	want(t, send(t, h, request(compact, sign("forger", compact)), "new"), integrityFailed)
	want(t, send(t, h, request(compact), "new"), integrityFailed)
}

func TestARotatedSecretTakesEffectWithTheNextWebhook(t *testing.T) {
	list := []string{"a"}
	h := newHook(t, withSecrets(func(context.Context) ([]string, error) { return slices.Clone(list), nil })).
		AuthenticateHandler(accept(t))
	for _, step := range []struct {
		list         []string
		good, forged []string
	}{
		{[]string{"a"}, []string{"a"}, []string{"b", "c"}},
		{[]string{"b", "a"}, []string{"a", "b"}, []string{"c"}},
		{[]string{"b"}, []string{"b"}, []string{"a", "c"}},
		{[]string{"c", "b"}, []string{"c", "b"}, []string{"a"}},
		{[]string{"c"}, []string{"c"}, []string{"a", "b"}},
	} {
		list = step.list
		for _, s := range step.good {
			want(t, send(t, h, request(compact, sign(s, compact)), s), ok)
		}
		for _, s := range step.forged {
			want(t, send(t, h, request(compact, sign(s, compact)), list[0]), integrityFailed)
		}
	}
}

func TestTheSecretsAreAskedForOncePerWebhook(t *testing.T) {
	var asked atomic.Int32
	h := newHook(t, withSecrets(func(context.Context) ([]string, error) {
		asked.Add(1)
		return []string{secret, "old"}, nil
	})).AuthenticateHandler(accept(t))
	for i, r := range []*http.Request{
		request(compact, sign(secret, compact)),
		request(compact, sign("old", compact)),
		request(compact, sign("forger", compact)),
		request(compact),
		request("x", sign(secret, "x")),
	} {
		h.ServeHTTP(httptest.NewRecorder(), r)
		if got := int(asked.Load()); got != i+1 {
			t.Errorf("%d calls after %d webhooks", got, i+1)
		}
	}
	get := request(compact)
	get.Method = http.MethodGet
	h.ServeHTTP(httptest.NewRecorder(), get)
	if got := asked.Load(); got != 5 {
		t.Errorf("%d calls: a GET asked for secrets", got)
	}
}

func TestWithoutSecretsTheAnswerIs500AndEmpty(t *testing.T) {
	vault := errors.New("vault: token hvs.sentinel expired")
	for name, f := range map[string]providerauth.SecretsFunc{
		"error":                   func(context.Context) ([]string, error) { return []string{secret}, vault },
		"nil":                     func(context.Context) ([]string, error) { return nil, nil },
		"empty list":              func(context.Context) ([]string, error) { return []string{}, nil },
		"empty first":             func(context.Context) ([]string, error) { return []string{"", secret}, nil },
		"empty second":            func(context.Context) ([]string, error) { return []string{secret, ""}, nil },
		"line feed at the end":    func(context.Context) ([]string, error) { return []string{secret + "\n"}, nil },
		"white space before":      func(context.Context) ([]string, error) { return []string{secret, " old"}, nil },
		"control character":       func(context.Context) ([]string, error) { return []string{"a\x00b"}, nil },
		"panic":                   func(context.Context) ([]string, error) { panic(vault) },
		"error after a good list": goodThenFailing(vault),
	} {
		t.Run(name, func(t *testing.T) {
			results := newResults()
			h := newHook(t, withSecrets(f), results.config).AuthenticateHandler(unreachable(t))
			if strings.HasSuffix(name, "good list") {
				h = newHook(t, withSecrets(f), results.config).AuthenticateHandler(accept(t))
				want(t, post(t, h, compact), ok)
				<-results
			}
			for _, signature := range []string{sign(secret, compact), sign("", compact), ""} {
				w := httptest.NewRecorder()
				h.ServeHTTP(w, request(compact, signature))
				if w.Code != http.StatusInternalServerError || w.Body.Len() != 0 || w.Header()["X-Signature"] != nil {
					t.Errorf("%d %v %q", w.Code, w.Header(), w.Body)
				}
				r := <-results
				if r.Code != "" || !errors.Is(r.Err, providerauth.ErrSecretUnavailable) {
					t.Errorf("result %+v", r)
				}
				if strings.Contains(r.Err.Error(), "sentinel") {
					t.Errorf("the vault's words are in the text: %v", r.Err)
				}
				if strings.HasPrefix(name, "error") && !errors.Is(r.Err, vault) {
					t.Errorf("the vault's error cannot be found in %v", r.Err)
				}
			}
		})
	}
}

func goodThenFailing(err error) providerauth.SecretsFunc {
	var asked atomic.Int32
	return func(context.Context) ([]string, error) {
		if asked.Add(1) == 1 {
			return []string{secret}, nil
		}
		return nil, err
	}
}

func TestStaticSecretsKeepsItsOwnCopy(t *testing.T) {
	previous := []string{"old"}
	f := providerauth.StaticSecrets("new", previous...)
	previous[0] = "changed"
	got, err := f(t.Context())
	if err != nil || !slices.Equal(got, []string{"new", "old"}) {
		t.Errorf("%v, %v", got, err)
	}
}

func TestStaticSecretsWithABlankMemberCountAsMissing(t *testing.T) {
	for _, f := range []providerauth.SecretsFunc{
		providerauth.StaticSecrets(""), providerauth.StaticSecrets(" \n"), providerauth.StaticSecrets("new", ""), providerauth.StaticSecrets("new", "old", "\t"),
	} {
		if f != nil {
			t.Error("not nil")
		}
	}
	_, err := klas.New(klas.Config{Secrets: providerauth.StaticSecrets("new", "")})
	if e := (*klas.Error)(nil); !errors.As(err, &e) || e.Fields["Secrets"] == "" {
		t.Errorf("New: %v", err)
	}
}

func TestTheSecretsFuncGetsTheDeadline(t *testing.T) {
	var has bool
	h := newHook(t, withSecrets(func(ctx context.Context) ([]string, error) {
		_, has = ctx.Deadline()
		return []string{secret}, nil
	})).AuthenticateHandler(accept(t))
	want(t, post(t, h, compact), ok)
	if !has {
		t.Error("the context has no deadline")
	}
}

func TestSecrets_slow(t *testing.T) {
	t.Run("a webhook is answered at HandlerTimeout, also a forged one", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			results := newResults()
			release := make(chan struct{})
			hook := newHook(t, results.config, timeout(time.Second), withSecrets(func(context.Context) ([]string, error) {
				<-release
				return []string{secret}, nil
			}))
			for _, signature := range []string{sign(secret, compact), sign("forger", compact)} {
				w := httptest.NewRecorder()
				start := time.Now()
				hook.AuthenticateHandler(unreachable(t)).ServeHTTP(w, request(compact, signature))
				if took := time.Since(start); took != time.Second || w.Code != http.StatusInternalServerError {
					t.Errorf("%d after %v", w.Code, took)
				}
				r := <-results
				if !errors.Is(r.Err, providerauth.ErrSecretUnavailable) || !errors.Is(r.Err, context.DeadlineExceeded) {
					t.Errorf("result %+v", r)
				}
			}
			close(release)
		})
	})
	t.Run("one call is made at a time, however many webhooks come", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			var calls atomic.Int32
			hook := newHook(t, withSecrets(func(context.Context) ([]string, error) {
				calls.Add(1)
				time.Sleep(time.Second)
				return []string{secret}, nil
			}))
			before := runtime.NumGoroutine()
			var all sync.WaitGroup
			for range 100 {
				all.Go(func() { want(t, post(t, hook.AuthenticateHandler(accept(t)), compact), ok) })
			}
			all.Wait()
			if got := calls.Load(); got != 1 {
				t.Errorf("%d calls", got)
			}
			synctest.Wait()
			left := func() int { return runtime.NumGoroutine() - before }
			for range 1000 { // a goroutine outside the bubble may be about to end
				if left() > 0 {
					runtime.Gosched()
				}
			}
			if left() > 0 {
				t.Errorf("%d goroutines are left", left())
			}
		})
	})
	t.Run("a call that hangs fails the webhooks of its time only", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			release := make(chan struct{})
			var calls atomic.Int32
			hook := newHook(t, timeout(time.Second), withSecrets(func(context.Context) ([]string, error) {
				if calls.Add(1) == 1 {
					<-release
				}
				return []string{secret}, nil
			}))
			w := httptest.NewRecorder()
			hook.AuthenticateHandler(accept(t)).ServeHTTP(w, request(compact, sign(secret, compact)))
			synctest.Wait()
			if w.Code != http.StatusInternalServerError || hook.Abandoned() != 1 {
				t.Errorf("%d, %d calls are abandoned", w.Code, hook.Abandoned())
			}
			want(t, post(t, hook.AuthenticateHandler(accept(t)), compact), ok)
			close(release)
		})
	})
	t.Run("of calls that hang there are eight", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			release := make(chan struct{})
			var calls atomic.Int32
			hook := newHook(t, timeout(time.Second), withSecrets(func(context.Context) ([]string, error) {
				calls.Add(1)
				<-release
				return []string{secret}, nil
			}))
			for range 100 {
				w := httptest.NewRecorder()
				hook.AuthenticateHandler(accept(t)).ServeHTTP(w, request(compact, sign(secret, compact)))
				if w.Code != http.StatusInternalServerError {
					t.Fatalf("status %d", w.Code)
				}
			}
			synctest.Wait()
			if calls.Load() != 8 || hook.Abandoned() != 8 {
				t.Errorf("%d calls, %d abandoned", calls.Load(), hook.Abandoned())
			}
			close(release)
			synctest.Wait()
			want(t, post(t, hook.AuthenticateHandler(accept(t)), compact), ok)
		})
	})
	t.Run("the function sees no value of a request", func(t *testing.T) {
		hook := newHook(t, withSecrets(func(ctx context.Context) ([]string, error) {
			if ctx.Value(ctxKey{}) != nil {
				t.Error("it does")
			}
			return []string{secret}, nil
		}))
		ctx := context.WithValue(t.Context(), ctxKey{}, "tenant")
		want(t, send(t, hook.AuthenticateHandler(accept(t)), request(compact, sign(secret, compact)).WithContext(ctx), secret), ok)
	})
	t.Run("a webhook does not fail for the deadline of an earlier one", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			var calls atomic.Int32
			hook := newHook(t, timeout(3*time.Second), withSecrets(func(ctx context.Context) ([]string, error) {
				if calls.Add(1) == 1 { // hangs, and honours its context
					<-ctx.Done()
					return nil, ctx.Err()
				}
				return []string{secret}, nil
			}))
			go hook.AuthenticateHandler(accept(t)).ServeHTTP(httptest.NewRecorder(), request(compact, sign(secret, compact)))
			time.Sleep(2 * time.Second)
			want(t, post(t, hook.AuthenticateHandler(accept(t)), compact), ok)
		})
	})
	t.Run("a function that ends its goroutine has failed", func(t *testing.T) {
		hook := newHook(t, withSecrets(func(context.Context) ([]string, error) { runtime.Goexit(); return nil, nil }))
		w := httptest.NewRecorder()
		hook.AuthenticateHandler(accept(t)).ServeHTTP(w, request(compact, sign(secret, compact)))
		if w.Code != http.StatusInternalServerError {
			t.Errorf("status %d", w.Code)
		}
	})
}
