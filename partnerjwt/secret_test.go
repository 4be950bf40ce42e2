package partnerjwt_test

import (
	"context"
	"io/fs"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/partnerjwt"
	"github.com/providerauth/providerauth-go/partnerjwt/partnerjwttest"
)

// The renewal that is under way when the secret changes has read the old one.
func TestSecretThatTakesTimeIsRotatedWithoutALostRequestDuringARenewal(t *testing.T) {
	secret := testkit.NewVault("secret-1")
	bubble(t, func(t *testing.T, srv *partnerjwttest.Server, c *partnerjwt.Client) {
		if err := trade(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		time.Sleep(14 * time.Minute)
		if err := trade(t.Context(), c); err != nil { // starts the renewal
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
		secret.Store("secret-2")
		srv.Rotate("secret-2")
		for range 30 {
			if err := trade(t.Context(), c); err != nil {
				t.Error(err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		testkit.Equal(t, "trades", srv.Trades(), 32)
	}, func(cfg *partnerjwt.Config) {
		cfg.Secret = func(ctx context.Context) (string, error) {
			value, err := secret.Get(ctx)
			time.Sleep(50 * time.Millisecond)
			return value, err
		}
	})
}

func TestClient_Token_secret(t *testing.T) {
	t.Run("errors.Is sees the SecretFunc's cause, and the text does not have it", func(t *testing.T) {
		bubble(t, func(t *testing.T, _ *partnerjwttest.Server, c *partnerjwt.Client) {
			for range 2 { // the second within the back-off
				_, err := c.Token(t.Context())
				errorIs(t, err, providerauth.ErrSecretUnavailable, fs.ErrNotExist)
				if strings.Contains(err.Error(), "no-such-file") {
					t.Errorf("the text has the cause: %v", err)
				}
			}
		}, func(cfg *partnerjwt.Config) { cfg.Secret = providerauth.FileSecret("testdata/no-such-file") })
	})
}

func TestCallsThatCannotBeSentAreRefusedWithTheirField(t *testing.T) {
	bubble(t, func(t *testing.T, srv *partnerjwttest.Server, c *partnerjwt.Client) {
		for _, tc := range []struct {
			method, path string
			in           any
			field        string
		}{
			{"P OST", "/trade", nil, "method"},
			{"", "/trade", nil, "method"},
			{"POST", "https://evil.example/", nil, "path"},
			{"POST", "/../trade", nil, "path"},
			{"POST", "/trade", func() {}, "in"},
		} {
			e := errorIs(t, c.Call(t.Context(), tc.method, tc.path, tc.in, nil), providerauth.ErrInvalidRequest)
			if e.Fields[tc.field] == "" || len(e.Fields) != 1 || e.StatusCode != 0 || e.Attempts != 0 {
				t.Errorf("%s: %+v", tc.field, e.Fields)
			}
		}
		testkit.Equal(t, "requests", len(srv.Requests()), 0)
		testkit.Equal(t, "tokens minted", c.Stats().Refreshes, 0)
	})
}

func TestWaitersOfOneTokenHaveAnErrorEach(t *testing.T) {
	bubble(t, func(t *testing.T, _ *partnerjwttest.Server, c *partnerjwt.Client) {
		_, first := c.Token(t.Context())
		_, second := c.Token(t.Context())
		a, b := errorIs(t, first, providerauth.ErrSecretUnavailable), errorIs(t, second, providerauth.ErrSecretUnavailable)
		text := b.Error()
		a.Op, a.StatusCode = "mine", http.StatusTeapot
		testkit.Equal(t, "text of the other's", b.Error(), text)
	}, func(cfg *partnerjwt.Config) {
		cfg.Secret = func(context.Context) (string, error) { return "", nil }
	})
}

func TestDeadlineThatPassesWhileATokenIsWaitedForIsRetryable(t *testing.T) {
	bubble(t, func(t *testing.T, srv *partnerjwttest.Server, c *partnerjwt.Client) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		err := trade(ctx, c)
		if _, ok := errorIs(t, err, context.DeadlineExceeded, providerauth.ErrNotSent).Retryable(); !ok {
			t.Error("it is not retryable")
		}
		ctx, cancel = context.WithCancel(t.Context())
		cancel()
		err = trade(ctx, c)
		if _, ok := errorIs(t, err, context.Canceled).Retryable(); ok {
			t.Error("what the caller gave up is retryable")
		}
		testkit.Equal(t, "trades", srv.Trades(), 0)
	}, func(cfg *partnerjwt.Config) {
		cfg.Secret = func(context.Context) (string, error) { time.Sleep(time.Second); return "secret-1", nil }
	})
}

func TestSecretIsRotatedWithoutALostRequest(t *testing.T) {
	for name, rotate := range map[string]func(*partnerjwttest.Server, *testkit.Vault){
		"at the same instant": func(srv *partnerjwttest.Server, secret *testkit.Vault) {
			secret.Store("secret-2")
			srv.Rotate("secret-2")
		},
		"with an overlap": func(srv *partnerjwttest.Server, secret *testkit.Vault) {
			srv.Rotate("secret-1", "secret-2")
			time.Sleep(10 * time.Second)
			secret.Store("secret-2")
			time.Sleep(10 * time.Second)
			srv.Rotate("secret-2")
		},
	} {
		t.Run(name, func(t *testing.T) {
			secret := testkit.NewVault("secret-1")
			bubble(t, func(t *testing.T, srv *partnerjwttest.Server, c *partnerjwt.Client) {
				stop := make(chan struct{})
				var wg sync.WaitGroup
				var calls atomic.Int64
				for range 5 {
					wg.Go(func() {
						for {
							select {
							case <-stop:
								return
							default:
							}
							if err := trade(t.Context(), c); err != nil {
								t.Error(err)
							}
							calls.Add(1)
							time.Sleep(100 * time.Millisecond)
						}
					})
				}
				time.Sleep(10 * time.Second)
				rotate(srv, secret)
				time.Sleep(10 * time.Second)
				close(stop)
				wg.Wait()
				testkit.Equal(t, "trades", int64(srv.Trades()), calls.Load())
			}, func(cfg *partnerjwt.Config) {
				cfg.Secret = secret.Get
			})
		})
	}
}

func TestSecretIsAskedForOncePerTokenAndNotToAttachAFreshOne(t *testing.T) {
	secret := testkit.NewVault("secret-1")
	bubble(t, func(t *testing.T, _ *partnerjwttest.Server, c *partnerjwt.Client) {
		for range 100 {
			portfolio(t, c)
		}
		testkit.Equal(t, "calls", secret.Asked(), 1)
	}, func(cfg *partnerjwt.Config) { cfg.Secret = secret.Get })
}

func TestUnavailableSecretCostsNoRequest(t *testing.T) {
	for name, f := range testkit.BadSecrets("secret-1") {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, srv *partnerjwttest.Server, c *partnerjwt.Client) {
				_, err := c.Token(t.Context())
				errorIs(t, err, providerauth.ErrSecretUnavailable)
				if name == "failing" {
					errorIs(t, err, testkit.ErrSealed)
				}
				e := errorIs(t, trade(t.Context(), c), providerauth.ErrNotSent, providerauth.ErrSecretUnavailable)
				testkit.Equal(t, "ambiguous", e.Ambiguous(), false)
				if _, ok := e.Retryable(); !ok {
					t.Error("not retryable, though the vault may be opened")
				}
				_, err = c.HTTPClient().Get(srv.URL() + "/portfolio")
				testkit.Equal(t, "Op of the transport's error", errorIs(t, err, providerauth.ErrNotSent).Op, "Transport")
				testkit.Equal(t, "requests", len(srv.Requests()), 0)
			}, func(cfg *partnerjwt.Config) { cfg.Secret = f })
		})
	}
}

func TestClient_lateSecret(t *testing.T) {
	for _, late := range []time.Duration{5 * time.Second, 20 * time.Second, 2 * time.Minute} {
		t.Run(late.String(), func(t *testing.T) {
			secret := testkit.NewVault("secret-1")
			bubble(t, func(t *testing.T, srv *partnerjwttest.Server, c *partnerjwt.Client) {
				if _, err := c.Portfolio(t.Context()); err != nil {
					t.Fatal(err)
				}
				srv.Rotate("secret-2")
				rotated := time.Now()
				asked := secret.Asked()
				for time.Since(rotated) < late {
					_, err := c.Portfolio(t.Context())
					errorIs(t, err, providerauth.ErrUnauthorized)
					time.Sleep(100 * time.Millisecond)
				}
				if n, most := secret.Asked()-asked, 10+2*int(late/time.Second); n > most {
					t.Errorf("the secret was asked for %d times in %v, want at most %d", n, late, most)
				}
				secret.Store("secret-2")
				there := time.Now()
				for {
					if _, err := c.Portfolio(t.Context()); err == nil {
						break
					}
					if time.Since(there) > 3*time.Second {
						t.Fatal("calls still fail three seconds after the secret is there")
					}
					time.Sleep(100 * time.Millisecond)
				}
				t.Logf("calls failed for %v after the secret was there", time.Since(there))
			}, func(cfg *partnerjwt.Config) {
				cfg.Secret = secret.Get
			})
		})
	}
}

func TestClient_cachedSecret(t *testing.T) {
	secret := testkit.NewVault("secret-1")
	bubble(t, func(t *testing.T, srv *partnerjwttest.Server, c *partnerjwt.Client) {
		if err := trade(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		secret.Store("secret-2")
		srv.Rotate("secret-2")
		for range 10 {
			if err := trade(t.Context(), c); err != nil {
				t.Errorf("a rejection has the vault asked again: %v", err)
			}
		}
		testkit.Equal(t, "times that the vault was asked", secret.Asked(), 2)
	}, func(cfg *partnerjwt.Config) {
		cfg.Secret = providerauth.CachedSecret(secret.Get, time.Hour)
	})
}

func supplies(secret string) providerauth.SecretFunc {
	return func(context.Context) (string, error) { return secret, nil }
}

func TestClient_fipsOnly(t *testing.T) {
	if !testkit.InFIPSOnly(t) {
		return
	}
	withSecret := func(f providerauth.SecretFunc) partnerjwt.Config {
		return partnerjwt.Config{ClientID: "client-1", Secret: f, BaseURL: "https://partner.example"}
	}
	unavailable := func(t *testing.T, err error) {
		t.Helper()
		errorIs(t, err, providerauth.ErrSecretUnavailable)
		testkit.SecretTooShort(t, err)
	}
	t.Run("New reports a static secret that is too short", func(t *testing.T) {
		_, err := partnerjwt.New(withSecret(providerauth.StaticSecret(testkit.ShortSecret)))
		e := errorIs(t, err, providerauth.ErrInvalidRequest)
		testkit.Equal(t, "fields", len(e.Fields), 1)
		testkit.Equal(t, "rule", e.Fields["Secret"], testkit.FIPSRule)
	})
	t.Run("New does not call a function", func(t *testing.T) {
		open(t, withSecret(func(context.Context) (string, error) { panic("called") }))
	})
	t.Run("a short secret that comes later is unavailable", func(t *testing.T) {
		secret := testkit.NewVault(testkit.LongSecret)
		opt := partnerjwttest.Options{Secret: testkit.LongSecret}
		provider.Bubble(t, opt, func(t *testing.T, srv *partnerjwttest.Server, c *partnerjwt.Client) {
			portfolio(t, c)
			secret.Store(testkit.ShortSecret)
			time.Sleep(time.Hour)
			_, err := c.Token(t.Context())
			unavailable(t, err)
			err = c.Call(t.Context(), http.MethodGet, "/portfolio", nil, nil)
			errorIs(t, err, providerauth.ErrNotSent)
			unavailable(t, err)
			secret.Store(testkit.LongSecret)
			time.Sleep(time.Minute)
			portfolio(t, c)
		}, func(cfg *partnerjwt.Config) { cfg.Secret = secret.Get })
	})
	t.Run("Verify reports a secret that is too short", func(t *testing.T) {
		for _, f := range []providerauth.SecretFunc{supplies(testkit.ShortSecret), providerauth.StaticSecret(testkit.ShortSecret)} {
			_, err := partnerjwt.Verify(t.Context(), vector, f, partnerjwt.VerifyOptions{})
			unavailable(t, err)
		}
	})
	t.Run("a secret of 14 bytes works", func(t *testing.T) {
		c := open(t, withSecret(providerauth.StaticSecret(testkit.LongSecret)))
		defer c.Close()
		tok, err := c.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		claims, err := partnerjwt.Verify(t.Context(), tok.Value(), supplies(testkit.LongSecret), partnerjwt.VerifyOptions{})
		if err != nil {
			t.Fatal(err)
		}
		testkit.Equal(t, "client", claims.ClientID, "client-1")
	})
}
