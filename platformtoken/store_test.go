package platformtoken_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/integrations/storetest"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/platformtoken"
	"github.com/providerauth/providerauth-go/platformtoken/platformtokentest"
)

const storeKey = "thirty-two characters of a key..hunter2"

// sharing has a client share its tokens through the store.
func sharing(s providerauth.Store) func(*platformtoken.Config) {
	return func(cfg *platformtoken.Config) {
		cfg.Store, cfg.StoreKeys = s, providerauth.StaticSecrets(storeKey)
	}
}

// replicas runs f with two clients that share their tokens.
func replicas(t *testing.T, f func(t *testing.T, srv *platformtokentest.Server, store *storetest.Memory, a, b *platformtoken.Client)) {
	t.Helper()
	store := new(storetest.Memory)
	bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, a *platformtoken.Client) {
		b := open(t, srv.Config(), sharing(store))
		defer b.Close()
		f(t, srv, store, a, b)
	}, sharing(store))
}

func TestStore_oneTokenForAllReplicas(t *testing.T) {
	replicas(t, func(t *testing.T, srv *platformtokentest.Server, _ *storetest.Memory, a, b *platformtoken.Client) {
		got, want := token(t, b, brl), token(t, a, brl)
		testkit.Equal(t, "value", got.Value(), want.Value())
		testkit.Equal(t, "player", got.Player, want.Player)
		testkit.Equal(t, "expiry", got.ExpiresAt.Sub(want.ExpiresAt).Abs() < time.Second, true)
		for range 3 {
			time.Sleep(24 * time.Hour)
			balance(t, a, brl)
			balance(t, b, brl)
		}
		testkit.Equal(t, "creations", srv.Created(brl.UserID), 4)
	})
}

func TestStore_createTokenIsAnnounced(t *testing.T) {
	replicas(t, func(t *testing.T, srv *platformtokentest.Server, _ *storetest.Memory, a, b *platformtoken.Client) {
		balance(t, a, brl)
		balance(t, b, brl)
		if _, err := a.CreateToken(t.Context(), platformtoken.CreateTokenRequest{UserID: brl.UserID, Currency: brl.Currency}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
		balance(t, b, brl)
		testkit.Equal(t, "rejected", b.Stats().Invalidations, 0)
		testkit.Equal(t, "creations", srv.Created(brl.UserID), 2)
	})
}

func TestStore_storeKey(t *testing.T) {
	replicas(t, func(t *testing.T, _ *platformtokentest.Server, store *storetest.Memory, a, b *platformtoken.Client) {
		key := a.StoreKey(brl.UserID)
		testkit.Equal(t, "key of another client", b.StoreKey(brl.UserID), key)
		testkit.Equal(t, "length", len(key), 24)
		if a.StoreKey("another") == key {
			t.Error("two players have the same key")
		}
		token(t, a, brl)
		value, err := store.Load(t.Context(), key)
		if err != nil || value == nil {
			t.Errorf("the register holds %d bytes, %v", len(value), err)
		}
	})
}

// While the store fails, a token in memory is used. If it is rejected, a call says that
// the store is the reason, and an HTTPClient returns the platform's answer.
func TestStore_unavailable(t *testing.T) {
	replicas(t, func(t *testing.T, srv *platformtokentest.Server, store *storetest.Memory, a, _ *platformtoken.Client) {
		balance(t, a, brl)
		store.FailNext(1 << 30)
		balance(t, a, brl)
		srv.OutsideCreate(brl.UserID)
		_, err := a.Balance(t.Context(), brl)
		e := errorIs(t, err, providerauth.ErrStoreUnavailable)
		if after, ok := e.Retryable(); !ok || after == 0 || e.Ambiguous() {
			t.Errorf("retryable %v after %v, ambiguous %v; want a later call to be safe", ok, after, e.Ambiguous())
		}
		status, _ := do(t, a.HTTPClientFor(brl), srv, getBalance, `{"userId":"`+brl.UserID+`"}`)
		testkit.Equal(t, "status", status, http.StatusUnauthorized)

		_, err = a.Token(t.Context(), platformtoken.Player{UserID: "of no token"})
		errorIs(t, err, providerauth.ErrStoreUnavailable)
		testkit.Equal(t, "creations", srv.Created("of no token"), 0)

		store.ClearFaults()
		time.Sleep(2 * time.Second)
		balance(t, a, brl)
	})
}

func TestStore_wrongConfig(t *testing.T) {
	store := new(storetest.Memory)
	for name, tt := range map[string]struct {
		change func(*platformtoken.Config)
		fields []string
	}{
		"shared":  {sharing(store), nil},
		"no keys": {func(cfg *platformtoken.Config) { cfg.Store = store }, []string{"StoreKeys"}},
		"no store": {func(cfg *platformtoken.Config) {
			cfg.StoreKeys, cfg.StoreTimeout = providerauth.StaticSecrets(storeKey), 1
		}, []string{"StoreKeys", "StoreTimeout"}},
		"a short key": {func(cfg *platformtoken.Config) {
			cfg.Store, cfg.StoreKeys = store, providerauth.StaticSecrets(storeKey, "hunter2")
		}, []string{"StoreKeys"}},
		"a negative timeout": {func(cfg *platformtoken.Config) { sharing(store)(cfg); cfg.StoreTimeout = -1 }, []string{"StoreTimeout"}},
	} {
		t.Run(name, func(t *testing.T) {
			srv := platformtokentest.NewServer(defaults)
			defer srv.Close()
			cfg := srv.Config()
			tt.change(&cfg)
			provider.CheckConfig(t, cfg, tt.fields...)
		})
	}
}

// Keys that turn out unusable later cost no request.
func TestStore_unusableKeys(t *testing.T) {
	var keys []string
	bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		for _, keys = range [][]string{nil, {"hunter2"}, {storeKey, ""}} {
			_, err := c.Token(t.Context(), brl)
			e := errorIs(t, err, providerauth.ErrStoreUnavailable, providerauth.ErrSecretUnavailable)
			if !strings.Contains(e.Error(), "StoreKeys") || strings.Contains(e.Error(), "hunter2") {
				t.Errorf("the error does not name the field, or shows a key: %v", e)
			}
			time.Sleep(2 * time.Second)
		}
		testkit.Equal(t, "creations", srv.Created(brl.UserID), 0)
		keys = []string{storeKey}
		balance(t, c, brl)
	}, func(cfg *platformtoken.Config) {
		cfg.Store, cfg.StoreKeys = new(storetest.Memory), func(context.Context) ([]string, error) { return keys, nil }
	})
}

// Nothing in the store shows a token, a player or a key.
func TestStore_holdsNoSecret(t *testing.T) {
	replicas(t, func(t *testing.T, _ *platformtokentest.Server, store *storetest.Memory, a, _ *platformtoken.Client) {
		tok := token(t, a, brl)
		value, _ := store.Load(t.Context(), a.StoreKey(brl.UserID))
		for _, shown := range []string{tok.Value(), brl.UserID, brl.Currency, "hunter2"} {
			if strings.Contains(string(value), shown) || strings.Contains(a.StoreKey(brl.UserID), shown) {
				t.Errorf("the store shows %q", shown)
			}
		}
		printed := fmt.Sprintf("%v %+v %#v", a, a, *a)
		for _, shown := range []string{tok.Value(), "hunter2"} {
			if strings.Contains(printed, shown) {
				t.Error("a printed Client shows a secret")
			}
		}
	})
}
