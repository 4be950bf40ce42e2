package providerauth_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/testkit"
)

func secret(t *testing.T, f providerauth.SecretFunc) string {
	t.Helper()
	s, err := f(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStaticSecret(t *testing.T) {
	for value, ok := range map[string]bool{"s": true, "a b": true, "": false, " ": false, "s\n": false, "\ufeffs": false, "a\x00b": false} {
		if got := providerauth.StaticSecret(value) != nil; got != ok {
			t.Errorf("StaticSecret(%q): usable %v", value, got)
		}
		if got := providerauth.StaticSecrets("current", value) != nil; got != ok {
			t.Errorf("StaticSecrets with %q: usable %v", value, got)
		}
	}
	list, err := providerauth.StaticSecrets("a", "b")(t.Context())
	if err != nil || !slices.Equal(list, []string{"a", "b"}) {
		t.Errorf("got %v, %v", list, err)
	}
}

// write makes the content of a file old, as that of a mounted file is, or leaves
// it new.
func write(t *testing.T, path, content string, old time.Duration) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	at := time.Now().Add(-old)
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

func TestFileSecret(t *testing.T) {
	t.Run("a changed file is read again", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "secret")
		f := providerauth.FileSecret(path)
		for _, tc := range []struct {
			content, want string
			old           time.Duration
		}{
			{"one", "one", time.Hour},
			{"two!\n", "two!", 2 * time.Hour},
			{"three\r\n", "three", time.Minute},
			{"four", "four", 0},
			{"five", "five", 0}, // of one size, and perhaps of one time
		} {
			write(t, path, tc.content, tc.old)
			for range 2 {
				if got := secret(t, f); got != tc.want {
					t.Errorf("got %q, want %q", got, tc.want)
				}
			}
		}
	})
	t.Run("a link that is swapped is followed", func(t *testing.T) {
		dir := t.TempDir()
		at := time.Now().Add(-time.Hour)
		for _, name := range []string{"v1", "v2"} {
			path := filepath.Join(dir, name)
			write(t, path, name, 0)
			if err := os.Chtimes(path, at, at); err != nil {
				t.Fatal(err)
			}
		}
		link := filepath.Join(dir, "secret")
		f := providerauth.FileSecret(link)
		for _, name := range []string{"v1", "v2"} {
			next := filepath.Join(dir, "next")
			if err := os.Symlink(name, next); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(next, link); err != nil {
				t.Fatal(err)
			}
			if got := secret(t, f); got != name {
				t.Errorf("got %q, want %q", got, name)
			}
		}
	})
	t.Run("an unusable file keeps the last value", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "secret")
		f := providerauth.FileSecret(path)
		if _, err := f(t.Context()); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("error %v", err)
		}
		write(t, path, "good", time.Hour)
		secret(t, f)
		for _, content := range []string{"", "\n", " x", "two\nlines", strings.Repeat("x", 64<<10+1)} {
			write(t, path, content, time.Minute)
			if got := secret(t, f); got != "good" {
				t.Errorf("after %.10q: got %.10q", content, got)
			}
			if _, err := providerauth.FileSecret(path)(t.Context()); err == nil {
				t.Errorf("%.10q is a secret", content)
			}
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if got := secret(t, f); got != "good" {
			t.Errorf("without a file: got %q", got)
		}
		write(t, path, "new", time.Hour)
		if got := secret(t, f); got != "new" {
			t.Errorf("got %q", got)
		}
	})
	t.Run("no path is no secret", func(t *testing.T) {
		if providerauth.FileSecret("") != nil || providerauth.FileSecrets("") != nil {
			t.Error("it is")
		}
	})
}

func TestFileSecrets(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secrets")
	f := providerauth.FileSecrets(path)
	for content, want := range map[string][]string{"a": {"a"}, "a\nb\n": {"a", "b"}, "a\r\nb": {"a", "b"}} {
		write(t, path, content, 0)
		if got, err := f(t.Context()); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: got %q, %v", content, got, err)
		}
	}
	for _, content := range []string{"", "\n", "a\n\nb", "a\n b"} {
		write(t, path, content, 0)
		if got, err := providerauth.FileSecrets(path)(t.Context()); err == nil {
			t.Errorf("%q: got %q", content, got)
		}
	}
}

// A vault returns v1, v2 and so on, or an error.
type vault struct {
	mu    sync.Mutex
	calls int
	err   error
	hangs bool
}

func (v *vault) secret(ctx context.Context) (string, error) {
	v.mu.Lock()
	v.calls++
	n, err, hangs := v.calls, v.err, v.hangs
	v.mu.Unlock()
	if hangs {
		<-ctx.Done()
		return "", ctx.Err()
	}
	time.Sleep(10 * time.Millisecond)
	if err != nil {
		return "", err
	}
	return "v" + string(rune('0'+n)), nil
}

func TestCachedSecret(t *testing.T) {
	cached := func(t *testing.T, f func(t *testing.T, v *vault, s providerauth.SecretFunc)) {
		synctest.Test(t, func(t *testing.T) {
			v := new(vault)
			f(t, v, providerauth.CachedSecret(v.secret, time.Minute))
		})
	}
	t.Run("the vault is asked once in the time, by one caller", func(t *testing.T) {
		cached(t, func(t *testing.T, v *vault, s providerauth.SecretFunc) {
			for _, want := range []string{"v1", "v2"} {
				testkit.Crowd(100, func(int) {
					if got := secret(t, s); got != want && want == "v1" {
						t.Errorf("got %q, want %q", got, want)
					}
				})
				if got := secret(t, s); got != want {
					t.Errorf("got %q, want %q", got, want)
				}
				time.Sleep(time.Minute)
			}
			if v.calls != 2 {
				t.Errorf("%d calls", v.calls)
			}
		})
	})
	t.Run("the last value is served for ten times as long while the vault fails", func(t *testing.T) {
		cached(t, func(t *testing.T, v *vault, s providerauth.SecretFunc) {
			secret(t, s)
			v.err = errors.New("sealed")
			start := time.Now()
			for time.Since(start) < 10*time.Minute-time.Second {
				if got := secret(t, s); got != "v1" {
					t.Fatalf("got %q", got)
				}
				time.Sleep(500 * time.Millisecond)
			}
			if v.calls > 1+9*60 {
				t.Errorf("%d calls, want one a second at most", v.calls)
			}
			time.Sleep(2 * time.Second)
			if got, err := s(t.Context()); !errors.Is(err, v.err) {
				t.Errorf("got %q, %v", got, err)
			}
		})
	})
	t.Run("nobody waits for a vault that hangs while there is a value", func(t *testing.T) {
		cached(t, func(t *testing.T, v *vault, s providerauth.SecretFunc) {
			secret(t, s)
			time.Sleep(time.Minute)
			v.hangs = true
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			var wg sync.WaitGroup
			wg.Go(func() {
				if got, err := s(ctx); got != "v1" || err != nil {
					t.Errorf("the caller that asks: %q, %v", got, err)
				}
			})
			synctest.Wait()
			start := time.Now()
			if got := secret(t, s); got != "v1" || time.Since(start) > 0 {
				t.Errorf("got %q after %v", got, time.Since(start))
			}
			wg.Wait()
		})
	})
	t.Run("a caller without a value waits no longer than its context", func(t *testing.T) {
		cached(t, func(t *testing.T, v *vault, s providerauth.SecretFunc) {
			v.hangs = true
			long, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			go func() { _, _ = s(long) }()
			synctest.Wait()
			ctx, end := context.WithTimeout(t.Context(), time.Second)
			defer end()
			if _, err := s(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("error %v", err)
			}
			cancel()
		})
	})
	t.Run("after a rejection the vault is asked again, once a second", func(t *testing.T) {
		cached(t, func(t *testing.T, v *vault, s providerauth.SecretFunc) {
			secret(t, s)
			time.Sleep(2 * time.Second)
			ctx := providerauth.FreshSecret(t.Context())
			for range 10 {
				if got, err := s(ctx); got != "v2" || err != nil {
					t.Errorf("got %q, %v", got, err)
				}
			}
		})
	})
	t.Run("without a value, callers within a second of a failure get it", func(t *testing.T) {
		cached(t, func(t *testing.T, v *vault, s providerauth.SecretFunc) {
			v.err = errors.New("sealed")
			start := time.Now()
			for time.Since(start) < 10*time.Second {
				testkit.Crowd(20, func(int) {
					if got, err := s(t.Context()); got != "" || !errors.Is(err, v.err) {
						t.Errorf("got %q, %v", got, err)
					}
				})
				time.Sleep(100 * time.Millisecond)
			}
			if v.calls > 10 {
				t.Errorf("%d calls in 10 s", v.calls)
			}
		})
	})
	t.Run("no function is no secret", func(t *testing.T) {
		if providerauth.CachedSecret(nil, time.Minute) != nil {
			t.Error("it is")
		}
	})
}
