// Package klastest plays Klas: it makes signed webhooks, and tests whether an
// operator's /authenticate endpoint answers them as Klas's pages and package
// klas have it. It computes signatures by itself, with crypto/hmac, so that it
// does not agree with a fault of the package that it tests.
//
// In a test of one's own code, with [NewRequest]:
//
//	w := httptest.NewRecorder()
//	handler.ServeHTTP(w, klastest.NewRequest("secret", body))
//
// and of the endpoint as a whole, with [TestHandler], or with [TestURL] where it
// runs:
//
//	err := klastest.TestHandler(handler, klastest.Options{Secret: "secret", PlayerID: "12001"})
//	if err != nil {
//		t.Error(err)
//	}
package klastest

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// NewRequest returns POST /authenticate with this body, signed with the secret,
// for a handler's ServeHTTP. To send it with a client, set its URL.
func NewRequest(secret string, body []byte) *http.Request {
	r, err := http.NewRequest(http.MethodPost, "http://operator.test/authenticate", bytes.NewReader(body))
	if err != nil {
		panic(err) // all of it is constant
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(signatureHeader, sign(secret, body))
	return r
}

const signatureHeader = "X-Signature"

func sign(secret string, body []byte) string {
	// HMAC itself pads a key with zeros up to a block. crypto/hmac panics on
	// short keys in FIPS 140-only mode.
	key := make([]byte, max(len(secret), sha256.BlockSize))
	copy(key, secret)
	m := hmac.New(sha256.New, key)
	m.Write(body)
	return hex.EncodeToString(m.Sum(nil))
}

// Options of [TestHandler] and [TestURL].
type Options struct {
	// Secret is the endpoint's current one. Required.
	Secret string
	// PreviousSecret is one that the endpoint still accepts beside it.
	// Optional: without it rotation is not tested.
	PreviousSecret string
	// PlayerID and SessionID are of a player whom the endpoint accepts.
	// Optional, default those of the example on Klas's page.
	PlayerID, SessionID string
	// MaxBodyBytes is the longest body that the endpoint reads. Optional,
	// default 1 MiB.
	MaxBodyBytes int64
	// HandlerTimeout is how long the endpoint may take for an answer, such as
	// klas.Config.HandlerTimeout. A body that stops before its end has to be
	// answered, or its connection closed, within this time and 2 s more.
	// Optional, default 5 s. If it is negative, no body stops.
	HandlerTimeout time.Duration
	// Client sends the webhooks of TestURL. Its CheckRedirect is not used: no
	// redirect is followed. Optional, default a client that gives up after 30 s
	// and leaves no connection open.
	Client *http.Client
}

// TestHandler tests an endpoint, which is h itself, whatever path it is mounted
// at. The error joins one error for each finding. A finding names the case, such
// as "duplicate signature", and says what was sent, what came and what is right,
// without secrets. The error is nil if there is nothing to find.
//
// It calls h.ServeHTTP some hundred times, also concurrently, with the time of
// now and a different request_id each time, so that an endpoint that checks the
// one or remembers the other passes. One of the calls comes from an http.Server
// in memory, without a ReadTimeout: its body stops before its end. A handler that
// needs the ReadTimeout of its own server is tested with [TestURL], and with a
// negative Options.HandlerTimeout here.
func TestHandler(h http.Handler, opt Options) error {
	if h == nil {
		return errors.New("klastest: the handler is nil")
	}
	return test(opt, func(Options) endpoint { return handler{h} })
}

// TestURL tests an endpoint where it runs: url is the whole of it,
// {WEBHOOK_URL}/authenticate. It is [TestHandler] but for the body that is cut
// off, to which no answer could be read. What stands before the endpoint is
// tested with it: a gateway that refuses long bodies itself is a finding, and so
// is a redirect.
func TestURL(ctx context.Context, url string, opt Options) error {
	if ctx == nil {
		return errors.New("klastest: the context is nil")
	}
	target, err := http.NewRequestWithContext(ctx, http.MethodPost, url, nil)
	if err != nil {
		return fmt.Errorf("klastest: %w", err)
	}
	return test(opt, func(opt Options) endpoint { return newRemote(target, opt) })
}

func test(opt Options, open func(Options) endpoint) error {
	if opt.Secret == "" {
		return errors.New("klastest: Options.Secret is required")
	}
	if opt.PlayerID == "" {
		opt.PlayerID = "12001"
	}
	if opt.SessionID == "" {
		opt.SessionID = "1234-5678-90ab-cdef12345678"
	}
	if opt.MaxBodyBytes <= 0 {
		opt.MaxBodyBytes = 1 << 20
	}
	if opt.HandlerTimeout == 0 {
		opt.HandlerTimeout = 5 * time.Second
	}
	s := &suite{opt: opt, endpoint: open(opt), known: map[[2]string]bool{}}
	defer s.close()
	s.good()
	if !s.redirected { // the other cases would only repeat it
		s.accepts()
		s.refusesForgeries()
		s.refusesBodies()
		s.refusesFields()
		s.readsExactNames()
		s.refusesAnswers()
		s.cutOff()
		s.oversized()
		s.stalled()
		s.methods()
		s.rotation()
		s.concurrency()
	}
	return errors.Join(s.findings...)
}
