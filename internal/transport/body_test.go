package transport_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/apierror"
	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/internal/transport"
)

func TestBodyIsCompactJSONWithoutHTMLEscapesAndNewline(t *testing.T) {
	var bodies []string
	c := client(t, recorder(&bodies, 200), nil)
	call := post(transport.Safe)
	call.In = map[string]any{"a": "x<&>y", "b": json.RawMessage("{ \"c\" : 1 }")}
	if _, err := c.Do(t.Context(), call); err != nil {
		t.Fatal(err)
	}
	testkit.Equal(t, "bodies", bodies, []string{`{"a":"x<&>y","b":{"c":1}}`})
}

func TestCallWithoutInputHasNoBodyAndNoContentType(t *testing.T) {
	c := client(t, testkit.RoundTrip(func(r *http.Request) (*http.Response, error) {
		if r.Body != nil || r.ContentLength != 0 || r.Header["Content-Type"] != nil {
			t.Errorf("body %v, length %d, header %v", r.Body, r.ContentLength, r.Header)
		}
		return answer(200, "{}"), nil
	}), nil)
	if _, err := c.Do(t.Context(), transport.Call{Op: "Balance", Method: "GET", Path: "/balance"}); err != nil {
		t.Fatal(err)
	}
}

func TestBodyOfExactlyTheCapIsAccepted(t *testing.T) {
	for length, ok := range map[int]bool{1 << 20: true, 1<<20 + 1: false} {
		for _, announced := range []int64{int64(length), -1} {
			c := client(t, testkit.RoundTrip(func(*http.Request) (*http.Response, error) {
				resp := answer(200, strings.Repeat("x", length))
				resp.ContentLength = announced
				return resp, nil
			}), nil)
			resp, err := c.Do(t.Context(), post(transport.Safe))
			if ok && (err != nil || len(resp.Body) != length) || !ok && !errors.Is(err, providerauth.ErrBadResponse) {
				t.Errorf("%d bytes, announced as %d: %v", length, announced, err)
			}
			if !ok && len(failure(t, err).Body) != 16<<10 {
				t.Errorf("%d bytes in the error", len(failure(t, err).Body))
			}
		}
	}
}

func TestBodyInAnErrorEndsAfter16KiB(t *testing.T) {
	for length, want := range map[int]int{100: 100, 16 << 10: 16 << 10, 16<<10 + 1: 16 << 10, 4 << 20: 16 << 10} {
		c := client(t, testkit.RoundTrip(func(*http.Request) (*http.Response, error) { return answer(400, strings.Repeat("x", length)), nil }), nil)
		_, err := c.Do(t.Context(), post(transport.Safe))
		if e := failure(t, err); e.Status != 400 || len(e.Body) != want {
			t.Errorf("%d bytes of %d, want %d", len(e.Body), length, want)
		}
	}
}

func TestRefusalUnderASuccessIsInTheErrorAsAWhole(t *testing.T) {
	c := client(t, testkit.RoundTrip(func(*http.Request) (*http.Response, error) { return answer(200, strings.Repeat("x", 100_000)), nil }), nil)
	call := post(transport.Rotating)
	call.Reader = reader(func(int, []byte) apierror.Class { return apierror.Refused })
	_, err := c.Do(t.Context(), call)
	if e := failure(t, err); len(e.Body) != 100_000 {
		t.Errorf("%d bytes", len(e.Body))
	}
}

func TestHugeBodiesCostLittleMoreThanTheCap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bomb := gzipBomb()
		for name, write := range map[string]func(http.ResponseWriter){
			"70 MB": func(rw http.ResponseWriter) { _, _ = io.CopyN(rw, zeros{}, 70<<20) },
			"70 MB announced": func(rw http.ResponseWriter) {
				rw.Header().Set("Content-Length", fmt.Sprint(70<<20))
				_, _ = io.CopyN(rw, zeros{}, 70<<20)
			},
			"gzip bomb":       func(rw http.ResponseWriter) { rw.Header().Set("Content-Encoding", "gzip"); _, _ = rw.Write(bomb) },
			"70 MB after 500": func(rw http.ResponseWriter) { rw.WriteHeader(500); _, _ = io.CopyN(rw, zeros{}, 70<<20) },
		} {
			w := newWire()
			c := client(t, w.serve(t, func(rw http.ResponseWriter, _ *http.Request) { write(rw) }),
				func(cfg *transport.Config) { cfg.MaxAttempts = 1 })
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := c.Do(t.Context(), post(transport.Safe))
			runtime.ReadMemStats(&after)
			if err == nil {
				t.Errorf("%s: no error", name)
			}
			if n := after.TotalAlloc - before.TotalAlloc; n > 3<<20 {
				t.Errorf("%s: %d KiB allocated, server included", name, n>>10)
			}
		}
	})
}

// A quoter fails with what it was given.
type quoter struct{}

func (quoter) UnmarshalJSON(b []byte) error { return quoted{string(b)} }

type quoted struct{ text string }

func (q quoted) Error() string { return q.text }

func TestUnmarshalShowsNothingOfTheBody(t *testing.T) {
	var out struct {
		Token   string    `json:"token"`
		Count   int       `json:"count"`
		Expires time.Time `json:"expires"`
		Limits  map[string]int
		Quoter  *quoter
	}
	for body, want := range map[string]string{
		``:                             "the body is empty",
		" \n":                          "the body is empty",
		`<html>hunter2`:                "the body is not JSON (byte 1 of 13)",
		`{"token":"hunter2"`:           "the body is not JSON (byte 18 of 18)",
		`{"token":"x"} hunter2`:        "the body is not JSON (byte 15 of 21)",
		`{"token":12345}`:              "field token of the body has another type",
		`{"token":"x","count":1234.5}`: "field count of the body has another type",
		`{"Limits":{"hunter2":"x"}}`:   "field Limits of the body has another type",
		`{"Quoter":"hunter2"}`:         "a field of the body cannot be read",
		`["hunter2"]`:                  "the body has another type",
		`{"expires":"hunter2"}`:        "a field of the body cannot be read",
	} {
		err := transport.Unmarshal([]byte(body), &out)
		if err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", body, err, want)
		}
		if text := fmt.Sprintf("%v %+v %#v %q", err, err, err, err); strings.Contains(text, "hunter2") {
			t.Errorf("%s: printed as %s", body, text)
		}
	}
	if err := transport.Unmarshal([]byte(` {"token":"t"} `), &out); err != nil || out.Token != "t" {
		t.Errorf("%v, %+v", err, out)
	}
}

// A test does not time: encoding/json of Go 1.27 takes minutes for this, and the
// run would end.
func TestMistypedFieldsUnderALongKeyAreNotWrittenDownOneByOne(t *testing.T) {
	body := `{"` + strings.Repeat("k", 500_000) + `":[` + strings.Repeat(`"x",`, 130_000) + `"x"]}`
	for _, out := range []any{new(map[string][]int), new(map[string]map[string]string)} {
		if err := transport.Unmarshal([]byte(body), out); err == nil || err.Error() != "the body has another type" {
			t.Errorf("%T: %.100v", out, err)
		}
	}
}

func TestAnswerWithoutABodyIsAnEmptyOne(t *testing.T) {
	for _, code := range []int{204, 404} {
		c := client(t, testkit.RoundTrip(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: code}, nil
		}), nil)
		resp, err := c.Do(t.Context(), post(transport.Safe))
		if code == 204 && (err != nil || len(resp.Body) != 0) || code == 404 && failure(t, err).Status != 404 {
			t.Errorf("%d: %v", code, err)
		}
	}
}

func TestAnswerThatBrokeOffSaysSo(t *testing.T) {
	c := client(t, testkit.RoundTrip(func(*http.Request) (*http.Response, error) {
		resp := answer(200, "")
		resp.Body = io.NopCloser(io.MultiReader(strings.NewReader("{"), broken{}))
		return resp, nil
	}), nil)
	_, err := c.Do(t.Context(), post(transport.Rotating))
	const want = "the answer (status 200) broke off: the connection was closed"
	if err == nil || err.Error() != want || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v, want %s", err, want)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

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
		testkit.Equal(t, "bodies", bodies, []string{`{"n":1}`, `{"n":1}`, `{"n":1}`})
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
		testkit.Equal(t, "bodies", bodies, []string{`{"to":"alice"}`, `{"to":"alice"}`, `{"to":"alice"}`})
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
		testkit.Equal(t, "lengths", lengths, []int64{want, want, want})
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
