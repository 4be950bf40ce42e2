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
	"io"
	"net/http"
	"net/http/httptest"
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
	// Client sends the webhooks of TestURL. Optional, default one of its own
	// that gives up after 30 s.
	Client *http.Client
}

// TestHandler tests an endpoint, which is h itself, whatever path it is mounted
// at. The error joins one error for each finding,
// which names the case, such as "duplicate signature"; it is nil if there is
// nothing to find.
//
// It calls h.ServeHTTP some hundred times, also concurrently, with the time of
// now and a different request_id each time, so that an endpoint that checks the
// one or remembers the other passes.
func TestHandler(h http.Handler, opt Options) error {
	if h == nil {
		return errors.New("klastest: the handler is nil")
	}
	return test(opt, func(r *http.Request) (*answer, error) { return serve(h, r) }, true)
}

// TestURL tests an endpoint where it runs: url is the whole of it,
// {WEBHOOK_URL}/authenticate. It is [TestHandler] but for the body that is cut
// off, to which no answer could be read. What stands before the endpoint is
// tested with it: a gateway that refuses long bodies itself is a finding.
func TestURL(ctx context.Context, url string, opt Options) error {
	client := opt.Client
	if client == nil {
		client = &http.Client{Timeout: 30 * time.Second}
	}
	if ctx == nil {
		return errors.New("klastest: the context is nil")
	}
	target, err := http.NewRequestWithContext(ctx, http.MethodPost, url, nil)
	if err != nil {
		return fmt.Errorf("klastest: %w", err)
	}
	return test(opt, func(r *http.Request) (*answer, error) {
		r = r.WithContext(ctx)
		r.URL, r.Host = target.URL, ""
		r.Header.Set("Accept-Encoding", "identity")
		resp, err := client.Do(r)
		if err != nil {
			return nil, err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(io.LimitReader(resp.Body, 4<<20))
		if err != nil {
			return nil, err
		}
		return &answer{resp.StatusCode, resp.Header, body}, nil
	}, false)
}

// serve calls the handler as a server would.
func serve(h http.Handler, r *http.Request) (a *answer, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("the handler panicked: %v", v)
		}
	}()
	r.RequestURI, r.RemoteAddr = r.URL.RequestURI(), "192.0.2.1:1234"
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	resp := w.Result()
	return &answer{resp.StatusCode, resp.Header, w.Body.Bytes()}, nil
}

func test(opt Options, do func(*http.Request) (*answer, error), whole bool) error {
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
	s := &suite{opt: opt, do: do, known: map[[2]string]bool{}}
	s.accepts()
	s.refusesForgeries()
	s.refusesBodies()
	s.refusesFields()
	s.refusesAnswers()
	if whole {
		s.cutOff()
	}
	s.oversized()
	s.methods()
	s.rotation()
	s.concurrency()
	return errors.Join(s.findings...)
}
