package platformtoken_test

import (
	"encoding/json"
	"flag"
	"strings"
	"testing"
	"time"

	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/platformtoken"
	"github.com/providerauth/providerauth-go/platformtoken/platformtokentest"
)

// sample is the token on the platform's page.
const sample = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJzaWQiOiI2N2QzYzM5NzFlN2NhNDYxNWRhZWQxMjUiLCJzdWIiOiJ0MV8yMjU0NzgiLCJ0ZW5hbnQiOiIxIiwibmJmIjoxNzQxOTMxNDE1LCJleHAiOjE3NDIwMTc4MTUsImlzcyI6InRoZWEiLCJhdWQiOiJ0aGVhIn0.L1OQa7cF0iFeGXwM1yd7nMeoiHk17EwkmWO_egJxGhQMrTzvcYTgnyJjZF9RH4dx-OPtbvMzZIjf7mV1C2mcV-s2ya_GNrf_6JlRONBzuRuOlAgD_PRWmdptuyPd8cH5n0IXENMOZ3xQ4W2MIy1EMw7snKIJXuMscC82ZsrDEqQ"

// jwt is a token with these claims, which nobody can verify.
func jwt(claims string) string { return testkit.JWT(`{"alg":"RS256","typ":"JWT"}`, claims, "sig") }

// local runs f in another zone than the machine's. Its test has to be alone.
func local(t *testing.T, offset time.Duration, f func()) {
	t.Helper()
	was := time.Local
	time.Local = time.FixedZone("elsewhere", int(offset/time.Second))
	defer func() { time.Local = was }()
	f()
}

func TestSampleOfThePageIsReadInEveryZone(t *testing.T) {
	if !testkit.Alone(t) {
		return
	}
	for _, offset := range []time.Duration{0, -3 * time.Hour, 14 * time.Hour} {
		local(t, offset, func() {
			bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
				testkit.Until(1741931415) // its nbf
				answering(srv, 200, `{"isSuccess":true,"code":0,"data":{"token":"`+sample+`","expires":"2025-03-15 05:50:15"}}`)
				tok := token(t, c, brl)
				testkit.Equal(t, "token", tok.Value(), sample)
				testkit.Equal(t, "expires", tok.ExpiresAt.UTC(), time.Date(2025, 3, 15, 5, 50, 15, 0, time.UTC))
				testkit.Equal(t, "assumed", tok.ExpiryAssumed, false)
			})
		})
	}
}

func TestExpiresIsReadInEveryForm(t *testing.T) {
	if !testkit.Alone(t) {
		return
	}
	want := time.Date(2025, 3, 15, 5, 50, 15, 0, time.UTC)
	half := want.Add(500 * time.Millisecond)
	for raw, want := range map[string]time.Time{
		`"2025-03-15 05:50:15"`:          want,
		`"2025-03-15T05:50:15"`:          want,
		`"2025-03-15t05:50:15z"`:         want,
		`"2025-03-15T05:50:15Z"`:         want,
		`"2025-03-15 05:50:15Z"`:         want,
		`"2025-03-15T08:50:15+03:00"`:    want,
		`"2025-03-15 02:50:15-03:00"`:    want,
		`"2025-03-15 05:50:15.5"`:        half,
		`"2025-03-15T05:50:15.500"`:      half,
		`"2025-03-15T05:50:15.5000000Z"`: half,
		`" 2025-03-15 05:50:15 "`:        want,
		`1742017815`:                     want,
		`1742017815.5`:                   half,
		`1.742017815e9`:                  want,
		`1742017815000`:                  want,
		`1742017815500`:                  half,
		`"1742017815"`:                   want,
		`"1742017815000"`:                want,
		`9999999999`:                     time.Unix(9999999999, 0).UTC(),
		`"9999-12-31 23:59:59"`:          time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
		``:                               {},
		`null`:                           {},
		`""`:                             {},
		`"  "`:                           {},
		`0`:                              {},
		`-1`:                             {},
		`"0001-01-01 00:00:00"`:          {},
		`"0001-01-01T00:00:00"`:          {},
		`"0001-01-01T00:00:00+08:00"`:    {},
		`"1970-01-01T00:00:00Z"`:         {},
	} {
		for _, offset := range []time.Duration{0, -5 * time.Hour, 9 * time.Hour} {
			local(t, offset, func() {
				at, ok := platformtoken.ReadExpires(raw)
				if !ok || !at.Equal(want) {
					t.Errorf("%s: got %v, %v, want %v", raw, at, ok, want)
				}
			})
		}
	}
	for _, raw := range []string{
		`"soon"`, `"15/03/2025 05:50:15"`, `"2025-13-15 05:50:15"`, `"2025-02-30 05:50:15"`, `"2025-03-15"`, `true`, `{}`, `[1]`, `1e300`,
		`"0x10"`, `"NaN"`, `"Inf"`, `"1_000"`, `"+5"`, `"/Date(1742017815000)/"`, `"` + strings.Repeat("1", 100) + `"`,
	} {
		if at, ok := platformtoken.ReadExpires(raw); ok || !at.IsZero() {
			t.Errorf("%s: got %v, %v, want that it cannot be read", raw, at, ok)
		}
	}
}

func TestTokenLivesAsLongAsTheAnswerSays(t *testing.T) {
	const now = 1742000000
	for name, tc := range map[string]struct {
		token, expires string
		life           time.Duration
		assumed        bool
	}{
		"expires only":                     {"opaque", `"2025-03-15 01:53:20"`, 3600 * time.Second, false},
		"exp only":                         {jwt(`{"exp":1742003600}`), `null`, time.Hour, false},
		"both, expires earlier":            {jwt(`{"exp":1742007200}`), `1742003600`, time.Hour, false},
		"both, exp earlier":                {jwt(`{"exp":1742003600}`), `1742007200`, time.Hour, false},
		"neither":                          {"opaque", `null`, 24 * time.Hour, true},
		"expires unreadable":               {jwt(`{"exp":1742003600}`), `"soon"`, time.Hour, false},
		"expires empty DateTime":           {jwt(`{"exp":1742003600}`), `"0001-01-01 00:00:00"`, time.Hour, false},
		"expires beyond ten years":         {jwt(`{"exp":1742003600}`), `"9999-12-31 23:59:59"`, time.Hour, false},
		"expires in seconds from now":      {"opaque", `7200`, 2 * time.Hour, false},
		"the same as a text":               {"opaque", `"7200"`, 2 * time.Hour, false},
		"expires past":                     {jwt(`{"exp":1742003600}`), `"2024-01-01 00:00:00"`, time.Hour, false},
		"all beyond ten years":             {jwt(`{"exp":99999999999}`), `"9999-12-31 23:59:59"`, 24 * time.Hour, true},
		"all past":                         {"opaque", `"2024-01-01 00:00:00"`, 24 * time.Hour, true},
		"all past, with nbf":               {jwt(`{"nbf":1700000000,"exp":1700007200}`), `1700007200`, 2 * time.Hour, false},
		"all past, with iat":               {jwt(`{"iat":1700000000,"nbf":1,"exp":1700007200}`), ``, 2 * time.Hour, false},
		"tenant and claims that are odd":   {jwt(`{"exp":1742003600,"tenant":7,"sub":{},"iat":"x"}`), `null`, time.Hour, false},
		"exp that is a string":             {jwt(`{"exp":"1742003600"}`), `null`, 24 * time.Hour, true},
		"expires of a type that is absurd": {"opaque", `{"at":1}`, 24 * time.Hour, true},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
				testkit.Until(now)
				expires := ""
				if tc.expires != "" {
					expires = `,"expires":` + tc.expires
				}
				answering(srv, 200, `{"isSuccess":true,"code":0,"data":{"token":"`+tc.token+`"`+expires+`}}`)
				tok := token(t, c, brl)
				testkit.Equal(t, "token", tok.Value(), tc.token)
				testkit.Equal(t, "life", time.Until(tok.ExpiresAt), tc.life)
				testkit.Equal(t, "assumed", tok.ExpiryAssumed, tc.assumed)
			})
		})
	}
}

func TestExpiryThatIsNotUsedIsLogged(t *testing.T) {
	for answer, want := range map[string]string{
		`{"token":"opaque","expires":"soon"}`:                                  `ignored=[expires] assumed=true`,
		`{"token":"` + jwt(`{"exp":1}`) + `","expires":"2000-01-02 00:00:00"}`: `ignored=[exp] assumed=false`,
		`{"token":"opaque"}`: `ignored=[] assumed=true`,
		`{"token":"` + jwt(`{"exp":9999999999}`) + `","expires":"0000-00-00 00:00:00"}`: `ignored="[exp expires]" assumed=true`,
		`{"token":"opaque","expires":"2000-01-02 00:00:00"}`:                            ``,
	} {
		logger, log := testkit.Log()
		bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
			answering(srv, 200, `{"isSuccess":true,"code":0,"data":`+answer+`}`)
			token(t, c, brl)
		}, func(cfg *platformtoken.Config) {
			cfg.Logger = logger
		})
		_, got, _ := strings.Cut(strings.TrimSpace(log.String()), "ignored=")
		if got != "" {
			got = "ignored=" + got
		}
		testkit.Equal(t, answer, got, want)
	}
}

func TestClockThatIsOffDoesNotShortenALife(t *testing.T) {
	for _, offset := range []time.Duration{-26 * time.Hour, 26 * time.Hour} {
		bubble(t, defaults, func(t *testing.T, srv *platformtokentest.Server, c *platformtoken.Client) {
			srv.SetClockOffset(offset)
			tok := token(t, c, brl)
			if left := time.Until(tok.ExpiresAt); left < 24*time.Hour-2*time.Second || left > 24*time.Hour+2*time.Second {
				t.Errorf("platform's clock off by %v: the token is said to live %v, want 24 hours", offset, left)
			}
		})
	}
}

// FuzzExpires looks for panics, for times that cannot be printed, and for forms
// that are read in the zone of the machine.
func FuzzExpires(f *testing.F) {
	for _, s := range []string{`"2025-03-15 05:50:15"`, `"2025-03-15T05:50:15.5Z"`, `1742017815000`, `null`, `"0001-01-01T00:00:00+08:00"`, `1e300`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if !json.Valid([]byte(raw)) {
			return
		}
		raw = strings.TrimSpace(raw)
		at, ok := platformtoken.ReadExpires(raw)
		if !ok && !at.IsZero() {
			t.Fatalf("%s: cannot be read, and is %v", raw, at)
		}
		if !at.IsZero() && at.Unix() <= 0 {
			t.Fatalf("%s: %v", raw, at)
		}
		if at.Year() > 10000 {
			t.Fatalf("%s: %v", raw, at)
		}
		if flag.Lookup("test.fuzz").Value.String() == "" {
			return // with the other tests, whose servers may still read time.Local
		}
		local(t, 7*time.Hour, func() {
			if again, okAgain := platformtoken.ReadExpires(raw); okAgain != ok || !again.Equal(at) {
				t.Fatalf("%s: %v here, %v elsewhere", raw, at, again)
			}
		})
	})
}
