package transport

import (
	"bytes"
	"io"
	"net/http"

	"github.com/providerauth/providerauth-go/internal/resend"
)

// sending is net/http's part of an attempt. net/http may still read from it
// when the attempt is over, so no two attempts share a sending.
type sending struct {
	body   []byte
	first  payload
	last   *payload // given to net/http
	values [3]string
	once   bool
	resend.Guard
}

// payload is a body of a type unknown to net/http: net/http then writes the
// header before it reads the body. Bodies of idempotent calls have a type known
// to net/http: header and body leave in a single write. If a server refuses the
// connection, its answer is then heard; a second write would fail before that.
type payload struct{ bytes.Reader }

func (p *payload) Close() error { return nil }

// header returns the header for Call.Signer.
func (s *sending) header(contentType string) http.Header {
	s.values = [3]string{"application/json", userAgent, contentType}
	h := make(http.Header, 6)
	h["Accept"] = s.values[0:1:1]
	h["User-Agent"] = s.values[1:2:2]
	if contentType != "" {
		h["Content-Type"] = s.values[2:3:3]
	}
	return h
}

// load gives r the body.
func (s *sending) load(r *http.Request, body []byte) {
	if body == nil {
		return
	}
	s.body = body
	s.first.Reset(body)
	s.last = &s.first
	r.Body = s.reader()
	r.GetBody = s.rewind
	r.ContentLength = int64(len(body))
}

// rewind lets net/http start over on another connection if nothing was written
// to its first connection. Once the body has been read, the header is out. A
// request with the policy Once or Rotating is then not sent again without a
// certain refusal by the server, not even with an idempotency key from an
// operator's RoundTripper.
func (s *sending) rewind() (io.ReadCloser, error) {
	if s.once && s.last.Len() < len(s.body) && !s.MayRewind() {
		return nil, resend.Err
	}
	s.last = new(payload)
	s.last.Reset(s.body)
	return s.reader(), nil
}

// reader returns the body loaded last, as net/http is to see it.
func (s *sending) reader() io.ReadCloser {
	if s.once {
		return s.last
	}
	return io.NopCloser(&s.last.Reader)
}

// unsent reports whether it is proven that no byte of the request left. A
// transport without support for the hooks proves it by the type of its error,
// or not at all. Our own pool never sends without the hooks.
func (s *sending) unsent(ours bool, err error) bool {
	switch {
	case s.Connected():
		return false
	case s.Asked(), ours:
		return true
	}
	return beforeSending(err)
}
