package simulator_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/providerauth/providerauth-go/internal/simulator"
)

// The example of RFC 7515, appendix A.1.
const (
	rfcKey     = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"
	rfcHeader  = "{\"typ\":\"JWT\",\r\n \"alg\":\"HS256\"}"
	rfcPayload = "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}"
	rfcToken   = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." +
		"eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ." +
		"dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
)

func rfcSecret(t *testing.T) string {
	key, err := base64.RawURLEncoding.DecodeString(rfcKey)
	if err != nil {
		t.Fatal(err)
	}
	return string(key)
}

func TestHS256MakesTheTokenOfTheRFC(t *testing.T) {
	if got := simulator.HS256(rfcSecret(t), []byte(rfcHeader), []byte(rfcPayload)); got != rfcToken {
		t.Errorf("%s\nwant %s", got, rfcToken)
	}
}

func TestCheckHS256ReadsTheTokenOfTheRFC(t *testing.T) {
	header, payload, ok := simulator.CheckHS256(rfcSecret(t), rfcToken)
	if !ok || string(header) != rfcHeader || string(payload) != rfcPayload {
		t.Errorf("%v %q %q", ok, header, payload)
	}
}

func TestCheckHS256RefusesEverythingElse(t *testing.T) {
	const secret = "s3cret"
	sign := func(header string) string { return simulator.HS256(secret, []byte(header), []byte(`{"a":1}`)) }
	good := sign(`{"alg":"HS256"}`)
	if _, _, ok := simulator.CheckHS256(secret, good); !ok {
		t.Fatal("the untouched token is refused")
	}
	last := strings.LastIndexByte(good, '.')
	for name, tc := range map[string]struct{ secret, token string }{
		"empty":               {secret, ""},
		"other secret":        {"S3cret", good},
		"empty secret":        {"", simulator.HS256("", []byte(`{"alg":"HS256"}`), []byte(`{"a":1}`))},
		"no signature":        {secret, good[:last+1]},
		"two parts":           {secret, good[:last]},
		"four parts":          {secret, good + ".x"},
		"other payload":       {secret, strings.Replace(good, "eyJhIjoxfQ", "eyJhIjoyfQ", 1)},
		"cut signature":       {secret, good[:len(good)-1]},
		"trailing newline":    {secret, good + "\n"},
		"newline inside":      {secret, good[:last] + "\r\n" + good[last:]},
		"spare bits set":      {rfcSecret(t), rfcToken[:len(rfcToken)-1] + "l"}, // ends in k
		"space":               {secret, " " + good},
		"padding":             {secret, good + "="},
		"alg none":            {secret, sign(`{"alg":"none"}`)},
		"alg RS256":           {secret, sign(`{"alg":"RS256"}`)},
		"alg in another case": {secret, sign(`{"alg":"hs256"}`)},
		"ALG":                 {secret, sign(`{"ALG":"HS256"}`)},
		"no alg":              {secret, sign(`{"typ":"JWT"}`)},
		"alg not a string":    {secret, sign(`{"alg":["HS256"]}`)},
		"crit":                {secret, sign(`{"alg":"HS256","crit":["exp"]}`)},
		"header no object":    {secret, sign(`"HS256"`)},
		"header no JSON":      {secret, sign(`{`)},
	} {
		t.Run(name, func(t *testing.T) {
			if header, payload, ok := simulator.CheckHS256(tc.secret, tc.token); ok || header != nil || payload != nil {
				t.Errorf("%v %q %q, want it refused", ok, header, payload)
			}
		})
	}
}
