package merchantauth_test

import (
	"testing"
	"testing/synctest"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/integrations/storetest"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/merchantauth"
	"github.com/providerauth/providerauth-go/merchantauth/merchantauthtest"
)

const storeKey = "thirty-two characters of a key..hunter2"

// sharing has a client share its session through the store.
func sharing(s providerauth.Store) func(*merchantauth.Config) {
	return func(cfg *merchantauth.Config) {
		cfg.Store, cfg.StoreKeys = s, providerauth.StaticSecrets(storeKey)
	}
}

// replicas runs f with eight clients that share a session.
func replicas(t *testing.T, f func(t *testing.T, srv *merchantauthtest.Server, store *storetest.Memory, all []*merchantauth.Client)) {
	t.Helper()
	testkit.Bubble(t, merchantauthtest.NewServer, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server) {
		store := new(storetest.Memory)
		all := make([]*merchantauth.Client, 8)
		for i := range all {
			all[i] = open(t, srv.Config(), sharing(store))
			defer all[i].Close()
		}
		f(t, srv, store, all)
	})
}

func TestStore_oneSessionForAllReplicas(t *testing.T) {
	replicas(t, func(t *testing.T, srv *merchantauthtest.Server, _ *storetest.Memory, all []*merchantauth.Client) {
		for range 100 { // two days and more
			testkit.Crowd(len(all), func(i int) { rates(t, all[i]) })
			time.Sleep(31 * time.Minute)
		}
		testkit.Equal(t, "logins", srv.Logins(), 1)
		testkit.Equal(t, "refresh tokens sent again", srv.Replays(), 0)
		testkit.Equal(t, "refreshes", srv.Refreshes(), 99)
	})
}

// A replica that has slept while others refreshed spends their refresh token, not
// its own.
func TestStore_refreshTokenOfTheRecord(t *testing.T) {
	replicas(t, func(t *testing.T, srv *merchantauthtest.Server, _ *storetest.Memory, all []*merchantauth.Client) {
		for _, c := range all {
			rates(t, c)
		}
		for range 3 {
			for _, c := range all {
				time.Sleep(31 * time.Minute)
				rates(t, c)
			}
		}
		testkit.Equal(t, "logins", srv.Logins(), 1)
		testkit.Equal(t, "refresh tokens sent again", srv.Replays(), 0)
	})
}

// Refresh of a token whose refresh token another replica has spent sends nothing.
func TestStore_refreshOfASpentToken(t *testing.T) {
	replicas(t, func(t *testing.T, srv *merchantauthtest.Server, _ *storetest.Memory, all []*merchantauth.Client) {
		old := token(t, all[0])
		token(t, all[1])
		if _, err := all[1].Refresh(t.Context(), old); err != nil {
			t.Fatal(err)
		}
		_, err := all[0].Refresh(t.Context(), old)
		errorIs(t, err, providerauth.ErrInvalidRequest)
		testkit.Equal(t, "refresh tokens sent again", srv.Replays(), 0)
		rates(t, all[0])
		testkit.Equal(t, "logins", srv.Logins(), 1)
	})
}

func TestStore_loginIsShared(t *testing.T) {
	replicas(t, func(t *testing.T, srv *merchantauthtest.Server, _ *storetest.Memory, all []*merchantauth.Client) {
		rates(t, all[0])
		rates(t, all[1])
		next, err := all[0].Login(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		rates(t, all[1]) // the old session is still good, and the new one is fetched meanwhile
		synctest.Wait()
		testkit.Equal(t, "token after a notice", token(t, all[1]).Value(), next.Value())
		testkit.Equal(t, "logins", srv.Logins(), 2)
	})
}

func TestStore_unavailable(t *testing.T) {
	replicas(t, func(t *testing.T, srv *merchantauthtest.Server, store *storetest.Memory, all []*merchantauth.Client) {
		rates(t, all[0])
		store.FailNext(1 << 30)
		rates(t, all[0])
		_, err := all[1].Token(t.Context())
		e := errorIs(t, err, providerauth.ErrStoreUnavailable)
		if _, ok := e.Retryable(); !ok {
			t.Error("not retryable")
		}
		_, err = all[0].Login(t.Context())
		errorIs(t, err, providerauth.ErrStoreUnavailable)
		testkit.Equal(t, "logins", srv.Logins(), 1)
	})
}

func TestStore_wrongConfig(t *testing.T) {
	store := new(storetest.Memory)
	srv := merchantauthtest.NewServer(merchantauthtest.Options{})
	defer srv.Close()
	for name, tt := range map[string]struct {
		change []func(*merchantauth.Config)
		fields []string
	}{
		"shared":      {[]func(*merchantauth.Config){sharing(store)}, nil},
		"in key mode": {[]func(*merchantauth.Config){withKey, sharing(store)}, []string{"Store"}},
		"no keys":     {[]func(*merchantauth.Config){func(cfg *merchantauth.Config) { cfg.Store = store }}, []string{"StoreKeys"}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := srv.Config()
			for _, ch := range tt.change {
				ch(&cfg)
			}
			provider.CheckConfig(t, cfg, tt.fields...)
		})
	}
}

func TestStore_storeKey(t *testing.T) {
	replicas(t, func(t *testing.T, _ *merchantauthtest.Server, store *storetest.Memory, all []*merchantauth.Client) {
		token(t, all[0])
		value, err := store.Load(t.Context(), all[1].StoreKey())
		if err != nil || value == nil {
			t.Errorf("the register holds %d bytes, %v", len(value), err)
		}
	})
}
