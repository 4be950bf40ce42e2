package transport

import (
	"bytes"
	"io"
	"net/http"

	"github.com/providerauth/providerauth-go/internal/resend"
)

// sending is the part of an attempt that net/http holds. net/http may still read
// from it when the attempt is over, so no two attempts share it.
type sending struct {
	body   []byte
	first  payload
	last   *payload // that net/http was given
	values [3]string
	once   bool
	resend.Guard
}

// payload is a body of a type that net/http does not know, so that net/http writes
// the header before it reads the body. Bodies of idempotent calls have a type that
// net/http knows: header and body leave in one write, and a server that refuses
// the connection is heard, where a second write would fail before that.
type payload struct{ bytes.Reader }

func (p *payload) Close() error { return nil }

// header returns the header that Call.Signer may change.
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
// to the connection that it chose first. Once the body has been read, the
// header is out: a request that may be sent once is not sent again then, not
// even with an idempotency key that a RoundTripper of the operator's has added,
// unless it is certain that the server refused it.
func (s *sending) rewind() (io.ReadCloser, error) {
	if s.once && s.last.Len() < len(s.body) && !s.MayRewind() {
		return nil, resend.Err
	}
	s.last = new(payload)
	s.last.Reset(s.body)
	return s.reader(), nil
}

// reader returns the body that was loaded last, as net/http is to see it.
func (s *sending) reader() io.ReadCloser {
	if s.once {
		return s.last
	}
	return io.NopCloser(&s.last.Reader)
}

// unsent reports whether it is proven that no byte of the request left.
// Transports that do not come with the hooks prove it by the type of their
// error, or not at all. Our own pool never sends without them.
func (s *sending) unsent(ours bool, err error) bool {
	switch {
	case s.Connected():
		return false
	case s.Asked(), ours:
		return true
	}
	return beforeSending(err)
}
