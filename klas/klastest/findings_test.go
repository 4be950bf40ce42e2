package klastest_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/klas/klastest"
)

// cases returns the names of the cases that found something, each once.
func cases(err error) []string {
	names := []string{}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return names
	}
	seen := map[string]bool{}
	for _, finding := range joined.Unwrap() {
		name, _, _ := strings.Cut(strings.TrimPrefix(finding.Error(), "klastest: "), ": ")
		if !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	return names
}

// simulated runs TestHandler in simulated time.
func simulated(t *testing.T, h http.Handler, opt klastest.Options) (err error) {
	t.Helper()
	synctest.Test(t, func(*testing.T) { err = klastest.TestHandler(h, opt) })
	return err
}

func TestFinding(t *testing.T) {
	t.Run("an endpoint that ignores the case of names is found by nothing else", func(t *testing.T) {
		var want []string
		for _, n := range [][2]string{
			{"request_id", "Request_ID"}, {"timestamp", "Timestamp"}, {"session_id", "Session_ID"}, {"player_id", "Player_ID"},
		} {
			want = append(want, n[1]+" in place of "+n[0],
				"good "+n[0]+" before a bad "+n[1], "bad "+n[0]+" before a good "+n[1])
		}
		testkit.Equal(t, "cases", cases(simulated(t, &plain{fault: "names in any case"}, options)), want)
	})
	t.Run("says what was sent, what came and what is right", func(t *testing.T) {
		opt := options
		opt.SessionID = "session-0f1e2d3c"
		err := simulated(t, &plain{fault: "names in any case"}, opt)
		if err == nil {
			t.Fatal("nothing is found")
		}
		for _, part := range []string{
			`klastest: Player_ID in place of player_id: status_code is "OK", want "ERR_BAD_PARAMS"` + "\n\tsent: POST, signed with Options.Secret, ",
			`"session_id":"[Options.SessionID]","Player_ID":"12001"}`,
			"\n\tcame: HTTP 200 with X-Signature, 54 bytes `{\"currency\":\"EUR\",\"balance\":\"12.5\",\"status_code\":\"OK\"}`",
			"\n\tright: names in JSON are case-sensitive: Player_ID is an unknown field, which is ignored, and player_id alone decides",
		} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%q is not among the findings:\n%v", part, err)
			}
		}
	})
	t.Run("holds no secret", func(t *testing.T) {
		opt := klastest.Options{Secret: "secret-1a2b3c4d", PreviousSecret: "previous-5e6f7a8b", SessionID: "session-0f1e2d3c", HandlerTimeout: timeout}
		secrets := []string{opt.Secret, opt.PreviousSecret, opt.SessionID}
		for name, h := range map[string]http.HandlerFunc{
			"in a body": func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(w, http.MaxBytesReader(w, r.Body, 1<<20))
				_, _ = io.WriteString(w, strings.Join(secrets, " "))
			},
			"in a panic": func(http.ResponseWriter, *http.Request) { panic(strings.Join(secrets, " ")) },
		} {
			t.Run(name, func(t *testing.T) {
				err := simulated(t, h, opt)
				if err == nil {
					t.Fatal("nothing is found")
				}
				if leak := testkit.Leak(err.Error(), secrets...); leak != "" {
					t.Errorf("%q is among the findings", leak)
				}
			})
		}
	})
}

func TestReflectedAnswers(t *testing.T) {
	// Behind it any signed object is a webhook, if it has a status_code.
	reflecting := func(inner http.Handler) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err == nil && strings.HasPrefix(string(body), `{"status_code":"ERR_INTEGRITY_CHECK_FAILED"`) && r.Header.Get("X-Signature") == mac("current", body) {
				answer := `{"currency":"EUR","balance":"12.5","status_code":"OK"}`
				w.Header().Set("Content-Type", "application/json")
				w.Header().Set("X-Signature", mac("current", []byte(answer)))
				_, _ = io.WriteString(w, answer)
				return
			}
			r.Body = io.NopCloser(io.MultiReader(strings.NewReader(string(body)), failing{err}))
			inner.ServeHTTP(w, r)
		}
	}
	opt := options
	opt.HandlerTimeout = -1
	got := cases(simulated(t, reflecting(&plain{}), opt))
	testkit.Equal(t, "cases", got, []string{"answer to a forgery, sent back", "answer to junk, sent back"})
}

// failing ends with an error, or at the end of a body if that is nil.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	return 0, io.EOF
}

func TestStalledBody(t *testing.T) {
	const name = "body that stops before its end"
	// stalled lets only a body that stops reach h: a recorder has no deadlines.
	stalled := func(h http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if _, recorder := w.(*httptest.ResponseRecorder); recorder {
				(&plain{}).ServeHTTP(w, r)
				return
			}
			h(w, r)
		}
	}
	integrity := code("ERR_INTEGRITY_CHECK_FAILED")
	answer := func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Signature", mac("current", []byte(integrity)))
		w.Header().Set("Connection", "close")
		w.Header().Set("Content-Length", strconv.Itoa(len(integrity)))
		_, _ = io.WriteString(w, integrity)
	}
	for what, tc := range map[string]struct {
		h       http.HandlerFunc
		finding string // "" for none
	}{
		"an endpoint that waits for the rest is found": {func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			answer(w)
		}, "no answer within 2.5s\n"},
		"an endpoint that waits for ever is found": {func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			time.Sleep(time.Second)
		}, "no answer within 2.5s, and the connection stays open\n"},
		"an endpoint that answers and reads on is found": {func(w http.ResponseWriter, r *http.Request) {
			answer(w)
			_ = http.NewResponseController(w).Flush()
			_, _ = io.Copy(io.Discard, r.Body)
		}, "the handler has not returned within 2.5s\n"},
		"an endpoint that does not sign is found": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Connection", "close")
			_, _ = io.WriteString(w, integrity)
		}, "the answer is not signed\n"},
		"an endpoint that panics is found": {func(http.ResponseWriter, *http.Request) {
			panic("index out of range")
		}, "the handler panicked: index out of range\n"},
		"net/http waits for the rest after a panic, too": {func(http.ResponseWriter, *http.Request) {
			panic(http.ErrAbortHandler)
		}, "no answer within 2.5s, and the connection stays open\n"},
		"an answer without an end is found": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "100")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}, "no answer within 2.5s, and the connection stays open\n"},
		"an endpoint may close the connection": {func(w http.ResponseWriter, _ *http.Request) {
			if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
				c.Close()
			}
		}, ""},
		"an endpoint may answer 408": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Connection", "close")
			w.WriteHeader(http.StatusRequestTimeout)
		}, ""},
		"an endpoint may answer within the margin": {func(w http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(timeout + time.Second))
			_, _ = io.Copy(io.Discard, r.Body)
			answer(w)
		}, ""},
	} {
		t.Run(what, func(t *testing.T) {
			err := simulated(t, stalled(tc.h), options)
			if tc.finding == "" {
				testkit.Must(t, err)
				return
			}
			testkit.Equal(t, "cases", cases(err), []string{name})
			if err != nil && !strings.Contains(err.Error(), name+": "+tc.finding) {
				t.Errorf("%q is not among the findings:\n%v", tc.finding, err)
			}
		})
	}
	t.Run("a negative HandlerTimeout leaves it out", func(t *testing.T) {
		opt := options
		opt.HandlerTimeout = -1
		testkit.Must(t, simulated(t, &plain{fault: "no read deadline"}, opt))
	})
	t.Run("the default is 5 s and the margin", func(t *testing.T) {
		opt := options
		opt.HandlerTimeout = 0
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			err := klastest.TestHandler(&plain{fault: "no read deadline"}, opt)
			testkit.Equal(t, "cases", cases(err), []string{name})
			if took := time.Since(start); took < 7*time.Second || took > 8*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	})
}
