package klas_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/klas"
)

var digits64 = regexp.MustCompile(`^[0-9a-fA-F]{64}$`)

// FuzzSignatureHeader: nothing but the right 64 digits, alone, verifies.
func FuzzSignatureHeader(f *testing.F) {
	h := newHook(f, withSecrets(providerauth.StaticSecrets("new", "old"))).AuthenticateHandler(accept(f))
	f.Fuzz(func(t *testing.T, first, second string, both bool) {
		values := []string{first}
		if both {
			values = append(values, second)
		}
		trimmed := strings.TrimSpace(first)
		signer := ""
		for _, s := range []string{"old", "new"} {
			right := digits64.MatchString(trimmed) && strings.EqualFold(trimmed, sign(s, compact))
			if klas.Verify(s, []byte(compact), first) != right {
				t.Fatalf("Verify(%q) is %v", first, !right)
			}
			if right && !both {
				signer = s
			}
		}
		r := request(compact)
		r.Header["X-Signature"] = values
		if signer == "" {
			want(t, send(t, h, r, "new"), integrityFailed)
		} else {
			want(t, send(t, h, r, signer), ok)
		}
	})
}

// FuzzBody holds the decoder against the rules written down another way.
func FuzzBody(f *testing.F) {
	var got klas.AuthenticateRequest
	h := newHook(f).AuthenticateHandler(keeps(f, &got))
	f.Fuzz(func(t *testing.T, b []byte) {
		got = klas.AuthenticateRequest{}
		expected, answer := byTheRules(b)
		want(t, post(t, h, string(b)), answer)
		if answer == ok && got != expected {
			t.Errorf("%q is read as %+v, want %+v", b, got, expected)
		}
		if answer != ok && got != (klas.AuthenticateRequest{}) {
			t.Errorf("the authenticator was asked about %q", b)
		}
	})
}

// byTheRules reads a body token by token.
func byTheRules(b []byte) (req klas.AuthenticateRequest, answer string) {
	if !utf8.Valid(b) || !json.Valid(b) || !bytes.HasPrefix(bytes.TrimLeft(b, " \t\r\n"), []byte("{")) {
		return req, badBody
	}
	texts := map[string]*string{"request_id": &req.RequestID, "session_id": &req.SessionID, "player_id": &req.PlayerID}
	d := json.NewDecoder(bytes.NewReader(b))
	_, _ = d.Token()
	reflected := false
	for d.More() {
		key, err := d.Token()
		if err != nil {
			panic(err)
		}
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			panic(err)
		}
		name := key.(string)
		reflected = reflected || strings.EqualFold(name, "status_code")
		switch {
		case name == "timestamp":
			n, err := strconv.ParseInt(string(raw), 10, 64)
			if err != nil {
				n = 0
			}
			req.Timestamp = klas.Timestamp(n)
		case texts[name] != nil:
			if *texts[name] = ""; raw[0] != '"' {
				continue
			}
			if err := json.Unmarshal(raw, texts[name]); err != nil {
				panic(err)
			}
		}
	}
	for _, s := range texts {
		if *s == "" || strings.ContainsRune(*s, utf8.RuneError) {
			return req, badParams
		}
	}
	if req.Timestamp <= 0 || reflected {
		return req, badParams
	}
	return req, ok
}

var anyCode = regexp.MustCompile(`^\{"status_code":"[A-Z][A-Z0-9_]{0,63}"\}$`)

// FuzzHandler: whatever is sent, nothing panics, a POST is answered with a
// signature that Klas can check, and never OK unless Klas signed it. No answer,
// sent back, reaches the operator's code.
func FuzzHandler(f *testing.F) {
	hook := newHook(f, func(cfg *klas.Config) { cfg.MaxBodyBytes = 4096 })
	authenticate := hook.AuthenticateHandler(accept(f))
	sibling := hook.Middleware(handler(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Header.Get("X-Extra")) // an answer is as wild as the request
	}))
	f.Fuzz(func(t *testing.T, method string, b []byte, signature, extra string, signIt, middleware bool, length int64) {
		r := request(string(b))
		r.Method = method
		if length >= -1 {
			r.ContentLength = length
		}
		if signIt {
			signature = sign(secret, string(b))
		}
		r.Header["X-Signature"] = []string{signature}
		if extra != "" {
			r.Header.Set("X-Extra", extra)
		}
		h := authenticate
		if middleware {
			h = sibling
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if method != http.MethodPost {
			if w.Code != http.StatusMethodNotAllowed || w.Body.Len() != 0 {
				t.Fatalf("%q: %d %q", method, w.Code, w.Body)
			}
			return
		}
		got := signed(t, w.Result(), secret)
		back := hook.Middleware(handler(func(http.ResponseWriter, *http.Request) { t.Errorf("answer %q passes for a webhook", got) }))
		_ = post(t, back, got)
		genuine := strings.EqualFold(strings.TrimSpace(signature), sign(secret, string(b)))
		switch {
		case !genuine, len(b) > 4096, length > 4096:
			want(t, got, integrityFailed)
		case middleware && got == extra:
			if !json.Valid([]byte(got)) {
				t.Errorf("%q was signed as an answer", got)
			}
		case got == ok:
			if _, answer := byTheRules(b); answer != ok {
				t.Errorf("%q is OK", b)
			}
		case !anyCode.MatchString(got) || strings.Contains(got, `"OK"`):
			t.Errorf("answer %s", got)
		}
	})
}
