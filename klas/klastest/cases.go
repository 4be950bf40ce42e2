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

// A suite collects findings. Every body is made anew.
type suite struct {
	opt Options
	endpoint

	mu         sync.Mutex
	findings   []error
	known      map[[2]string]bool
	redirected bool // the good call was
}

// An expectation is the right answer to a webhook.
type expectation struct {
	code   string
	secret string // of the answer's signature
	rule   string // the reason; "" for the rule of the code
}

// rules describe the case of each code.
var rules = map[string]string{
	codeOK:        "OK with currency and balance, signed with the secret that signed the webhook",
	codeBody:      "ERR_INVALID_BODY for a signed body that is not exactly one JSON object in UTF-8",
	codeParams:    "ERR_BAD_PARAMS for a signed JSON object with a field that is missing, empty, null or of another type",
	codeIntegrity: "ERR_INTEGRITY_CHECK_FAILED, signed, for a body that does not come whole or lacks a single right X-Signature",
}

// send sends r and reports an unexpected answer. It returns the answer, nil if
// there is none.
func (s *suite) send(name string, r *http.Request, want expectation) *answer {
	right := want.rule
	if right == "" {
		right = rules[want.code]
	}
	a, err := s.do(r)
	if err != nil {
		s.found(finding{name, s.mask(err.Error()), s.sent(r), "no answer", right})
		return nil
	}
	if fault := a.fault(want.code, want.secret); fault != "" {
		s.found(finding{name, fault, s.sent(r), s.came(a), right})
	}
	return a
}

// expect sends r and wants an answer with this code, signed with this secret.
func (s *suite) expect(name string, r *http.Request, code, secret string) {
	s.send(name, r, expectation{code: code, secret: secret})
}

// expectSigned sends a correctly signed body.
func (s *suite) expectSigned(name, body, code string) { s.expectRule(name, body, code, "") }

// expectRule is expectSigned with a rule of its own.
func (s *suite) expectRule(name, body, code, rule string) {
	s.send(name, NewRequest(s.opt.Secret, []byte(body)), expectation{code, s.opt.Secret, rule})
}

// members are the members of a good webhook, in Klas's order.
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
func (s *suite) body() string { return compact(s.members()) }

// compact returns members as an object without white space.
func compact(members [][2]string) string { return object(members, "{", `":`, ",", "}") }

// with returns a good webhook with this JSON in place of a member's value; ""
// drops the member.
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
	return compact(changed)
}

func object(members [][2]string, open, colon, comma, end string) string {
	var parts []string
	for _, m := range members {
		parts = append(parts, `"`+m[0]+colon+m[1])
	}
	return open + strings.Join(parts, comma) + end
}

func (s *suite) good() {
	a := s.send("good call", NewRequest(s.opt.Secret, []byte(s.body())), expectation{code: codeOK, secret: s.opt.Secret})
	s.redirected = a != nil && a.redirectFault() != ""
}

func (s *suite) accepts() {
	spread := object(s.members(), "{\n  ", `" : `, ",\n  ", "\n}\n")
	s.expectSigned("body with white space, verified as sent", spread, codeOK)
	m := s.members()
	s.expectSigned("members in another order", compact([][2]string{m[3], m[1], m[0], m[2]}), codeOK)
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

// readsExactNames sends names in another case. Behind a signature the danger is
// two readers: if a gateway reads player_id and the endpoint Player_ID, they
// decide about two players. encoding/json ignores the case of a name.
func (s *suite) readsExactNames() {
	const rule = "names in JSON are case-sensitive: %s is an unknown field, which is ignored, and %s alone decides. " +
		"encoding/json does not tell them apart"
	for i, m := range s.members() {
		name, other, bad := m[0], otherCase[i], `""`
		if name == "timestamp" {
			bad = "0"
		}
		rule := fmt.Sprintf(rule, other, name)
		renamed := s.members()
		renamed[i][0] = other
		s.expectRule(other+" in place of "+name, compact(renamed), codeParams, rule)
		for _, c := range []struct {
			exact, inOther string
			code, what     string
		}{
			{m[1], bad, codeOK, "good " + name + " %s bad " + other},
			{bad, m[1], codeParams, "bad " + name + " %s good " + other},
		} {
			members := s.members()
			members[i][1] = c.exact
			extra := [2]string{other, c.inOther}
			s.expectRule(fmt.Sprintf(c.what, "before a"), compact(append(members, extra)), c.code, rule)
			s.expectRule(fmt.Sprintf(c.what, "after a"), compact(append([][2]string{extra}, members...)), c.code, rule)
		}
	}
}

// otherCase are the names of members in another case.
var otherCase = [...]string{"Request_ID", "Timestamp", "Session_ID", "Player_ID"}

// refusesAnswers sends back the endpoint's own signed answers: requests and
// answers are signed alike. An answer may repeat the fields of its request, so
// a webhook with all fields and a status_code is refused too.
func (s *suite) refusesAnswers() {
	const rule = "ERR_BAD_PARAMS: requests and answers are signed alike, and anybody can get a signed answer, so a body with a status_code is not a webhook"
	junk := NewRequest("", []byte("not JSON"))
	junk.Header.Del(signatureHeader)
	for _, c := range []struct {
		name string
		r    *http.Request
	}{
		{"answer to a good call, sent back", NewRequest(s.opt.Secret, []byte(s.body()))},
		{"answer to a forgery, sent back", NewRequest(s.opt.Secret+"x", []byte(s.body()))},
		{"answer to junk, sent back", junk},
		{"answer to a body without fields, sent back", NewRequest(s.opt.Secret, []byte("{}"))},
	} {
		a, err := s.do(c.r)
		if err != nil || a.signatureFault(s.opt.Secret) != "" {
			continue // another case finds it
		}
		// The signature is the endpoint's own, as an attacker has it.
		back := NewRequest("", a.body)
		back.Header.Set(signatureHeader, a.header.Get(signatureHeader))
		s.send(c.name, back, expectation{codeParams, s.opt.Secret, rule})
	}
	for _, c := range [][2]string{
		{"status_code in a webhook", `"status_code"`},
		{"status_code in capitals in a webhook", `"STATUS_CODE"`},
		{"escaped status_code in a webhook", `"status\u005fcode"`},
	} {
		s.expectRule(c[0], "{"+c[1]+`:"OK",`+s.body()[1:], codeParams, rule)
	}
}

// cutOff sends less than announced, as a broken connection does.
func (s *suite) cutOff() {
	if !s.breaks() {
		return
	}
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
	const right = "405 with Allow: POST, for every other method"
	a, err := s.do(r)
	if err != nil {
		s.found(finding{name, s.mask(err.Error()), s.sent(r), "no answer", right})
		return
	}
	fault := a.redirectFault()
	if fault == "" && (a.status != http.StatusMethodNotAllowed || a.header.Get("Allow") == "") {
		fault = fmt.Sprintf("HTTP status %d, want 405 with Allow", a.status)
	}
	if fault != "" {
		s.found(finding{name, fault, s.sent(r), s.came(a), right})
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

// concurrency mixes webhooks of all kinds: if they share state, an answer or a
// signature belongs to another webhook.
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
