package klastest_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/klas"
	"github.com/providerauth/providerauth-go/klas/klastest"
)

// timeout is the HandlerTimeout of the endpoints.
const timeout = 500 * time.Millisecond

var options = klastest.Options{
	Secret: "current", PreviousSecret: "previous", PlayerID: "12001", SessionID: "s-1", MaxBodyBytes: 5000, HandlerTimeout: timeout,
}

func endpoint(t testing.TB, change func(*klas.Config)) http.Handler {
	t.Helper()
	cfg := klas.Config{Secrets: providerauth.StaticSecrets("current", "previous"), MaxBodyBytes: 5000, HandlerTimeout: timeout}
	if change != nil {
		change(&cfg)
	}
	hook, err := klas.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	balance, err := providerauth.ParseAmount("12.50")
	if err != nil {
		t.Fatal(err)
	}
	return hook.AuthenticateHandler(klas.AuthenticatorFunc(
		func(_ context.Context, req klas.AuthenticateRequest) (klas.AuthenticateResponse, error) {
			if req.PlayerID != "12001" || req.SessionID != "s-1" {
				return klas.AuthenticateResponse{}, &klas.Refusal{}
			}
			return klas.AuthenticateResponse{Currency: "EUR", Balance: balance}, nil
		}))
}

type memory struct{ keys sync.Map }

func (m *memory) Seen(_ context.Context, key string, _ time.Duration) (bool, error) {
	_, seen := m.keys.LoadOrStore(key, true)
	return seen, nil
}

func TestTheHandlerOfPackageKlasPasses(t *testing.T) {
	for name, change := range map[string]func(*klas.Config){
		"default":      nil,
		"MaxAge":       func(cfg *klas.Config) { cfg.MaxAge = time.Minute },
		"replay guard": func(cfg *klas.Config) { cfg.ReplayGuard = &memory{} },
	} {
		t.Run(name, func(t *testing.T) {
			if err := klastest.TestHandler(endpoint(t, change), options); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestItRunsInSimulatedTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := endpoint(t, func(cfg *klas.Config) { cfg.MaxAge = time.Minute })
		if err := klastest.TestHandler(h, options); err != nil {
			t.Error(err)
		}
	})
}

func TestAnEndpointIsTestedWhereItRuns(t *testing.T) {
	srv := httptest.NewServer(endpoint(t, nil))
	defer srv.Close()
	if err := klastest.TestURL(t.Context(), srv.URL+"/authenticate", options); err != nil {
		t.Error(err)
	}
	if err := klastest.TestURL(t.Context(), srv.URL, klastest.Options{Secret: "other", Client: srv.Client()}); err == nil {
		t.Error("another secret goes unnoticed")
	}
	srv.Close()
	if err := klastest.TestURL(t.Context(), srv.URL, options); err == nil {
		t.Error("a server that is down goes unnoticed")
	}
}

func TestWhatCannotBeTestedIsAnError(t *testing.T) {
	var none context.Context
	for name, err := range map[string]error{
		"no secret":  klastest.TestHandler(http.NotFoundHandler(), klastest.Options{}),
		"no handler": klastest.TestHandler(nil, options),
		"no URL":     klastest.TestURL(t.Context(), "://", options),
		"no context": klastest.TestURL(none, "http://localhost", options),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestNewRequestIsSigned(t *testing.T) {
	const body = `{"request_id":"1234-5678-90ab-cdef12345678","timestamp":1710000000,"session_id":"1234-5678-90ab-cdef12345678","player_id":"12001"}`
	r := klastest.NewRequest("test-secret", []byte(body))
	if got, want := r.Header.Get("X-Signature"), "f7728afe453e7de16fbbf82bbe45876d4a9b77ce9f445b372b5764327681190a"; got != want {
		t.Errorf("signature %s, want %s", got, want)
	}
	b, err := io.ReadAll(r.Body)
	if err != nil || string(b) != body || r.ContentLength != int64(len(body)) || r.Method != http.MethodPost || r.URL.Path != "/authenticate" {
		t.Errorf("%s %s %d %q %v", r.Method, r.URL, r.ContentLength, b, err)
	}
}

// plain is an endpoint without package klas, faultless unless a fault is asked
// for.
type plain struct {
	fault  string
	active atomic.Int32
}

func mac(secret string, body []byte) string {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write(body)
	return hex.EncodeToString(m.Sum(nil))
}

func (p *plain) verify(r *http.Request, body []byte) (secret string, ok bool) {
	values := r.Header["X-Signature"]
	switch {
	case p.fault == "no verification":
		return "current", true
	case p.fault == "missing signature let in" && len(values) == 0:
		return "current", true
	case len(values) == 0, len(values) > 1 && p.fault != "first signature counts" && p.fault != "any signature counts":
		return "current", false
	case p.fault == "any signature counts":
	default:
		values = values[:1]
	}
	if p.fault == "verification of a re-encoded body" {
		var v any
		if json.Unmarshal(body, &v) == nil {
			var compact bytes.Buffer
			_ = json.Compact(&compact, body)
			body = compact.Bytes()
		}
	}
	secrets := []string{"current", "previous"}
	switch p.fault {
	case "current secret only":
		secrets = secrets[:1]
	case "empty secret accepted":
		secrets = append(secrets, "")
	}
	for _, v := range values {
		if p.fault != "case-sensitive comparison" {
			v = strings.ToLower(v)
		}
		for _, s := range secrets {
			if right := mac(s, body); v == right || p.fault == "prefix comparison" && v != "" && strings.HasPrefix(right, v) {
				return s, true
			}
		}
	}
	return "current", false
}

func (p *plain) decide(w http.ResponseWriter, r *http.Request) (secret, answer string) {
	if p.fault != "no read deadline" {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(timeout)) // a recorder cannot
	}
	limit := int64(5000)
	if p.fault == "no limit" {
		limit = 1 << 30
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	if p.fault == "read error ignored" {
		err = nil
	}
	secret, ok := p.verify(r, body)
	syntax := !utf8.Valid(body) || !json.Valid(body) || !bytes.HasPrefix(bytes.TrimSpace(body), []byte("{"))
	switch {
	case p.fault == "parsing before verification" && syntax:
		return secret, code("ERR_INVALID_BODY")
	case p.fault == "read error ignored" && len(body) < 100 && len(body) > 50 && !ok:
		return secret, code("ERR_INVALID_BODY")
	case err != nil || int64(len(body)) > limit || !ok:
		return "current", code("ERR_INTEGRITY_CHECK_FAILED")
	case p.fault == "byte order mark stripped":
		body = bytes.TrimPrefix(body, []byte("\uFEFF"))
		syntax = !json.Valid(body) || !bytes.HasPrefix(body, []byte("{"))
	case p.fault == "stream decoder":
		syntax = json.NewDecoder(bytes.NewReader(body)).Decode(&struct{}{}) != nil
	}
	if syntax {
		return secret, code("ERR_INVALID_BODY")
	}
	switch p.statusCode(body) {
	case "refused":
		return secret, code("ERR_BAD_PARAMS")
	case "let in":
		return secret, `{"currency":"EUR","balance":"12.5","status_code":"OK"}`
	}
	if p.fault != "names in any case" {
		body = exact(body)
	}
	var in struct {
		RequestID *string      `json:"request_id"`
		Timestamp *json.Number `json:"timestamp"`
		SessionID *string      `json:"session_id"`
		PlayerID  *string      `json:"player_id"`
	}
	d := json.NewDecoder(bytes.NewReader(body))
	if p.fault == "unknown fields refused" {
		d.DisallowUnknownFields()
	}
	var raw struct {
		Timestamp json.RawMessage `json:"timestamp"`
	}
	err = d.Decode(&in)
	_ = json.Unmarshal(body, &raw)
	quoted := bytes.HasPrefix(raw.Timestamp, []byte(`"`)) && p.fault != "quoted timestamp accepted"
	if err != nil || quoted || in.Timestamp == nil || in.RequestID == nil || in.SessionID == nil || in.PlayerID == nil {
		if p.fault == "panic on bad input" {
			panic("nil pointer")
		}
		return secret, code("ERR_BAD_PARAMS")
	}
	n, err := in.Timestamp.Int64()
	if f, ferr := in.Timestamp.Float64(); p.fault == "timestamp as a float" && ferr == nil && f > 0 {
		n, err = 1, nil
	}
	empty := *in.RequestID == "" || *in.SessionID == "" || *in.PlayerID == ""
	if err != nil || n <= 0 || empty && p.fault != "empty fields accepted" {
		return secret, code("ERR_BAD_PARAMS")
	}
	switch p.fault {
	case "balance as a number":
		return secret, `{"currency":"EUR","balance":12.5,"status_code":"OK"}`
	case "currency missing":
		return secret, `{"balance":"12.5","status_code":"OK"}`
	case "balance with a separator":
		return secret, `{"currency":"EUR","balance":"1,000.00","status_code":"OK"}`
	}
	return secret, `{"currency":"EUR","balance":"12.5","status_code":"OK"}`
}

// exact takes members out whose names encoding/json would take for those of a
// webhook.
func exact(body []byte) []byte {
	var members map[string]json.RawMessage
	_ = json.Unmarshal(body, &members)
	for name := range members {
		if lower := strings.ToLower(name); lower != name {
			delete(members, name)
		}
	}
	body, _ = json.Marshal(members)
	return body
}

// statusCode says what becomes of a body for its status_code, "" for nothing.
func (p *plain) statusCode(body []byte) string {
	var members map[string]json.RawMessage
	_ = json.Unmarshal(body, &members)
	for name := range members {
		same := name == "status_code" || p.fault != "status_code in lower case only" && strings.EqualFold(name, "status_code")
		switch {
		case !same, p.fault == "status_code let in":
		case p.fault == "answers let in":
			return "let in"
		default:
			return "refused"
		}
	}
	return ""
}

func code(c string) string { return `{"status_code":"` + c + `"}` }

func (p *plain) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost && p.fault != "any method" {
		w.Header().Set("Allow", "POST")
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	p.active.Add(1)
	defer p.active.Add(-1)
	secret, answer := p.decide(w, r)
	failed := !strings.Contains(answer, `"OK"`)
	switch p.fault {
	case "always signed with the current secret":
		secret = "current"
	case "error answers with empty fields":
		if failed {
			answer = `{"currency":"","balance":"",` + answer[1:]
		}
	case "shared state":
		time.Sleep(time.Millisecond) // in a bubble: all that is under way is here by then
		if p.active.Load() > 1 {
			secret = "overwritten by another webhook"
		}
	}
	w.Header().Set("Content-Type", "application/json")
	if p.fault == "no Content-Type" {
		w.Header().Set("Content-Type", "text/plain")
	}
	signature := mac(secret, []byte(answer))
	if p.fault == "upper-case signature" {
		signature = strings.ToUpper(signature)
	}
	if p.fault != "error answers unsigned" || !failed {
		w.Header().Set("X-Signature", signature)
	}
	if p.fault == "signed twice" {
		w.Header().Add("X-Signature", signature)
	}
	if p.fault == "status 401" && failed {
		w.WriteHeader(http.StatusUnauthorized)
	}
	_, _ = io.WriteString(w, answer)
	if p.fault == "line feed after signing" {
		_, _ = io.WriteString(w, "\n")
	}
}

func TestAFaultlessEndpointPasses(t *testing.T) {
	if err := klastest.TestHandler(&plain{}, options); err != nil {
		t.Error(err)
	}
}

func TestEveryFaultIsFoundByName(t *testing.T) {
	for fault, findings := range map[string][]string{
		"no verification":                       {"wrong signature: ", "missing signature: ", "truncated body: "},
		"missing signature let in":              {"missing signature: "},
		"empty secret accepted":                 {"signature with the empty secret: "},
		"first signature counts":                {"duplicate signature, right one first: "},
		"any signature counts":                  {"duplicate signature, right one last: "},
		"prefix comparison":                     {"signature cut short: "},
		"case-sensitive comparison":             {"upper-case hex: "},
		"verification of a re-encoded body":     {"body with white space, verified as sent: ", "body with a line feed added: "},
		"parsing before verification":           {"body that is not JSON, wrong signature: ", "truncated body: "},
		"current secret only":                   {"previous secret: "},
		"always signed with the current secret": {"previous secret: the signature", "previous secret, error answer: the signature"},
		"error answers unsigned":                {"wrong signature: the answer is not signed", "not JSON: the answer is not signed", "player_id missing: the answer is not signed"},
		"line feed after signing":               {"good call: the signature of the answer is of other bytes"},
		"upper-case signature":                  {"good call: the signature of the answer is not 64 lower-case"},
		"signed twice":                          {"good call: the answer is signed more than once"},
		"status 401":                            {"wrong signature: HTTP status 401", "not JSON: HTTP status 401"},
		"no limit":                              {"oversized body: ", "oversized body of unannounced length: "},
		"read error ignored":                    {"body cut off: "},
		"byte order mark stripped":              {"byte order mark: "},
		"stream decoder":                        {"trailing data: ", "two objects: "},
		"unknown fields refused":                {"unknown fields: "},
		"quoted timestamp accepted":             {"quoted timestamp: "},
		"timestamp as a float":                  {"timestamp with a fraction: ", "timestamp with an exponent: ", "timestamp beyond 64 bits: "},
		"empty fields accepted":                 {"player_id empty: ", "request_id empty: ", "session_id empty: "},
		"panic on bad input":                    {"player_id missing: the handler panicked", "quoted timestamp: the handler panicked"},
		"balance as a number":                   {"good call: balance"},
		"balance with a separator":              {"good call: balance"},
		"currency missing":                      {"good call: currency"},
		"error answers with empty fields":       {"wrong signature: an error answer has more"},
		"no Content-Type":                       {"good call: Content-Type"},
		"any method":                            {"GET: "},
		"shared state":                          {"concurrent calls: the signature"},
		"names in any case":                     {"Player_ID in place of player_id: ", "good player_id before a bad Player_ID: ", "bad player_id before a good Player_ID: "},
		"no read deadline":                      {"body that stops before its end: no answer within 2.5s"},
		"answers let in":                        {"answer to junk, sent back: ", "answer to a good call, sent back: ", "answer to a forgery, sent back: ", "answer to a body without fields, sent back: ", "status_code in a webhook: "},
		"status_code let in":                    {"status_code in a webhook: ", "status_code in capitals in a webhook: ", "escaped status_code in a webhook: "},
		"status_code in lower case only":        {"status_code in capitals in a webhook: "},
	} {
		t.Run(fault, func(t *testing.T) {
			var err error
			synctest.Test(t, func(*testing.T) { err = klastest.TestHandler(&plain{fault: fault}, options) })
			if err == nil {
				t.Fatal("nothing is found")
			}
			for _, finding := range findings {
				if !strings.Contains(err.Error(), "klastest: "+finding) {
					t.Errorf("%q is not among the findings:\n%v", finding, err)
				}
			}
			if joined, ok := err.(interface{ Unwrap() []error }); !ok || len(joined.Unwrap()) < len(findings) {
				t.Error("the findings are not joined")
			}
		})
	}
}

func TestTestHandler_fipsOnly(t *testing.T) {
	if !testkit.InFIPSOnly(t) {
		return
	}
	t.Run("an endpoint with long secrets passes", func(t *testing.T) {
		long := options
		long.Secret, long.PreviousSecret = "14-bytes-long!", "another-of-more"
		h := endpoint(t, func(cfg *klas.Config) { cfg.Secrets = providerauth.StaticSecrets(long.Secret, long.PreviousSecret) })
		if err := klastest.TestHandler(h, long); err != nil {
			t.Error(err)
		}
	})
	t.Run("an endpoint with a short secret is a finding", func(t *testing.T) {
		h := endpoint(t, func(cfg *klas.Config) {
			cfg.Secrets = func(context.Context) ([]string, error) { return []string{"short"}, nil }
		})
		err := klastest.TestHandler(h, klastest.Options{Secret: "short"})
		if err == nil || !strings.Contains(err.Error(), "good call: HTTP status 500") {
			t.Errorf("findings: %v", err)
		}
	})
}
