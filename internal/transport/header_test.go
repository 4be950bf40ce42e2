package transport_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

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
	if diff := cmp.Diff(want, headers); diff != "" || request != "POST /v1/orders HTTP/1.1" {
		t.Errorf("%s\n(-want +got)\n%s", request, diff)
	}
}
