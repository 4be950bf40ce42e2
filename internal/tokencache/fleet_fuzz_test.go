package tokencache_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/providerauth/providerauth-go/integrations/storetest"
	"github.com/providerauth/providerauth-go/internal/seal"
	"github.com/providerauth/providerauth-go/internal/tokencache"
)

// FuzzRecord has records of any content in the store, as another build may write
// them. A caller gets a token that the provider has issued or the record holds, or an
// error, and no later than its context says.
func FuzzRecord(f *testing.F) {
	for _, content := range []string{
		``, `{}`, `null`, `[]`, `{"g":1}`,
		`{"g":7,"t":{"Scope":"","Value":"V"},"e":946688400000,"f":3600000,"r":300000,"m":10000}`,
		`{"g":7,"t":{"Scope":"other","Value":"V"},"e":946688400000,"f":3600000,"r":300000,"m":10000,"s":true,"a":946684900000}`,
		`{"g":4294967295,"t":"V","e":-1,"f":9223372036854775807,"r":-9223372036854775808,"m":70000,"n":-5,"u":-1,"b":9223372036854775807}`,
		`{"l":{"o":"x","t":9223372036854775807}}`, `{"l":{"o":"x","t":-1}}`, `{"a":9223372036854775807,"c":-1,"n":99999}`,
	} {
		f.Add(content, uint8(0))
		f.Add(content, uint8(1))
		f.Add(content, uint8(2))
	}
	keys, err := seal.NewKeys([]string{testStoreKey})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, content string, mode uint8) {
		synctest.Test(t, func(t *testing.T) {
			name := testCodec{}.Register("p")
			value, err := keys.Seal(1, name, []byte(content))
			if err != nil {
				t.Fatal(err)
			}
			store := new(storetest.Memory)
			if _, err := store.Swap(t.Context(), name, nil, value, time.Hour); err != nil {
				t.Fatal(err)
			}
			p := newPlanet(time.Hour)
			fl := &fleet{planet: p, store: store}
			c := fl.join(t, tokencache.Mode(mode%3))
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			begun := time.Now()
			for range 3 {
				tok, err := c.Get(ctx, "p", "")
				if err == nil && tok.value == "" {
					t.Error("an empty token")
				}
				c.Invalidate("p", id(tok.value))
				time.Sleep(time.Second)
			}
			if waited := time.Since(begun); waited > time.Minute+3*time.Second {
				t.Errorf("waited %v", waited)
			}
		})
	})
}
