package assetpay_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/assetpay"
	"github.com/providerauth/providerauth-go/assetpay/assetpaytest"
	"github.com/providerauth/providerauth-go/internal/testkit"
)

// unsigned is a token with the given claims that nobody can verify.
func unsigned(claims string) string {
	enc := base64.RawURLEncoding.EncodeToString
	return enc([]byte(`{"alg":"HS256"}`)) + "." + enc([]byte(claims)) + ".c2ln"
}

func TestExpiryIsTheEarlierOfItsOwnAndADayAfterReceipt(t *testing.T) {
	const day = 24 * time.Hour
	const now = 946684800 // when a bubble starts
	for name, tc := range map[string]struct {
		token   string
		want    time.Duration
		assumed bool
		warned  bool
	}{
		"the page's year":          {unsigned(fmt.Sprintf(`{"iat":%d,"exp":%d}`, now, now+31536000)), day, false, false},
		"a day":                    {unsigned(fmt.Sprintf(`{"iat":%d,"exp":%d}`, now, now+86400)), day, false, false},
		"an hour":                  {unsigned(fmt.Sprintf(`{"iat":%d,"exp":%d}`, now, now+3600)), time.Hour, false, false},
		"no exp":                   {unsigned(`{"iat":946684800}`), day, true, true},
		"exp past, iat before it":  {unsigned(fmt.Sprintf(`{"iat":%d,"exp":%d}`, now-7200, now-3600)), time.Hour, false, true},
		"exp past, nbf before it":  {unsigned(fmt.Sprintf(`{"nbf":%d,"exp":%d}`, now-7200, now-3600)), time.Hour, false, true},
		"exp past, no iat":         {unsigned(fmt.Sprintf(`{"exp":%d}`, now-1)), day, true, true},
		"exp in the year 9999":     {unsigned(`{"exp":253402300799}`), day, true, true},
		"exp beyond all calendars": {unsigned(`{"exp":1e300}`), day, true, true},
		"exp a text":               {unsigned(`{"exp":"tomorrow"}`), day, true, true},
		"an opaque token":          {"opaque-token", day, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
				answering(srv, 200, nil, `{"requestId":"r","success":true,"data":{"token":"`+tc.token+`"}}`)
				tok := token(t, c.TokenSource(user()))
				testkit.Equal(t, "value", tok.Value(), tc.token)
				testkit.Equal(t, "lives", time.Until(tok.ExpiresAt), tc.want)
				testkit.Equal(t, "assumed", tok.ExpiryAssumed, tc.assumed)
				testkit.Equal(t, "warned", strings.Contains(log.String(), "expiry"), tc.warned)
				if strings.Contains(log.String(), tc.token) {
					t.Error("the log has the token")
				}
				// It is kept, and replaced in time.
				time.Sleep(tc.want / 2)
				token(t, c.TokenSource(user()))
				testkit.Equal(t, "requests", srv.Count(exchange), 1)
				time.Sleep(tc.want/2 - 5*time.Second)
				token(t, c.TokenSource(user()))
				testkit.Equal(t, "requests", srv.Count(exchange), 2)
			}, func(cfg *assetpay.Config) {
				cfg.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
			})
		})
	}
}

func TestExpiryIsJudgedByTheProvidersClock(t *testing.T) {
	for _, offset := range []time.Duration{-3 * time.Hour, 3 * time.Hour} {
		bubble(t, assetpaytest.Options{TokenLifetime: 2 * time.Hour}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
			srv.SetClockOffset(offset)
			tok := token(t, c.TokenSource(user()))
			if left := time.Until(tok.ExpiresAt); (left - 2*time.Hour).Abs() > 2*time.Second {
				t.Errorf("offset %v: the token is said to live %v, want 2h", offset, left)
			}
			for range 20 {
				time.Sleep(20 * time.Minute)
				inventory(t, c)
			}
			testkit.Equal(t, "invalidations", c.Stats().Invalidations, 0)
		})
	}
}

func TestAYearLongTokenIsReplacedWithinADay(t *testing.T) {
	bubble(t, assetpaytest.Options{TokenLifetime: 365 * 24 * time.Hour}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
		for range 24 * 10 {
			inventory(t, c)
			time.Sleep(time.Hour)
		}
		if n := srv.Count(exchange); n < 10 || n > 15 {
			t.Errorf("%d exchanges in ten days", n)
		}
		testkit.Equal(t, "calls", srv.Count("/client/inventory"), 240)
	})
}

func TestUnusableAnswerIsNoToken(t *testing.T) {
	ok := func(data string) string { return `{"requestId":"r","success":true,"data":` + data + `}` }
	for name, tc := range map[string]struct {
		status int
		body   string
	}{
		"no data":                 {200, `{"requestId":"r","success":true}`},
		"data null":               {200, ok(`null`)},
		"data an array":           {200, ok(`[]`)},
		"no token":                {200, ok(`{}`)},
		"token null":              {200, ok(`{"token":null}`)},
		"token empty":             {200, ok(`{"token":""}`)},
		"token a number":          {200, ok(`{"token":7}`)},
		"token with a newline":    {200, ok(`{"token":"abc\n"}`)},
		"token with white space":  {200, ok(`{"token":"abc def"}`)},
		"token beyond ASCII":      {200, ok(`{"token":"é"}`)},
		"token of 16385":          {200, ok(`{"token":"` + strings.Repeat("a", 16385) + `"}`)},
		"no success":              {200, `{"data":{"token":"abc"}}`},
		"success a text":          {200, `{"success":"true","data":{"token":"abc"}}`},
		"success false, no error": {200, `{"success":false,"data":{"token":"abc"}}`},
		"another provider's":      {200, `{"token":"abc"}`},
		"HTML":                    {200, `<html>`},
		"empty":                   {200, ``},
		"204":                     {204, ``},
		"cut":                     {200, `{"success":true,"data":{"token":"ab`},
		"two documents":           {200, ok(`{"token":"abc"}`) + `{}`},
		"an array":                {200, `[]`},
		"too large":               {200, ok(`{"token":"` + strings.Repeat("a", 1<<20) + `"}`)},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
				answering(srv, tc.status, nil, tc.body)
				resp, err := c.AuthenticateClient(t.Context(), user())
				errorIs(t, err, providerauth.ErrBadResponse, providerauth.ErrAmbiguous)
				testkit.Equal(t, "token", resp.Token.Value(), "")
				tok, err := c.Token(t.Context(), user())
				errorIs(t, err, providerauth.ErrBadResponse)
				testkit.Equal(t, "token", tok.Value(), "")
				testkit.Equal(t, "requests", srv.Count(exchange), 2)
			})
		})
	}
	t.Run("16384 characters are a token", func(t *testing.T) {
		bubble(t, assetpaytest.Options{}, func(t *testing.T, srv *assetpaytest.Server, c *assetpay.Client) {
			answering(srv, http.StatusCreated, nil, ok(`{"token":"`+strings.Repeat("a", 16384)+`"}`))
			testkit.Equal(t, "length", len(token(t, c.TokenSource(user())).Value()), 16384)
		})
	})
}
