package platformtoken_test

import (
	"net/http"
	"testing"

	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/platformtoken"
	"github.com/providerauth/providerauth-go/platformtoken/platformtokentest"
)

// A failure envelope under a 303 proves that the platform did not act.
func TestClient_Transfer_rejectedUnderARedirect(t *testing.T) {
	bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		token(t, c, brl)
		first := true
		srv.Intercept(func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == transfer && first {
					first = false
					platformtokentest.WriteFailure(w, http.StatusSeeOther, 9004, "no")
					return
				}
				next.ServeHTTP(w, r)
			})
		})
		_, err := c.Transfer(t.Context(), brl, platformtoken.TransferRequest{
			TxID: "tx-1", Direction: platformtoken.TransferIn, Amount: testkit.ParseAmount(t, "1"),
		})
		if err != nil {
			t.Error(err)
		}
	}, func(cfg *platformtoken.Config) {
		cfg.Rejected = func(_ string, _, code int) bool { return code == 9004 }
	})
}
