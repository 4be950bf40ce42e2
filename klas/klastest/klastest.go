// Package klastest plays Klas: it makes signed webhooks, and tests an
// operator's /authenticate endpoint against Klas's pages and package klas. It
// computes signatures by itself, with crypto/hmac, so it does not share a fault
// of the package under test.
//
// In a test of your own code, with [NewRequest]:
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
	// Secret is the endpoint's current secret. Required.
	Secret string
	// PreviousSecret is a further secret the endpoint still accepts. Optional:
	// without it rotation is not tested.
	PreviousSecret string
	// PlayerID and SessionID belong to a player the endpoint accepts. Optional,
	// default the values of the example on Klas's page.
	PlayerID, SessionID string
	// MaxBodyBytes is the length of the longest body the endpoint reads.
	// Optional, default 1 MiB.
	MaxBodyBytes int64
	// HandlerTimeout is the endpoint's time limit for an answer, such as
	// klas.Config.HandlerTimeout. If a body stops before its end, the endpoint
	// must answer or close the connection within this time and 2 s more.
	// Optional, default 5 s. If it is negative, no body stops.
	HandlerTimeout time.Duration
	// Client sends the webhooks of TestURL. Its CheckRedirect is not used: no
	// redirect is followed. Optional, default a client with a timeout of 30 s,
	// which leaves no connection open.
	Client *http.Client
}

// TestHandler tests an endpoint, h itself, whatever path it is mounted at. The
// error joins an error for each finding; it is nil without findings. A finding
// names the case, such as "duplicate signature", and describes the request, the
// answer and the right answer, without secrets.
//
// It calls h.ServeHTTP some hundred times, also concurrently. Each call has the
// current time and a new request_id, so endpoints that check the time or
// remember the request_id pass. A single call comes from an http.Server in
// memory, without a ReadTimeout: its body stops before its end. If a handler
// needs the ReadTimeout of its own server, test it with [TestURL], and with a
// negative Options.HandlerTimeout here.
func TestHandler(h http.Handler, opt Options) error {
	if h == nil {
		return errors.New("klastest: the handler is nil")
	}
	return test(opt, func(Options) endpoint { return handler{h} })
}

// TestURL tests an endpoint where it runs: url is the whole URL,
// {WEBHOOK_URL}/authenticate. It is [TestHandler] without the cut-off body,
// since its answer could not be read. Everything in front of the endpoint is
// tested with it: a gateway refusing long bodies itself is a finding, and so is
// a redirect.
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
