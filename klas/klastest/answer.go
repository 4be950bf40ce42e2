package klastest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"regexp"
)

type answer struct {
	status int
	header http.Header
	body   []byte
}

// read reads an answer to its end.
func read(resp *http.Response) (*answer, error) {
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 4<<20))
	if err != nil {
		return nil, err
	}
	return &answer{resp.StatusCode, resp.Header, body}, nil
}

const (
	codeOK        = "OK"
	codeBody      = "ERR_INVALID_BODY"
	codeParams    = "ERR_BAD_PARAMS"
	codeIntegrity = "ERR_INTEGRITY_CHECK_FAILED"
)

var (
	money     = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?$`)
	signature = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// fault returns the fault of an answer expected with this code and signed with
// this secret; "" if there is none.
func (a *answer) fault(code, secret string) string {
	if fault := a.redirectFault(); fault != "" {
		return fault
	}
	if a.status != http.StatusOK {
		return fmt.Sprintf("HTTP status %d, want 200", a.status)
	}
	if encoding := a.header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return fmt.Sprintf("Content-Encoding is %q, and the request did not accept it", encoding)
	}
	if fault := a.signatureFault(secret); fault != "" {
		return fault
	}
	if kind, _, err := mime.ParseMediaType(a.header.Get("Content-Type")); err != nil || kind != "application/json" {
		return fmt.Sprintf("Content-Type is %q, want application/json", a.header.Get("Content-Type"))
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(a.body, &members); err != nil || members == nil {
		return "the answer is not a JSON object"
	}
	if got := text(members["status_code"]); got != code {
		return fmt.Sprintf("status_code is %q, want %q", got, code)
	}
	if code != codeOK {
		if len(members) != 1 {
			return "an error answer has more than status_code"
		}
		return ""
	}
	if text(members["currency"]) == "" {
		return "currency is missing, or not a string"
	}
	if !money.MatchString(text(members["balance"])) {
		return "balance is missing, or not a decimal number in a string"
	}
	return ""
}

// redirectFault names the host and not the whole Location, which may hold more.
func (a *answer) redirectFault() string {
	if a.status < 300 || a.status > 399 {
		return ""
	}
	to := ""
	if u, err := url.Parse(a.header.Get("Location")); err == nil && u.Host != "" {
		to = " to " + u.Host
	}
	return fmt.Sprintf("answered with a redirect%s, HTTP status %d; Klas's webhooks are signed, so it must not be followed", to, a.status)
}

func (a *answer) signatureFault(secret string) string {
	switch got := a.header[signatureHeader]; {
	case len(got) == 0:
		return "the answer is not signed"
	case len(got) > 1:
		return "the answer is signed more than once"
	case got[0] == sign(secret, a.body):
		return ""
	case got[0] == sign(secret, bytes.TrimSpace(a.body)), got[0] == sign(secret, append(bytes.Clone(a.body), '\n')):
		return "the signature of the answer is of other bytes: a line feed is signed and not sent, or sent and not signed"
	case !signature.MatchString(got[0]):
		return "the signature of the answer is not 64 lower-case hexadecimal digits"
	}
	return "the signature of the answer is wrong, or made with another secret"
}

// text returns the value of a JSON string, "" for anything else.
func text(raw json.RawMessage) string {
	var s string
	if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}
