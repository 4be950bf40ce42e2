package credential_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/credential"
	"github.com/providerauth/providerauth-go/internal/testkit"
)

func TestSource_Get(t *testing.T) {
	t.Run("a function that hangs is called once, whoever asks", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var calls atomic.Int32
			end := make(chan struct{})
			s := credential.NewSource("APIKey", func(context.Context) (string, error) {
				calls.Add(1)
				<-end
				return "late", nil
			})
			for range 3 {
				testkit.Crowd(100, func(int) {
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					defer cancel()
					if _, err := s.Get(ctx); !errors.Is(err, providerauth.ErrSecretUnavailable) {
						t.Errorf("got %v", err)
					}
				})
			}
			testkit.Equal(t, "calls", calls.Load(), 1)
			close(end)
		})
	})

	t.Run("callers share the result of one call", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var calls atomic.Int32
			s := credential.NewSource("APIKey", func(context.Context) (string, error) {
				calls.Add(1)
				time.Sleep(time.Second)
				return "value", nil
			})
			testkit.Crowd(100, func(int) {
				if value, err := s.Get(t.Context()); value != "value" || err != nil {
					t.Errorf("got %q, %v", value, err)
				}
			})
			testkit.Equal(t, "calls", calls.Load(), 1)
		})
	})

	t.Run("the end of the first caller does not end the call for others", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := credential.NewSource("APIKey", func(ctx context.Context) (string, error) {
				select {
				case <-time.After(2 * time.Second):
					return "value", nil
				case <-ctx.Done():
					return "", ctx.Err()
				}
			})
			testkit.Crowd(2, func(i int) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+10*i)*time.Second)
				defer cancel()
				value, err := s.Get(ctx)
				if got := value == "value" && err == nil; got != (i == 1) {
					t.Errorf("caller %d: %q, %v", i, value, err)
				}
			})
		})
	})

	t.Run("a caller that wants a fresh secret does not share an older call", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := credential.NewSource("APIKey", func(ctx context.Context) (string, error) {
				value := "cached"
				if providerauth.WantsFreshSecret(ctx) {
					value = "fresh"
				}
				time.Sleep(time.Second)
				return value, nil
			})
			go func() { _, _ = s.Get(t.Context()) }()
			synctest.Wait()
			value, err := s.Get(providerauth.FreshSecret(t.Context()))
			if value != "fresh" || err != nil {
				t.Errorf("got %q, %v", value, err)
			}
		})
	})
}
