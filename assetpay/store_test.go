package assetpay_test

import (
	"testing"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/assetpay"
	"github.com/providerauth/providerauth-go/assetpay/assetpaytest"
	"github.com/providerauth/providerauth-go/integrations/storetest"
	"github.com/providerauth/providerauth-go/internal/testkit"
)

const storeKey = "thirty-two characters of a key..hunter2"

// sharing has a client share its tokens through the store.
func sharing(s providerauth.Store) func(*assetpay.Config) {
	return func(cfg *assetpay.Config) {
		cfg.Store, cfg.StoreKeys = s, providerauth.StaticSecrets(storeKey)
	}
}

// replicas runs f with two clients that share their tokens.
func replicas(t *testing.T, f func(t *testing.T, srv *assetpaytest.Server, store *storetest.Memory, a, b *assetpay.Client)) {
	t.Helper()
	store := new(storetest.Memory)
	bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, a *assetpay.Client) {
		b := open(t, srv.Config(), sharing(store))
		defer b.Close()
		f(t, srv, store, a, b)
	}, sharing(store))
}

func TestStore_oneExchangeForAllReplicas(t *testing.T) {
	replicas(t, func(t *testing.T, srv *assetpaytest.Server, _ *storetest.Memory, a, b *assetpay.Client) {
		for range 3 {
			inventory(t, a)
			inventory(t, b)
			time.Sleep(24 * time.Hour)
		}
		testkit.Equal(t, "exchanges", srv.Count(exchange), 3)
	})
}

// A token is shared with the client data that it was issued for.
func TestStore_clientData(t *testing.T) {
	replicas(t, func(t *testing.T, srv *assetpaytest.Server, _ *storetest.Memory, a, b *assetpay.Client) {
		data := assetpay.ClientData{TotalWager: 12.5, KYCLevel: 3, FiatDeposits: true, KYCHash: "h", RegistrationDate: time.Now()}
		first := token(t, a.TokenSource(with(data)))
		testkit.Equal(t, "same data", token(t, b.TokenSource(with(data))).Value(), first.Value())
		data.TotalWager++
		if next := token(t, b.TokenSource(with(data))); next.Value() == first.Value() {
			t.Error("a token for other data was used")
		}
		testkit.Equal(t, "exchanges", srv.Count(exchange), 2)
	})
}

// Exchanges do no harm to each other: while the store fails, each replica makes its
// own.
func TestStore_unavailable(t *testing.T) {
	replicas(t, func(t *testing.T, srv *assetpaytest.Server, store *storetest.Memory, a, b *assetpay.Client) {
		store.FailNext(1 << 30)
		inventory(t, a)
		inventory(t, b)
		testkit.Equal(t, "exchanges", srv.Count(exchange), 2)
	})
}

func TestStore_storeKey(t *testing.T) {
	replicas(t, func(t *testing.T, _ *assetpaytest.Server, store *storetest.Memory, a, b *assetpay.Client) {
		inventory(t, a)
		value, err := store.Load(t.Context(), b.StoreKey(user()))
		if err != nil || value == nil {
			t.Errorf("the register holds %d bytes, %v", len(value), err)
		}
	})
}

func TestStore_wrongConfig(t *testing.T) {
	srv := assetpaytest.NewServer(assetpaytest.Options{})
	defer srv.Close()
	cfg := srv.Config()
	sharing(new(storetest.Memory))(&cfg)
	provider.CheckConfig(t, cfg)
	local(&cfg)
	provider.CheckConfig(t, cfg, "Store")
}
