package platformtoken_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/platformtoken"
	"github.com/providerauth/providerauth-go/platformtoken/platformtokentest"
)

func TestAnswersAreJudgedByStatusFlagAndCode(t *testing.T) {
	const (
		success   = "success"
		refused   = "refused"   // a failure envelope: the platform did not act
		unusable  = "unusable"  // ErrBadResponse, and ambiguous
		ambiguous = "ambiguous" // nobody knows
		plain     = "plain"     // an error that says no more than its status
	)
	for _, tc := range []struct {
		status int
		body   string
		want   string
		code   int
	}{
		{200, `{"isSuccess":true,"code":0,"data":{"x":1}}`, success, 0},
		{201, `{"isSuccess":true,"code":0,"data":{"x":1},"new":[]}`, success, 0},
		{200, `{"isSuccess":true,"data":{"x":1}}`, success, 0},
		{200, `{"isSuccess":true,"code":null,"data":{"x":1}}`, success, 0},
		{200, `{"isSuccess":true,"code":"0","data":{"x":1}}`, success, 0},
		{200, `{"isSuccess":true,"code":0.0,"data":{"x":1}}`, success, 0},
		{200, `{"isSuccess":true,"code":0,"message":{},"data":{"x":1}}`, success, 0},

		{200, `{"isSuccess":true,"code":7,"data":{"x":1}}`, unusable, 0},
		{200, `{"isSuccess":true,"code":"x","data":{"x":1}}`, unusable, 0},
		{200, `{"isSuccess":true,"code":{},"data":{"x":1}}`, unusable, 0},
		{200, `{"isSuccess":true,"code":0}`, unusable, 0},
		{200, `{"isSuccess":true,"code":0,"data":null}`, unusable, 0},
		{200, `{"isSuccess":true,"code":0,"data":{"x":"1"}}`, unusable, 0},
		{200, `{"isSuccess":true,"code":0,"data":[1]}`, unusable, 0},
		{200, `{"code":0,"data":{"x":1}}`, unusable, 0},
		{200, `{"isSuccess":null,"code":0,"data":{"x":1}}`, unusable, 0},
		{200, `{"isSuccess":"true","code":0,"data":{"x":1}}`, unusable, 0},
		{200, `{"isSuccess":1,"code":0,"data":{"x":1}}`, unusable, 0},
		{200, `{"isSuccess":"false","code":7}`, unusable, 0},
		{200, ``, unusable, 0},
		{204, ``, unusable, 0},
		{200, `[]`, unusable, 0},
		{200, `null`, unusable, 0},
		{200, `<html>`, unusable, 0},
		{200, `{"isSuccess":true,"code":0,"data":{"x":1}}{}`, unusable, 0},
		{200, `{"isSuccess":true,"code":0,"data":{"x":1}`, unusable, 0},

		{200, `{"isSuccess":false,"code":2014,"message":"m"}`, refused, 2014},
		{200, `{"isSuccess":false,"code":2014,"message":"m","data":{"x":1}}`, refused, 2014},
		{200, `{"isSuccess":false,"code":"2014","message":"m"}`, refused, 2014},
		{200, `{"isSuccess":false,"code":1e300,"message":"m"}`, refused, 0},
		{200, `{"isSuccess":false,"code":0,"message":"m"}`, refused, 0},
		{200, `{"isSuccess":false,"message":"m"}`, refused, 0},
		{400, `{"isSuccess":false,"code":3,"message":"m"}`, refused, 3},
		{403, `{"isSuccess":false,"code":3,"message":"m"}`, refused, 3},
		{302, `{"isSuccess":false,"code":3,"message":"m"}`, refused, 3},

		{408, `{"isSuccess":false,"code":3,"message":"m"}`, ambiguous, 3},
		{500, `{"isSuccess":false,"code":3,"message":"m"}`, ambiguous, 3},
		{503, `{"isSuccess":false,"code":3,"message":"m"}`, ambiguous, 3},
		{500, `{"isSuccess":true,"code":0,"data":{"x":1}}`, ambiguous, 0},
		{502, `<html>`, ambiguous, 0},
		{504, ``, ambiguous, 0},
		{408, ``, ambiguous, 0},
		{400, `{"isSuccess":true,"code":0,"data":{"x":1}}`, plain, 0},
		{404, `<html>`, plain, 0},
		{401, ``, plain, 0},
		{302, ``, plain, 0},
	} {
		t.Run(fmt.Sprint(tc.status, " ", tc.body), func(t *testing.T) {
			bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
				token(t, c, brl)
				answering(srv, tc.status, tc.body)
				for name, call := range map[string]func(out any) error{
					"Call":    func(out any) error { return c.Call(t.Context(), http.MethodPost, "/x", nil, out) },
					"CallFor": func(out any) error { return c.CallFor(t.Context(), brl, http.MethodPost, "/x", nil, out) },
				} {
					if name == "CallFor" && tc.status == http.StatusUnauthorized {
						continue // needs another token
					}
					var out struct{ X int }
					err := call(&out)
					if tc.want == success {
						if err != nil || out.X != 1 {
							t.Errorf("%s: got %v, %v", name, out, err)
						}
						continue
					}
					e := errorIs(t, err)
					got := plain
					switch {
					case e.Message == "m" && !e.Ambiguous():
						got = refused
					case e.Ambiguous() && e.StatusCode < 300 && errors.Is(e, providerauth.ErrBadResponse):
						got = unusable
					case e.Ambiguous():
						got = ambiguous
					}
					testkit.Equal(t, name, fmt.Sprint(got, e.StatusCode, e.Code, e.Attempts), fmt.Sprint(tc.want, tc.status, tc.code, 1))
					if _, ok := e.Retryable(); ok && tc.want != refused {
						t.Errorf("%s: retryable", name)
					}
					if tc.body != "" && tc.want != unusable && e.Body() != tc.body {
						t.Errorf("%s: body %q", name, e.Body())
					}
				}
			})
		})
	}
}

func TestDataMayBeAnObjectAnArrayOrAString(t *testing.T) {
	for data, out := range map[string]any{`{"a":1}`: &map[string]int{}, `[1,2]`: &[]int{}, `"s"`: new(string), `12.50`: &providerauth.Number{}} {
		bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
			answering(srv, 200, `{"isSuccess":true,"code":0,"data":`+data+`}`)
			if err := c.Call(t.Context(), http.MethodPost, "/x", nil, out); err != nil {
				t.Errorf("%s: %v", data, err)
			}
			got, err := json.Marshal(out)
			if err != nil || strings.TrimSuffix(string(got), "0") != strings.TrimSuffix(data, "0") {
				t.Errorf("%s: got %s, %v", data, got, err)
			}
		})
	}
}

func TestCallWithoutAnOutNeedsNoData(t *testing.T) {
	bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
		in := struct {
			TenantID int64  `json:"tenantId"`
			UserID   string `json:"userId"`
			NickName string `json:"nickName"`
		}{1, "u", "n"}
		if err := c.Call(t.Context(), http.MethodPost, "/player/register", in, nil); err != nil {
			t.Error(err)
		}
	})
}

func TestGETIsRepeatedAndPOSTIsNot(t *testing.T) {
	for method, want := range map[string]int{http.MethodGet: 3, http.MethodPost: 1} {
		bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
			srv.FailNext(3, http.StatusBadGateway, nil)
			e := errorIs(t, c.Call(t.Context(), method, "/x", nil, nil))
			testkit.Equal(t, method, e.Attempts, want)
		})
	}
}

// FuzzEnvelope looks for answers that are a success and a refusal at once, and
// for successes that do not say so.
func FuzzEnvelope(f *testing.F) {
	for _, s := range []string{
		`{"isSuccess":true,"code":0,"data":{"token":"x"}}`, `{"isSuccess":false,"code":2014,"message":"m","data":{}}`,
		`{"isSuccess":true,"code":"0"}`, `{"ISSUCCESS":true,"isSuccess":false}`, `[]`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var data any
		err := platformtoken.Open(body, &data)
		code, message, refused := platformtoken.ReadRefusal(body)
		if err == nil && refused {
			t.Fatalf("%q is both", body)
		}
		if !refused && (code != 0 || message != "") {
			t.Fatalf("%q is no refusal, and has %d %q", body, code, message)
		}
		if err != nil {
			return
		}
		var e struct {
			IsSuccess any
			Data      any
		}
		if json.Unmarshal(body, &e) != nil || e.IsSuccess != true || e.Data == nil {
			t.Fatalf("%q is no success", body)
		}
	})
}
