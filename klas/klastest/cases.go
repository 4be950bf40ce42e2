package klastest

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// A suite collects what is found. Every body is made anew.
type suite struct {
	opt Options
	do  func(*http.Request) (*answer, error)

	mu       sync.Mutex
	findings []error
	known    map[[2]string]bool
}

// found keeps a finding, unless it is known from another goroutine.
func (s *suite) found(name, what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if key := [2]string{name, what}; !s.known[key] {
		s.known[key] = true
		s.findings = append(s.findings, fmt.Errorf("klastest: %s: %s", name, what))
	}
}

// expect sends r and wants an answer with this code, signed with this secret.
func (s *suite) expect(name string, r *http.Request, code, secret string) {
	a, err := s.do(r)
	if err != nil {
		s.found(name, err.Error())
		return
	}
	if fault := a.fault(code, secret); fault != "" {
		s.found(name, fault)
	}
}

// expectSigned sends a body that is signed as it should be.
func (s *suite) expectSigned(name, body, code string) {
	s.expect(name, NewRequest(s.opt.Secret, []byte(body)), code, s.opt.Secret)
}

// members are those of a good webhook, in Klas's order.
func (s *suite) members() [][2]string {
	quote := func(v string) string {
		b, _ := json.Marshal(v) // a string
		return string(b)
	}
	return [][2]string{
		{"request_id", quote(rand.Text())},
		{"timestamp", fmt.Sprint(time.Now().Unix())},
		{"session_id", quote(s.opt.SessionID)},
		{"player_id", quote(s.opt.PlayerID)},
	}
}

// body returns a good webhook.
func (s *suite) body() string { return object(s.members(), "{", `":`, ",", "}") }

// with returns one with this JSON in place of a member's value; "" drops it.
func (s *suite) with(name, value string) string {
	var changed [][2]string
	for _, m := range s.members() {
		if m[0] == name {
			m[1] = value
		}
		if m[1] != "" {
			changed = append(changed, m)
		}
	}
	return object(changed, "{", `":`, ",", "}")
}

func object(members [][2]string, open, colon, comma, end string) string {
	var parts []string
	for _, m := range members {
		parts = append(parts, `"`+m[0]+colon+m[1])
	}
	return open + strings.Join(parts, comma) + end
}

func (s *suite) accepts() {
	s.expectSigned("good call", s.body(), codeOK)
	spread := object(s.members(), "{\n  ", `" : `, ",\n  ", "\n}\n")
	s.expectSigned("body with white space, verified as sent", spread, codeOK)
	m := s.members()
	s.expectSigned("members in another order", object([][2]string{m[3], m[1], m[0], m[2]}, "{", `":`, ",", "}"), codeOK)
	s.expectSigned("unknown fields", `{"currency":"EUR","extra":{"player_id":[null,1]},`+s.body()[1:], codeOK)
	s.expectSigned("escaped character in a key", strings.Replace(s.body(), "player_id", `player\u005fid`, 1), codeOK)
	s.expectSigned("timestamp in milliseconds", s.with("timestamp", fmt.Sprint(time.Now().UnixMilli())), codeOK)

	r := NewRequest(s.opt.Secret, []byte(s.body()))
	r.Header.Set(signatureHeader, strings.ToUpper(r.Header.Get(signatureHeader)))
	s.expect("upper-case hex", r, codeOK, s.opt.Secret)
	r = NewRequest(s.opt.Secret, []byte(s.body()))
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	s.expect("Content-Type with a charset", r, codeOK, s.opt.Secret)
}

func (s *suite) refusesForgeries() {
	wrong := strings.Repeat("0", 64)
	for _, c := range []struct {
		name string
		sign func(right, body string) []string
	}{
		{"wrong signature", func(_, body string) []string { return []string{sign(s.opt.Secret+"x", []byte(body))} }},
		{"signature with the empty secret", func(_, body string) []string { return []string{sign("", []byte(body))} }},
		{"signature of zeros", func(string, string) []string { return []string{wrong} }},
		{"missing signature", func(string, string) []string { return nil }},
		{"empty signature", func(string, string) []string { return []string{""} }},
		{"signature that is not hexadecimal", func(right, _ string) []string { return []string{"g" + right[1:]} }},
		{"signature cut short", func(right, _ string) []string { return []string{right[:32]} }},
		{"signature with a prefix", func(right, _ string) []string { return []string{"sha256=" + right} }},
		{"duplicate signature, right one first", func(right, _ string) []string { return []string{right, wrong} }},
		{"duplicate signature, right one last", func(right, _ string) []string { return []string{wrong, right} }},
		{"duplicate signature, both right", func(right, _ string) []string { return []string{right, right} }},
	} {
		body := s.body()
		r := NewRequest(s.opt.Secret, []byte(body))
		r.Header[signatureHeader] = c.sign(r.Header.Get(signatureHeader), body)
		s.expect(c.name, r, codeIntegrity, s.opt.Secret)
	}
	for _, c := range []struct {
		name   string
		change func(body string) string
	}{
		{"truncated body", func(body string) string { return body[:len(body)/2] }},
		{"body without its last byte", func(body string) string { return body[:len(body)-1] }},
		{"body with a line feed added", func(body string) string { return body + "\n" }},
		{"body with one bit changed", func(body string) string { return body[:len(body)-3] + string(body[len(body)-3]^1) + body[len(body)-2:] }},
		{"body that is not JSON, wrong signature", func(string) string { return "not JSON" }},
		{"empty body, wrong signature", func(string) string { return "" }},
	} {
		body := s.body()
		r := NewRequest(s.opt.Secret, []byte(c.change(body)))
		r.Header.Set(signatureHeader, sign(s.opt.Secret, []byte(body)))
		s.expect(c.name, r, codeIntegrity, s.opt.Secret)
	}
}

func (s *suite) refusesBodies() {
	for _, c := range [][2]string{
		{"empty body", ""},
		{"not JSON", "not JSON"},
		{"truncated JSON", s.body()[:30]},
		{"JSON null", "null"},
		{"JSON array", "[" + s.body() + "]"},
		{"byte order mark", "\uFEFF" + s.body()},
		{"trailing data", s.body() + "x"},
		{"two objects", s.body() + s.body()},
		{"invalid UTF-8", s.with("player_id", "\"\xff\"")},
	} {
		s.expectSigned(c[0], c[1], codeBody)
	}
}

func (s *suite) refusesFields() {
	for _, m := range s.members() {
		name := m[0]
		s.expectSigned(name+" missing", s.with(name, ""), codeParams)
		s.expectSigned(name+" null", s.with(name, "null"), codeParams)
		s.expectSigned(name+" of the wrong type", s.with(name, "true"), codeParams)
		if name != "timestamp" {
			s.expectSigned(name+" empty", s.with(name, `""`), codeParams)
			s.expectSigned(name+" a number", s.with(name, "12001"), codeParams)
		}
	}
	s.expectSigned("no fields", "{}", codeParams)
	now := fmt.Sprint(time.Now().Unix())
	for _, c := range [][2]string{
		{"quoted timestamp", `"` + now + `"`},
		{"timestamp with a fraction", now + ".5"},
		{"timestamp with an exponent", "1.71e9"},
		{"negative timestamp", "-" + now},
		{"timestamp of zero", "0"},
		{"timestamp beyond 64 bits", "9223372036854775808"},
	} {
		s.expectSigned(c[0], s.with("timestamp", c[1]), codeParams)
	}
}

// refusesAnswers sends back what the endpoint signs itself: requests and answers
// are signed alike. An answer may repeat the fields of its request, so a webhook
// with all fields and a status_code is refused too.
func (s *suite) refusesAnswers() {
	forgery := NewRequest(s.opt.Secret+"x", []byte(s.body()))
	for _, c := range []struct {
		name string
		r    *http.Request
	}{
		{"answer to a good call, sent back", NewRequest(s.opt.Secret, []byte(s.body()))},
		{"answer to a forgery, sent back", forgery},
		{"answer to a body without fields, sent back", NewRequest(s.opt.Secret, []byte("{}"))},
	} {
		a, err := s.do(c.r)
		if err != nil || a.signatureFault(s.opt.Secret) != "" {
			continue // another case finds it
		}
		s.expectSigned(c.name, string(a.body), codeParams)
	}
	for _, c := range [][2]string{
		{"status_code in a webhook", `"status_code"`},
		{"status_code in capitals in a webhook", `"STATUS_CODE"`},
		{"escaped status_code in a webhook", `"status\u005fcode"`},
	} {
		s.expectSigned(c[0], "{"+c[1]+`:"OK",`+s.body()[1:], codeParams)
	}
}

// cutOff sends less than was announced, as a connection that breaks.
func (s *suite) cutOff() {
	body := s.body()
	r := NewRequest(s.opt.Secret, []byte(body))
	r.Body = io.NopCloser(io.MultiReader(strings.NewReader(body[:len(body)/2]), broken{}))
	s.expect("body cut off", r, codeIntegrity, s.opt.Secret)
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func (s *suite) oversized() {
	long := []byte(s.body())
	long = append(long, bytes.Repeat([]byte(" "), int(s.opt.MaxBodyBytes)+1-len(long))...)
	s.expect("oversized body", NewRequest(s.opt.Secret, long), codeIntegrity, s.opt.Secret)
	r := NewRequest(s.opt.Secret, long)
	r.ContentLength = -1
	s.expect("oversized body of unannounced length", r, codeIntegrity, s.opt.Secret)
}

func (s *suite) methods() {
	const name = "GET"
	r := NewRequest(s.opt.Secret, []byte(s.body()))
	r.Method = http.MethodGet
	a, err := s.do(r)
	switch {
	case err != nil:
		s.found(name, err.Error())
	case a.status != http.StatusMethodNotAllowed || a.header.Get("Allow") == "":
		s.found(name, fmt.Sprintf("HTTP status %d, want 405 with Allow", a.status))
	}
}

func (s *suite) rotation() {
	previous := s.opt.PreviousSecret
	if previous == "" {
		return
	}
	s.expect("previous secret", NewRequest(previous, []byte(s.body())), codeOK, previous)
	s.expect("previous secret, error answer", NewRequest(previous, []byte("{}")), codeParams, previous)
	r := NewRequest(previous, []byte(s.body()))
	r.Header.Set(signatureHeader, sign(previous+"x", nil))
	s.expect("forgery during a rotation", r, codeIntegrity, s.opt.Secret)
	s.expectSigned("current secret during a rotation", s.body(), codeOK)
}

// concurrency mixes webhooks of all kinds: state that they share shows as an
// answer or a signature of another one.
func (s *suite) concurrency() {
	const each = 16
	kinds := []func(){
		func() { s.expectSigned("concurrent calls", s.body(), codeOK) },
		func() { s.expectSigned("concurrent calls", "{}", codeParams) },
		func() { s.expectSigned("concurrent calls", "not JSON", codeBody) },
		func() {
			r := NewRequest(s.opt.Secret+"x", []byte(s.body()))
			s.expect("concurrent calls", r, codeIntegrity, s.opt.Secret)
		},
	}
	var start, done sync.WaitGroup
	start.Add(1)
	for i := range each * len(kinds) {
		done.Go(func() {
			start.Wait()
			kinds[i%len(kinds)]()
		})
	}
	start.Done()
	done.Wait()
}
