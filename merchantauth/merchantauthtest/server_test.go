package merchantauthtest_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/merchantauth"
	"github.com/providerauth/providerauth-go/merchantauth/merchantauthtest"
)

// bubble runs f with a server in simulated time.
func bubble(t *testing.T, opt merchantauthtest.Options, f func(t *testing.T, srv *merchantauthtest.Server)) {
	t.Helper()
	testkit.Bubble(t, merchantauthtest.NewServer, opt, f)
}

// post returns what the server answers to a POST: the status and the body.
// headers are pairs; Content-Type is JSON unless they say otherwise.
func post(t *testing.T, srv *merchantauthtest.Server, path, body string, headers ...string) string {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, srv.URL()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header[headers[i]] = append(r.Header[headers[i]], headers[i+1])
	}
	if r.Header["Content-Type"] == nil {
		r.Header.Set("Content-Type", "application/json")
	}
	resp, err := srv.Client().Do(r)
	if err != nil {
		return "no answer"
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return "cut off"
	}
	return fmt.Sprint(resp.StatusCode, " ", string(b))
}

type tokens struct {
	AccessToken, RefreshToken string
	ExpiresIn                 int64
}

const credentials = `{"token":"owner@merchant.example","password":"password-1"}`

func login(t *testing.T, srv *merchantauthtest.Server) tokens {
	t.Helper()
	return granted(t, post(t, srv, "/v2/auth/login", credentials, "merchant_id", "merchant-1"))
}

func refresh(t *testing.T, srv *merchantauthtest.Server, token string) string {
	t.Helper()
	return post(t, srv, "/v2/auth/refresh", `{"refreshToken":"`+token+`"}`, "merchant_id", "merchant-1")
}

func granted(t *testing.T, answer string) (got tokens) {
	t.Helper()
	_, body, _ := strings.Cut(answer, " ")
	var envelope struct{ Data *tokens }
	if json.Unmarshal([]byte(body), &envelope) != nil || envelope.Data == nil {
		t.Fatalf("no tokens: %s", answer)
	}
	return *envelope.Data
}

func TestRequestsThatBreakTheRulesAreRefused(t *testing.T) {
	const (
		create   = `{"email":"a@b.c","firstName":"A","lastName":"B","country":"FR","verificationDocumentId":"D","residenceAddress":"E"}`
		request  = `400 {"errors":[{"code":"BAD_REQUEST","message":"%s"}]}`
		refused  = `401 {"errors":[{"code":"INVALID_CREDENTIALS","message":"%s"}]}`
		unauth   = `401 {"errors":[{"code":"UNAUTHORIZED","message":"%s"}]}`
		noJWT    = `401 {"errors":[{"code":"UNAUTHORIZED","message":{"name":"JsonWebTokenError","message":"invalid signature"}}]}`
		merchant = "merchant_id"
	)
	for name, tc := range map[string]struct {
		path, body string
		headers    []string
		want       string
	}{
		"login without merchant_id":      {"/v2/auth/login", credentials, nil, fmt.Sprintf(request, "merchant_id is required")},
		"login with two":                 {"/v2/auth/login", credentials, []string{merchant, "merchant-1", merchant, "merchant-1"}, fmt.Sprintf(request, "merchant_id is required")},
		"login with a hyphen":            {"/v2/auth/login", credentials, []string{"merchant-id", "merchant-1"}, fmt.Sprintf(request, "merchant_id is required")},
		"login of another merchant":      {"/v2/auth/login", credentials, []string{merchant, "x"}, fmt.Sprintf(refused, "Merchant not found")},
		"login with a bearer":            {"/v2/auth/login", credentials, []string{merchant, "merchant-1", "Authorization", "Bearer x"}, fmt.Sprintf(request, "this call has no credential in its headers")},
		"login with a wrong password":    {"/v2/auth/login", `{"token":"owner@merchant.example","password":"x"}`, []string{merchant, "merchant-1"}, fmt.Sprintf(refused, "Invalid credentials")},
		"login with email":               {"/v2/auth/login", `{"email":"owner@merchant.example","password":"password-1"}`, []string{merchant, "merchant-1"}, fmt.Sprintf(refused, "Invalid credentials")},
		"login with no JSON":             {"/v2/auth/login", `token=x`, []string{merchant, "merchant-1"}, fmt.Sprintf(request, "the body is not the JSON object that this call takes")},
		"refresh without merchant_id":    {"/v2/auth/refresh", `{"refreshToken":"x"}`, nil, fmt.Sprintf(request, "merchant_id is required")},
		"refresh with an unknown token":  {"/v2/auth/refresh", `{"refreshToken":"x"}`, []string{merchant, "merchant-1"}, fmt.Sprintf(refused, "Invalid token")},
		"create without a credential":    {"/v2/customer/create", create, nil, fmt.Sprintf(unauth, "one of Authorization and Api-key is required")},
		"create with both":               {"/v2/customer/create", create, []string{"Api-key", "api-key-1", "Authorization", "Bearer x"}, fmt.Sprintf(unauth, "one of Authorization and Api-key is required")},
		"create with a wrong key":        {"/v2/customer/create", create, []string{"Api-key", "x"}, fmt.Sprintf(unauth, "Invalid API key")},
		"create with an unknown token":   {"/v2/customer/create", create, []string{"Authorization", "Bearer x"}, noJWT},
		"create with another scheme":     {"/v2/customer/create", create, []string{"Authorization", "Basic x"}, noJWT},
		"create with merchant_id":        {"/v2/customer/create", create, []string{"Api-key", "api-key-1", merchant, "merchant-1"}, fmt.Sprintf(request, "merchant_id belongs to login and refresh only")},
		"create without an address":      {"/v2/customer/create", strings.Replace(create, `"E"`, `""`, 1), []string{"Api-key", "api-key-1"}, fmt.Sprintf(request, "a required field is missing")},
		"create with a country by name":  {"/v2/customer/create", strings.Replace(create, `"FR"`, `"France"`, 1), []string{"Api-key", "api-key-1"}, fmt.Sprintf(request, "a required field is missing")},
		"create with a wrong type":       {"/v2/customer/create", `[]`, []string{"Api-key", "api-key-1"}, fmt.Sprintf(request, "the body is not the JSON object that this call takes")},
		"details with no JSON":           {"/v2/customer/details", `x`, []string{"Api-key", "api-key-1"}, fmt.Sprintf(request, "the body is not the JSON object that this call takes")},
		"find with take as a text":       {"/v2/customer/find", `{"take":"1"}`, []string{"Api-key", "api-key-1"}, fmt.Sprintf(request, "the body is not the JSON object that this call takes")},
		"create with another media type": {"/v2/customer/create", create, []string{"Api-key", "api-key-1", "Content-Type", "text/plain"}, fmt.Sprintf(request, "the body must be application/json")},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server) {
				testkit.Equal(t, "answer", post(t, srv, tc.path, tc.body, tc.headers...), tc.want)
				testkit.Equal(t, "granted", fmt.Sprint(srv.Logins(), srv.Refreshes(), srv.Customers()), "0 0 0")
			})
		})
	}
}

func TestAccessTokenExpiresAsKunasPageShows(t *testing.T) {
	bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server) {
		got := login(t, srv)
		testkit.Equal(t, "expiresIn is a deadline", got.ExpiresIn, time.Now().Add(30*time.Minute).Unix())
		find := func() string {
			return post(t, srv, "/v2/customer/find", `{}`, "Authorization", "Bearer "+got.AccessToken)
		}
		time.Sleep(30*time.Minute - time.Nanosecond)
		testkit.Equal(t, "before", find(), `200 {"data":[]}`)
		time.Sleep(time.Nanosecond)
		testkit.Equal(t, "then", find(), `401 {"errors":[{"code":"UNAUTHORIZED","message":{"name":"TokenExpiredError","message":"jwt expired","expiredAt":"2000-01-01T00:30:00.000Z"}}]}`)
		time.Sleep(48*time.Hour - 30*time.Minute)
		testkit.Equal(t, "refresh", refresh(t, srv, got.RefreshToken), `401 {"errors":[{"code":"REFRESH_TOKEN_EXPIRED","message":"Invalid token"}]}`)
	})
}

func TestRefreshTokensBehaveAsTheModeSays(t *testing.T) {
	for name, tc := range map[string]struct {
		mode  merchantauthtest.RefreshMode
		again bool // the old one stays good
		next  func(old, answered string) bool
	}{
		"rotates": {merchantauthtest.RefreshRotates, false, func(old, answered string) bool { return answered != "" && answered != old }},
		"repeats": {merchantauthtest.RefreshRepeats, true, func(old, answered string) bool { return answered == old }},
		"omits":   {merchantauthtest.RefreshOmits, true, func(_, answered string) bool { return answered == "" }},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, merchantauthtest.Options{Refresh: tc.mode}, func(t *testing.T, srv *merchantauthtest.Server) {
				first := login(t, srv)
				second := granted(t, refresh(t, srv, first.RefreshToken))
				if !tc.next(first.RefreshToken, second.RefreshToken) || second.AccessToken == first.AccessToken {
					t.Errorf("got %v after %v", second, first)
				}
				testkit.Equal(t, "the old one is good", strings.HasPrefix(refresh(t, srv, first.RefreshToken), "200"), tc.again)
			})
		})
	}
}

func TestReplayIsARefreshTokenSentAfterItsSuccessorWasUsed(t *testing.T) {
	for name, use := range map[string]func(*testing.T, *merchantauthtest.Server, tokens){
		"for a call": func(t *testing.T, srv *merchantauthtest.Server, x tokens) {
			post(t, srv, "/v2/customer/find", `{}`, "Authorization", "Bearer "+x.AccessToken)
		},
		"for a refresh": func(t *testing.T, srv *merchantauthtest.Server, x tokens) { refresh(t, srv, x.RefreshToken) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server) {
				first := login(t, srv)
				second := granted(t, refresh(t, srv, first.RefreshToken))
				refresh(t, srv, first.RefreshToken)
				testkit.Equal(t, "replays before its use", srv.Replays(), 0) // the answer may have been lost
				use(t, srv, second)
				refresh(t, srv, first.RefreshToken)
				testkit.Equal(t, "replays", srv.Replays(), 1)
			})
		})
	}
}

func TestServer_Replays(t *testing.T) {
	t.Run("a refresh that is acted on late is none", func(t *testing.T) {
		bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server) {
			first := login(t, srv)
			srv.ActLate(1, time.Minute)
			testkit.Equal(t, "answer", refresh(t, srv, first.RefreshToken), "no answer")
			second := granted(t, refresh(t, srv, first.RefreshToken))
			post(t, srv, "/v2/customer/find", `{}`, "Authorization", "Bearer "+second.AccessToken)
			time.Sleep(2 * time.Minute)
			testkit.Equal(t, "replays", srv.Replays(), 0)
		})
	})
}

func TestServer_FaultsLeft(t *testing.T) {
	t.Run("counts the faults that no request has used up", func(t *testing.T) {
		bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server) {
			testkit.Equal(t, "at first", srv.FaultsLeft(), 0)
			srv.FailNext(2, 503, nil)
			srv.Reset(1)
			testkit.Equal(t, "asked for", srv.FaultsLeft(), 2)
			refresh(t, srv, "x")
			testkit.Equal(t, "after a request", srv.FaultsLeft(), 2)
			refresh(t, srv, "x")
			testkit.Equal(t, "after two", srv.FaultsLeft(), 1)
		})
	})
}

func TestOptionsChooseWhatIsNotDocumented(t *testing.T) {
	opt := merchantauthtest.Options{Status: 201, ErrorStatus: 200, RefusalCode: "E42", WrapFound: true, OpaqueRefresh: true}
	bubble(t, opt, func(t *testing.T, srv *merchantauthtest.Server) {
		got := post(t, srv, "/v2/auth/login", credentials, "merchant_id", "merchant-1")
		testkit.Equal(t, "status of a success", got[:3], "201")
		testkit.Equal(t, "segments of an opaque token", len(strings.Split(granted(t, got).RefreshToken, ".")), 1)
		testkit.Equal(t, "refusal", refresh(t, srv, "x"), `200 {"errors":[{"code":"E42","message":"Invalid token"}]}`)
		testkit.Equal(t, "found", post(t, srv, "/v2/customer/find", `{}`, "Api-key", "api-key-1"), `201 {"data":{"items":[],"total":0}}`)
		srv.SetPassword("new")
		testkit.Equal(t, "old password", post(t, srv, "/v2/auth/login", credentials, "merchant_id", "merchant-1"), `200 {"errors":[{"code":"E42","message":"Invalid credentials"}]}`)
	})
}

func TestFaultsAreForwarded(t *testing.T) {
	bubble(t, merchantauthtest.Options{}, func(t *testing.T, srv *merchantauthtest.Server) {
		find := func() string { return post(t, srv, "/v2/customer/find", `{}`, "Api-key", "api-key-1") }
		const good = `200 {"data":[]}`
		srv.FailNext(1, 503, http.Header{"Retry-After": {"1"}})
		testkit.Equal(t, "FailNext", find()[:3], "503")
		srv.LoseAnswers(1)
		testkit.Equal(t, "LoseAnswers", find(), "no answer")
		srv.Truncate(1)
		testkit.Equal(t, "Truncate", find(), "cut off")
		srv.Reset(1)
		testkit.Equal(t, "Reset", find(), "no answer")
		srv.ActLate(1, time.Second)
		testkit.Equal(t, "ActLate", post(t, srv, "/v2/auth/login", credentials, "merchant_id", "merchant-1"), "no answer")
		testkit.Equal(t, "logins at once", srv.Logins(), 0)
		time.Sleep(2 * time.Second)
		testkit.Equal(t, "logins later", srv.Logins(), 1)
		srv.Delay(time.Second)
		start := time.Now()
		testkit.Equal(t, "Delay", find(), good)
		testkit.Equal(t, "it took", time.Since(start), time.Second)
		srv.Delay(0)
		srv.Intercept(func(http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				merchantauthtest.WriteError(w, 418, "TEAPOT", map[string]string{"name": "X"})
			})
		})
		testkit.Equal(t, "Intercept", find(), `418 {"errors":[{"code":"TEAPOT","message":{"name":"X"}}]}`)
		srv.Intercept(nil)
		srv.SetClockOffset(time.Hour)
		testkit.Equal(t, "SetClockOffset", login(t, srv).ExpiresIn, time.Now().Add(90*time.Minute).Unix())
		testkit.Equal(t, "requests", srv.Count("/v2/customer/find"), 6)
		testkit.Equal(t, "requests kept", len(srv.Requests()), 8)
	})
}

func TestClientOfTheConfigurationsReachesTheServerOverASocket(t *testing.T) {
	srv := merchantauthtest.NewServer(merchantauthtest.Options{})
	defer srv.Close()
	for _, cfg := range []merchantauth.Config{srv.Config(), srv.KeyConfig()} {
		c, err := merchantauth.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.Call(t.Context(), http.MethodGet, "/v2/rate/equivalent", nil, nil); err != nil {
			t.Error(err)
		}
	}
	testkit.Equal(t, "logins", srv.Logins(), 1)
}

func TestStart(t *testing.T) { testkit.Started(t, merchantauthtest.Start) }
