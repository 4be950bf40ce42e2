package credential_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/apierror"
	"github.com/providerauth/providerauth-go/internal/credential"
	"github.com/providerauth/providerauth-go/internal/testkit"
)

// vaultError is an error whose text must not be repeated; a value, so that
// printing by reflection would reach its content.
type vaultError struct{ text string }

func (e vaultError) Error() string { return e.text }

func TestGetReturnsWhatTheFunctionReturns(t *testing.T) {
	type key struct{}
	source := credential.NewSource("APIKey", func(ctx context.Context) (string, error) {
		return ctx.Value(key{}).(string), nil
	})
	got, err := source.Get(context.WithValue(t.Context(), key{}, sentinel))
	if err != nil || got != sentinel {
		t.Errorf("Get = %q, %v", got, err)
	}
}

func TestGetRefusesWhatIsNotUsable(t *testing.T) {
	static := func(value string) providerauth.SecretFunc {
		return func(context.Context) (string, error) { return value, nil }
	}
	const (
		ends    = "APIKey: must not begin or end with white space, a line break or a byte order mark"
		control = "APIKey: must not contain control characters or line breaks"
	)
	for _, test := range []struct {
		name string
		f    providerauth.SecretFunc
		want string
	}{
		{"no function", nil, "APIKey: is not set"},
		{"empty", static(""), "APIKey: is empty"},
		{"a newline at the end", static(sentinel + "\n"), ends},
		{"a carriage return at the end", static(sentinel + "\r\n"), ends},
		{"a space before", static(" " + sentinel), ends},
		{"a no-break space at the end", static(sentinel + "\u00a0"), ends},
		{"a byte order mark", static("\ufeff" + sentinel), ends},
		{"white space only", static(" \t"), ends},
		{"a newline inside", static(sentinel + "\n" + sentinel), control},
		{"NUL", static(sentinel + "\x00"), control},
		{"DEL", static(sentinel + "\x7f"), control},
		{"a C1 control", static(sentinel + "\u0080" + sentinel), control},
		{"NEL inside", static(sentinel + "\u0085" + sentinel), control},
		{"a line separator inside", static(sentinel + "\u2028" + sentinel), control},
		{"a paragraph separator inside", static(sentinel + "\u2029" + sentinel), control},
		{"an error", func(context.Context) (string, error) { return sentinel, vaultError{"denied for " + sentinel} }, "APIKey: the function that supplies it failed"},
		{"a panic", func(context.Context) (string, error) { panic(sentinel) }, "APIKey: the function that supplies it panicked"},
	} {
		t.Run(test.name, func(t *testing.T) {
			source := credential.NewSource("APIKey", test.f)
			got, err := source.Get(t.Context())
			if got != "" {
				t.Errorf("Get = %q beside an error", got)
			}
			var cause *apierror.Error
			if !errors.As(err, &cause) || !errors.Is(err, providerauth.ErrSecretUnavailable) {
				t.Fatalf("err = %v, want a Cause that matches ErrSecretUnavailable", err)
			}
			testkit.Equal(t, "text", err.Error(), providerauth.ErrSecretUnavailable.Error()+": "+test.want)
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%q", "%x"} {
				for _, v := range []any{err, struct{ E error }{err}, struct{ e error }{err}} {
					if text := fmt.Sprintf(verb, v); leak(text) != "" {
						t.Errorf("%s prints the secret: %s", verb, text)
					}
				}
			}
			if source.Version() != 0 {
				t.Error("a failure counts as a value")
			}
		})
	}
}

func TestGetTakesAnyOtherText(t *testing.T) {
	for _, value := range []string{"x", "two words", "sécret", "\"quoted\"", "\xff\xfe", strings.Repeat("a", 1<<16)} {
		if got, err := credential.NewSource("APIKey", providerauth.StaticSecret(value)).Get(t.Context()); err != nil || got != value {
			t.Errorf("%.20q: %.20q, %v", value, got, err)
		}
	}
}

func TestTheFunctionsOwnErrorIsFound(t *testing.T) {
	sealed := errors.New("sealed")
	source := credential.NewSource("APIKey", func(context.Context) (string, error) {
		return "", errors.Join(sealed, vaultError{sentinel})
	})
	_, err := source.Get(t.Context())
	var vault vaultError
	if !errors.Is(err, sealed) || !errors.As(err, &vault) {
		t.Errorf("err = %v does not lead to the function's own", err)
	}
}

func TestAFunctionsOwnAmbiguousCallDoesNotMakeThisOneAmbiguous(t *testing.T) {
	source := credential.NewSource("APIKey", func(context.Context) (string, error) {
		return "", &apierror.Error{Ambiguous: true}
	})
	if _, err := source.Get(t.Context()); apierror.Ambiguous(err) {
		t.Errorf("%v is ambiguous", err)
	}
}

func TestNothingWalksFromAFailureToTheFunctionsText(t *testing.T) {
	source := credential.NewSource("APIKey", func(context.Context) (string, error) {
		return "", vaultError{sentinel}
	})
	_, err := source.Get(t.Context())
	for ; err != nil; err = errors.Unwrap(err) {
		if leak(err.Error()) != "" {
			t.Errorf("the chain holds %T: %v", err, err)
		}
	}
}

func TestVersionGrowsWithEveryChange(t *testing.T) {
	var value string
	var failing error
	source := credential.NewSource("APIKey", func(context.Context) (string, error) { return value, failing })
	var got []uint64
	for _, step := range []struct {
		value string
		err   error
	}{
		{"", errors.New("sealed")}, // nothing seen yet
		{"a", nil},
		{"a", nil},
		{"", nil}, // not a value
		{"b", errors.New("sealed")},
		{"a", nil}, // back, and as it was
		{"b", nil},
		{"a", nil}, // an old value is a change too
		{"a\n", nil},
		{"a", nil},
	} {
		value, failing = step.value, step.err
		_, _ = source.Get(t.Context())
		got = append(got, source.Version())
	}
	testkit.Equal(t, "epochs", got, []uint64{0, 1, 1, 1, 1, 1, 2, 3, 3, 3})
}

func TestSourceIsSafeForConcurrentUse(t *testing.T) {
	source := credential.NewSource("APIKey", providerauth.StaticSecret(sentinel))
	testkit.Crowd(16, func(int) {
		for range 100 {
			if got, err := source.Get(t.Context()); err != nil || got != sentinel {
				t.Errorf("Get = %q, %v", got, err)
			}
			if e := source.Version(); e != 1 {
				t.Errorf("epoch %d, want 1", e)
			}
		}
	})
}

func TestFunctionThatHangsOrEndsItsGoroutineHoldsNobodyUp(t *testing.T) {
	for name, f := range map[string]providerauth.SecretFunc{
		"hangs":            func(context.Context) (string, error) { time.Sleep(time.Hour); return sentinel, nil },
		"ends a goroutine": func(context.Context) (string, error) { runtime.Goexit(); return sentinel, nil },
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			start := time.Now()
			value, err := credential.NewSource("APIKey", f).Get(ctx)
			if value != "" || !errors.Is(err, providerauth.ErrSecretUnavailable) {
				t.Errorf("%s: %q, %v", name, value, err)
			}
			if waited := time.Since(start); waited > time.Second {
				t.Errorf("%s: waited %v", name, waited)
			}
			time.Sleep(time.Hour) // the function ends
		})
	}
}

func TestContextThatHasEndedIsNotBlamedOnTheSecret(t *testing.T) {
	for name, f := range map[string]providerauth.SecretFunc{
		"static": providerauth.StaticSecret(sentinel),
		"hangs":  func(ctx context.Context) (string, error) { <-ctx.Done(); return "", ctx.Err() },
	} {
		for _, when := range []time.Duration{0, time.Second} {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				if when == 0 {
					cancel()
				} else {
					time.AfterFunc(when, cancel)
				}
				value, err := credential.NewSource("APIKey", f).Get(ctx)
				if name == "static" && when > 0 {
					cancel()
					return
				}
				if value != "" || err != context.Canceled {
					t.Errorf("%s, cancelled after %v: %q, %v", name, when, value, err)
				}
			})
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), -1)
	defer cancel()
	if _, err := credential.NewSource("APIKey", providerauth.StaticSecret(sentinel)).Get(ctx); err != context.DeadlineExceeded {
		t.Errorf("deadline passed before: %v", err)
	}
}

func TestSource_GetVersion(t *testing.T) {
	t.Run("the version belongs to the value", func(t *testing.T) {
		value := "a"
		s := credential.NewSource("APIKey", func(context.Context) (string, error) { return value, nil })
		for i, v := range []string{"a", "a", "b"} {
			value = v
			got, version, err := s.GetVersion(t.Context())
			if want := []uint64{1, 1, 2}[i]; got != v || version != want || err != nil {
				t.Errorf("step %d: %q, version %d, %v; want version %d", i, got, version, err, want)
			}
		}
		value = "c"
		_, _ = s.Get(t.Context()) // somebody else
		if s.Version() != 3 {
			t.Errorf("version %d, want 3", s.Version())
		}
	})
	t.Run("an error has no version", func(t *testing.T) {
		fail := false
		s := credential.NewSource("APIKey", func(context.Context) (string, error) {
			if fail {
				return "", errors.New("vault is sealed")
			}
			return "a", nil
		})
		_, _ = s.Get(t.Context())
		fail = true
		if _, version, err := s.GetVersion(t.Context()); version != 0 || err == nil {
			t.Errorf("version %d, %v", version, err)
		}
	})
}

func TestStaticValue(t *testing.T) {
	t.Run("is the value of StaticSecret", func(t *testing.T) {
		for _, value := range []string{sentinel, "in two words", "x"} {
			got, ok := credential.StaticValue(providerauth.StaticSecret(value))
			if !ok || got != value {
				t.Errorf("%q: %q, %t", value, got, ok)
			}
		}
	})
	t.Run("calls no other function", func(t *testing.T) {
		static := providerauth.StaticSecret(sentinel)
		var vault panics
		for name, f := range map[string]providerauth.SecretFunc{
			"nil":         nil,
			"a literal":   func(context.Context) (string, error) { panic("called") },
			"a method":    vault.Secret,
			"one on top":  func(ctx context.Context) (string, error) { t.Error("called"); return static(ctx) },
			"a blank one": providerauth.StaticSecret(" "),
		} {
			if got, ok := credential.StaticValue(f); ok || got != "" {
				t.Errorf("%s: %q, %t", name, got, ok)
			}
		}
	})
}

type panics struct{}

func (panics) Secret(context.Context) (string, error) { panic("called") }

func TestNewHMACKey(t *testing.T) {
	t.Run("takes short keys outside FIPS 140-only mode", func(t *testing.T) {
		got, err := credential.NewHMACKey("Secret", providerauth.StaticSecret("x")).Get(t.Context())
		if got != "x" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	})
	t.Run("refuses what a Source refuses", func(t *testing.T) {
		_, err := credential.NewHMACKey("Secret", providerauth.StaticSecret("x\n")).Get(t.Context())
		if !errors.Is(err, providerauth.ErrSecretUnavailable) {
			t.Errorf("%v", err)
		}
	})
}
