package klastest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// A finding reads like the failure of a test. Secrets, signatures and the
// session_id are not in it.
type finding struct {
	name, what        string // the case and its fault
	sent, came, right string
}

func (f finding) error() error {
	text := "klastest: " + f.name + ": " + f.what
	for _, line := range [][2]string{{"sent", f.sent}, {"came", f.came}, {"right", f.right}} {
		if line[1] != "" {
			text += "\n\t" + line[0] + ": " + line[1]
		}
	}
	return errors.New(text)
}

// found keeps a finding, unless another goroutine has found it already.
func (s *suite) found(f finding) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if key := [2]string{f.name, f.what}; !s.known[key] {
		s.known[key] = true
		s.findings = append(s.findings, f.error())
	}
}

// sent describes a request.
func (s *suite) sent(r *http.Request) string {
	var body []byte
	if r.GetBody != nil {
		if in, err := r.GetBody(); err == nil {
			body, _ = io.ReadAll(in) // bytes in memory
		}
	}
	how := "a wrong X-Signature"
	switch values := r.Header[signatureHeader]; {
	case len(values) == 0:
		how = "no X-Signature"
	case len(values) > 1:
		how = fmt.Sprintf("%d X-Signatures", len(values))
	case strings.EqualFold(values[0], sign(s.opt.Secret, body)):
		how = "signed with Options.Secret"
	case s.opt.PreviousSecret != "" && strings.EqualFold(values[0], sign(s.opt.PreviousSecret, body)):
		how = "signed with Options.PreviousSecret"
	}
	return fmt.Sprintf("%s, %s, %s", r.Method, how, s.bytes(body))
}

// came describes an answer.
func (s *suite) came(a *answer) string {
	how := "without X-Signature"
	if len(a.header[signatureHeader]) > 0 {
		how = "with X-Signature"
	}
	return fmt.Sprintf("HTTP %d %s, %s", a.status, how, s.bytes(a.body))
}

// shownBytes bounds the part of a body in a finding.
const shownBytes = 300

func (s *suite) bytes(body []byte) string {
	if len(body) == 0 {
		return "no body"
	}
	end := ""
	shown := bytes.TrimRight(body, " ")
	if len(shown) > shownBytes {
		shown, end = shown[:shownBytes], " and so on"
	}
	text := string(shown)
	if strconv.CanBackquote(text) {
		text = "`" + text + "`"
	} else {
		text = strconv.Quote(text)
	}
	return fmt.Sprintf("%d bytes %s%s", len(body), s.mask(text), end)
}

// mask replaces the secret options in a text.
func (s *suite) mask(text string) string {
	for _, m := range [][2]string{
		{s.opt.Secret, "[Options.Secret]"},
		{s.opt.PreviousSecret, "[Options.PreviousSecret]"},
		{s.opt.SessionID, "[Options.SessionID]"},
	} {
		if m[0] != "" {
			text = strings.ReplaceAll(text, m[0], m[1])
		}
	}
	return text
}
