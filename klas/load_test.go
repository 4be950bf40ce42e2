package klas_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/klas"
)

// tally counts how often the operator's code was asked about a request_id.
type tally struct{ times sync.Map }

func (c *tally) add(id string) {
	n, _ := c.times.LoadOrStore(id, new(atomic.Int32))
	n.(*atomic.Int32).Add(1)
}

// deliver posts a body with a signature and returns the answer and its own.
func deliver(client *http.Client, url, body, signature string) (answer, signed string, err error) {
	r, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return "", "", err
	}
	r.Header.Set("X-Signature", signature)
	resp, err := client.Do(r)
	if err != nil {
		return "", "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), resp.Header.Get("X-Signature"), err
}

func TestWebhook_load(t *testing.T) {
	t.Run("with one request in ten forged or reflected, only good ones are let in", func(t *testing.T) {
		const senders, each = 8, 500
		var asked tally
		hook := newHook(t)
		thirty := testkit.ParseAmount(t, "30")
		mux := http.NewServeMux()
		mux.Handle("/authenticate", hook.AuthenticateHandler(klas.AuthenticatorFunc(
			func(_ context.Context, req klas.AuthenticateRequest) (klas.AuthenticateResponse, error) {
				asked.add(req.RequestID)
				return klas.AuthenticateResponse{Currency: "EUR", Balance: thirty}, nil
			})))
		mux.Handle("/bet", hook.Middleware(handler(func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			_, id, _ := strings.Cut(string(b), `"request_id":"`)
			id, _, _ = strings.Cut(id, `"`)
			asked.add(id)
			// The answer repeats the request's members.
			_, _ = io.WriteString(w, strings.TrimSuffix(string(b), "}")+`,"status_code":"OK"}`)
		})))
		srv := httptest.NewServer(mux)
		defer srv.Close()
		client := srv.Client()
		client.Transport.(*http.Transport).MaxIdleConnsPerHost = senders

		var good, answered, hostile atomic.Int32
		var all sync.WaitGroup
		for s := range senders {
			all.Go(func() {
				type answer struct{ body, signature string }
				earlier := []answer{}
				post := func(path, body, signature string) string {
					got, signed, err := deliver(client, srv.URL+path, body, signature)
					if err != nil || signed != sign(secret, got) {
						t.Errorf("%s: answer %s signed %q, %v", path, got, signed, err)
					}
					earlier = append(earlier, answer{got, signed})
					return got
				}
				post("/authenticate", "junk", "")
				post("/bet", "{}", sign(secret, "{}"))
				for i := range each {
					path, id := "/authenticate", fmt.Sprintf("%d-%d", s, i)
					if i%2 == 1 {
						path = "/bet"
					}
					switch {
					case i%20 == 9:
						hostile.Add(1)
						b := body(map[string]any{"request_id": "forged-" + id})
						want(t, post(path, b, sign("forger", b)), integrityFailed)
					case i%20 == 18:
						hostile.Add(1)
						back := earlier[(i*7)%len(earlier)]
						if i%40 == 18 {
							path = "/bet"
						}
						want(t, post(path, back.body, back.signature), badParams)
					default:
						good.Add(1)
						b := body(map[string]any{"request_id": id})
						if got := post(path, b, sign(secret, b)); strings.Contains(got, `"status_code":"OK"`) {
							answered.Add(1)
						}
					}
				}
			})
		}
		all.Wait()

		// A reflected body repeats the id of a good one.
		var letIn, times int32
		asked.times.Range(func(id, n any) bool {
			times = n.(*atomic.Int32).Load()
			letIn += times - 1
			if strings.HasPrefix(id.(string), "forged-") || id == "" {
				letIn++
			}
			return true
		})
		if letIn != 0 || answered.Load() != good.Load() {
			t.Errorf("%d of %d forged or reflected requests were let in; %d of %d good ones were answered OK",
				letIn, hostile.Load(), answered.Load(), good.Load())
		}
		t.Logf("%d of %d forged or reflected requests let in; %d of %d good ones answered OK",
			letIn, hostile.Load(), answered.Load(), good.Load())
	})
}
