package partnerjwt_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/partnerjwt"
	"github.com/providerauth/providerauth-go/partnerjwt/partnerjwttest"
)

func TestError_Retryable(t *testing.T) {
	for _, status := range []int{408, 500, 502, 503} {
		t.Run(fmt.Sprint("a caller who repeats while it is ok trades once, answered a failure under ", status), func(t *testing.T) {
			bubble(t, func(t *testing.T, srv *partnerjwttest.Server, c *partnerjwt.Client) {
				srv.FailActed(3, status, http.Header{"Retry-After": {"1"}})
				errorIs(t, testkit.Repeat(func(int) error { return trade(t.Context(), c) }), providerauth.ErrAmbiguous)
				testkit.Equal(t, "trades", srv.Trades(), 1)
			})
		})
	}
}

func TestClient_HTTPClient(t *testing.T) {
	t.Run("a trade with an Idempotency-Key is made once if its connection ends without an answer", func(t *testing.T) {
		bubble(t, func(t *testing.T, srv *partnerjwttest.Server, c *partnerjwt.Client) {
			portfolio(t, c) // whose connection is kept
			srv.LoseAnswers(2)
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL()+"/trade", strings.NewReader(`{"ticker":"AAPL","orderSide":"BUY"}`))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Idempotency-Key", "order-1")
			if resp, err := c.HTTPClient().Do(r); err == nil {
				resp.Body.Close()
				t.Error("no error")
			}
			testkit.Equal(t, "trades", srv.Trades(), 1)
		})
	})
}

// adding is a RoundTripper of an operator that adds an idempotency key.
type adding struct{ next http.RoundTripper }

func (a adding) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("X-Idempotency-Key", "1")
	return a.next.RoundTrip(r)
}

func TestClient_Call_keyOfTheOperator(t *testing.T) {
	bubble(t, func(t *testing.T, srv *partnerjwttest.Server, c *partnerjwt.Client) {
		portfolio(t, c) // whose connection is kept
		srv.LoseAnswers(2)
		errorIs(t, trade(t.Context(), c), providerauth.ErrAmbiguous)
		testkit.Equal(t, "trades", srv.Trades(), 1)
	}, func(cfg *partnerjwt.Config) {
		cfg.HTTPClient = &http.Client{Transport: adding{cfg.HTTPClient.Transport}}
	})
}

func TestClient_Portfolio_failureUnderASuccess(t *testing.T) {
	bubble(t, func(t *testing.T, srv *partnerjwttest.Server, c *partnerjwt.Client) {
		srv.Intercept(testkit.Always(http.StatusOK, nil, `{"code":"NO_FUNDS","message":"there is none"}`))
		_, err := c.Portfolio(t.Context())
		e := errorIs(t, err)
		testkit.Equal(t, "code, message", []string{e.Code, e.Message}, []string{"NO_FUNDS", "there is none"})
	})
}

// An Error that is no pointer has the same fields, and hides them alike.
func TestError_value(t *testing.T) {
	e := partnerjwt.Error{Op: "Call", Message: "quotes the request"}
	if s := testkit.Marshalled(e) + fmt.Sprintf("%v %+v %#v %d", e, e, e, e); strings.Contains(s, "quotes") {
		t.Error(s)
	}
}
