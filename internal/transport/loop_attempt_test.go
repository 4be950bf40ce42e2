package transport_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/apierror"
	"github.com/providerauth/providerauth-go/internal/header"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/internal/transport"
)

// More of what go-retryablehttp v0.7.8 does when left alone: with the bodies,
// headers and answers of single attempts.

// The library closes the body before it asks for the wait, so what stands in
// the body cannot have a say.
func TestEveryAnswerIsJudgedByItsBodyBeforeTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var sent, judged []time.Duration
		c := client(t, testkit.RoundTrip(func(*http.Request) (*http.Response, error) {
			sent = append(sent, time.Since(start))
			return answer(503, failureEnvelope, "Retry-After", "5"), nil
		}), nil)
		call := post(transport.Safe)
		call.Reader = reader(func(status int, body []byte) apierror.Class {
			judged = append(judged, time.Since(start))
			return classify(status, body)
		})
		_, err := c.Do(t.Context(), call)
		if diff := cmp.Diff(sent, judged); diff != "" || len(sent) != 3 || errors.Is(err, providerauth.ErrAmbiguous) {
			t.Errorf("sent at %v, judged at %v (%v)", sent, judged, err)
		}
	})
}

type countedJSON struct{ n *atomic.Int32 }

func (c countedJSON) MarshalJSON() ([]byte, error) {
	return []byte(fmt.Sprintf(`{"n":%d}`, c.n.Add(1))), nil
}

// The library reads any body but a few known types into memory, each time.
func TestBodyIsMarshalledOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int32
		var bodies []string
		c := client(t, recorder(&bodies, 503), nil)
		call := post(transport.Safe)
		call.In = countedJSON{&n}
		if _, err := c.Do(t.Context(), call); err == nil {
			t.Fatal("no error")
		}
		if diff := cmp.Diff([]string{`{"n":1}`, `{"n":1}`, `{"n":1}`}, bodies); diff != "" {
			t.Error(diff)
		}
	})
}

// The library aliases byte slices: changing them changes what is sent.
func TestChangingTheInputDuringTheCallChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := json.RawMessage(`{"to":"alice"}`)
		var bodies []string
		c := client(t, recorder(&bodies, 503), nil)
		call := post(transport.Safe)
		call.In = in
		call.Signer = signer(func(context.Context, *http.Request, []byte) error { copy(in, `{"to":"mallo"}`); return nil })
		if _, err := c.Do(t.Context(), call); err == nil {
			t.Fatal("no error")
		}
		if diff := cmp.Diff([]string{`{"to":"alice"}`, `{"to":"alice"}`, `{"to":"alice"}`}, bodies); diff != "" {
			t.Error(diff)
		}
	})
}

// recorder keeps the bodies it is sent.
func recorder(bodies *[]string, status int) testkit.RoundTrip {
	return func(r *http.Request) (*http.Response, error) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		*bodies = append(*bodies, string(b))
		return answer(status, ""), nil
	}
}

// The library computes Content-Length once, from the first of the readers it
// is given.
func TestEveryAttemptAnnouncesItsOwnLength(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		var lengths []int64
		c := client(t, w.serve(t, func(rw http.ResponseWriter, r *http.Request) {
			lengths = append(lengths, r.ContentLength)
			rw.WriteHeader(503)
		}), nil)
		if _, err := c.Do(t.Context(), post(transport.Safe)); err == nil {
			t.Fatal("no error")
		}
		want := int64(len(`{"id":1}`))
		if diff := cmp.Diff([]int64{want, want, want}, lengths); diff != "" {
			t.Error(diff)
		}
	})
}

// The library's PrepareRetry is not called for the first attempt, and sees the
// header map of the one before.
func TestEveryAttemptIsPreparedOnFreshHeaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent []http.Header
		c := client(t, testkit.RoundTrip(func(r *http.Request) (*http.Response, error) {
			sent = append(sent, r.Header)
			return answer(503, ""), nil
		}), nil)
		call := post(transport.Safe)
		n := 0
		call.Signer = signer(func(_ context.Context, r *http.Request, body []byte) error {
			if n++; len(r.Header) != 3 || string(body) != `{"id":1}` {
				t.Errorf("attempt %d starts with %v and %s", n, r.Header, body)
			}
			header.Set(r.Header, "timestamp", strconv.Itoa(n))
			header.Set(r.Header, "only-in-"+strconv.Itoa(n), "yes")
			return nil
		})
		if _, err := c.Do(t.Context(), call); err == nil {
			t.Fatal("no error")
		}
		want := func(n string) http.Header {
			return http.Header{
				"Accept": {"application/json"}, "Content-Type": {"application/json"}, "User-Agent": {"providerauth-go"},
				"timestamp": {n}, "only-in-" + n: {"yes"},
			}
		}
		if diff := cmp.Diff([]http.Header{want("1"), want("2"), want("3")}, sent); diff != "" {
			t.Error(diff)
		}
	})
}

func TestUndecodableAnswerIsNotAskedForAgain(t *testing.T) {
	sent := 0
	c := client(t, testkit.RoundTrip(func(*http.Request) (*http.Response, error) { sent++; return answer(200, "<html>"), nil }), nil)
	err := decoded(t.Context(), c, post(transport.Safe), new(map[string]any))
	e := failure(t, err)
	if sent != 1 || e.Attempts != 1 || !errors.Is(err, providerauth.ErrBadResponse) || !errors.Is(err, providerauth.ErrAmbiguous) || e.Status != 200 || string(e.Body) != "<html>" {
		t.Errorf("sent %d: %v", sent, err)
	}
}
