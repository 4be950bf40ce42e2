package platformtoken_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/platformtoken"
)

func TestClient_memory(t *testing.T) {
	t.Run("refused players are forgotten", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			const players = 20_000
			refusal := fmt.Sprintf(`{"isSuccess":false,"code":1,"message":%q}`, strings.Repeat("m", 12<<10))
			c := open(t, platformtoken.Config{
				BaseURL: "https://api.example.com", TenantID: 1, Secret: providerauth.StaticSecret("0123456789abcdef"),
				HTTPClient: &http.Client{Transport: testkit.Responding(http.StatusForbidden, nil, refusal)},
			})
			defer c.Close()
			before := testkit.Heap()
			for hundred := range players / 100 {
				testkit.Crowd(100, func(i int) {
					if _, err := c.Token(context.Background(), platformtoken.Player{UserID: fmt.Sprint("made up ", hundred, " ", i)}); err == nil {
						t.Error("no error")
					}
				})
			}
			during := testkit.Heap() - before
			time.Sleep(time.Hour)
			synctest.Wait()
			after := testkit.Heap() - before
			t.Logf("%d refused players: %d KiB, and %d KiB an hour later", players, during>>10, after>>10)
			if during > 18<<20 {
				t.Errorf("%d bytes for failures, want at most 16 MiB and a little", during)
			}
			if after > 2<<20 {
				t.Errorf("%d bytes are left an hour later, want at most 2 MiB", after)
			}
		})
	})
	t.Run("an error keeps little of a long answer", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			long := strings.Repeat("m", 900<<10)
			c := open(t, platformtoken.Config{
				BaseURL: "https://api.example.com", TenantID: 1, Secret: providerauth.StaticSecret("0123456789abcdef"),
				HTTPClient: &http.Client{Transport: testkit.Responding(
					http.StatusOK, http.Header{"X-Request-Id": {strings.Repeat("r", 10<<10)}}, fmt.Sprintf(`{"isSuccess":false,"code":1,"message":%q}`, long),
				)},
			})
			defer c.Close()
			_, err := c.Token(t.Context(), brl)
			e := errorIs(t, err)
			testkit.Equal(t, "message, request id, body", fmt.Sprint(len(e.Message), len(e.RequestID), len(e.Body())), "1024 128 4096")
			_, err = c.Token(t.Context(), brl)
			e = errorIs(t, err)
			testkit.Equal(t, "within the back-off", fmt.Sprint(len(e.Message), len(e.RequestID), len(e.Body())), "256 128 0")
		})
	})
	t.Run("an id of any length is an error of the call", func(t *testing.T) {
		c := open(t, platformtoken.Config{BaseURL: "https://api.example.com", TenantID: 1, Secret: providerauth.StaticSecret("0123456789abcdef")})
		defer c.Close()
		_, err := c.Token(t.Context(), platformtoken.Player{UserID: strings.Repeat("u", 257), Currency: strings.Repeat("c", 33)})
		testkit.Equal(t, "fields", errorIs(t, err, providerauth.ErrInvalidRequest).Fields, map[string]string{
			"UserID": "must have at most 256 characters", "Currency": "must have at most 32 characters",
		})
	})
}
