package transport_test

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/providerauth/providerauth-go/internal/header"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/internal/transport"
)

func TestHeaderNamesGoOutAsSpelled(t *testing.T) {
	socket := testkit.NewSocket(t, "")
	c := transport.New(transport.Config{BaseURL: parse(t, socket.URL+"/v1")})
	defer c.CloseIdle()
	call := post(transport.Once)
	call.Signer = signer(func(_ context.Context, r *http.Request, _ []byte) error {
		r.Header["SIGN"] = []string{"old"}
		r.Header.Set("sign", "older")
		r.Header.Add("api-key", "old")
		r.Header["MERCHANT_ID"] = []string{"old", "older"}
		header.Set(r.Header, "sign", "s")
		header.Set(r.Header, "timestamp", "1")
		header.Set(r.Header, "Api-key", "k")
		header.Set(r.Header, "merchant_id", "m")
		header.Set(r.Header, "User-Agent", "own")
		return nil
	})
	if _, err := c.Do(t.Context(), call); err != nil {
		t.Fatal(err)
	}
	got := socket.Lines()
	request, headers := got[0], got[1:]
	slices.SortFunc(headers, func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) })
	want := []string{
		"Accept-Encoding: gzip",
		"Accept: application/json",
		"Api-key: k",
		"Content-Length: 8",
		"Content-Type: application/json",
		"Host: " + strings.TrimPrefix(socket.URL, "http://"),
		"merchant_id: m",
		"sign: s",
		"timestamp: 1",
		"User-Agent: own",
	}
	testkit.Equal(t, "request line", request, "POST /v1/orders HTTP/1.1")
	testkit.Equal(t, "headers", headers, want)
}

// The library's PrepareRetry is not called for the first attempt, and sees the
// header map of the one before.
func TestEveryAttemptIsPreparedOnFreshHeaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent []http.Header
		c := client(t, testkit.RoundTrip(func(r *http.Request) (*http.Response, error) {
			sent = append(sent, r.Header)
			return answer(503, ""), nil
		}), nil)
		call := post(transport.Safe)
		n := 0
		call.Signer = signer(func(_ context.Context, r *http.Request, body []byte) error {
			if n++; len(r.Header) != 3 || string(body) != `{"id":1}` {
				t.Errorf("attempt %d starts with %v and %s", n, r.Header, body)
			}
			header.Set(r.Header, "timestamp", strconv.Itoa(n))
			header.Set(r.Header, "only-in-"+strconv.Itoa(n), "yes")
			return nil
		})
		if _, err := c.Do(t.Context(), call); err == nil {
			t.Fatal("no error")
		}
		want := func(n string) http.Header {
			return http.Header{
				"Accept": {"application/json"}, "Content-Type": {"application/json"}, "User-Agent": {"providerauth-go"},
				"timestamp": {n}, "only-in-" + n: {"yes"},
			}
		}
		testkit.Equal(t, "headers", sent, []http.Header{want("1"), want("2"), want("3")})
	})
}
