package transport_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/providerauth/providerauth-go/internal/testkit"
	"github.com/providerauth/providerauth-go/internal/transport"
)

// The library waits for any Retry-After, 19 digits overflow to a negative wait
// and so to none, a date in the year 2999 is a wait of 292 years.
func TestRetryAfterAboveTheLimitIsReturnedInsteadOfWaitedFor(t *testing.T) {
	for _, tt := range []struct {
		value string
		after time.Duration
	}{
		{"11", 11 * time.Second},
		{"9999999999", 1<<63 - 1},
		{"Sat, 01 Jan 2000 00:01:00 GMT", time.Minute}, // a bubble starts at midnight
		{"Tue, 01 Jan 2999 00:00:00 GMT", 1<<63 - 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			c := client(t, testkit.RoundTrip(func(*http.Request) (*http.Response, error) {
				return answer(503, "", "Retry-After", tt.value), nil
			}), nil)
			_, err := c.Do(t.Context(), post(transport.Safe))
			e := failure(t, err)
			if e.RetryAfter != tt.after || e.Attempts != 1 || time.Since(start) != 0 {
				t.Errorf("%s: RetryAfter %v after %d attempts in %v, want %v at once", tt.value, e.RetryAfter, e.Attempts, time.Since(start), tt.after)
			}
		})
	}
}

// See above; besides, the library reads the header on 429 and 503 only, takes
// 0 and past dates as no wait at all, and reads no date but RFC 1123's.
func TestRetryAfterWithinTheLimitIsNeverShortened(t *testing.T) {
	for _, value := range []string{"10", "Sat, 01 Jan 2000 00:00:10 GMT", "Saturday, 01-Jan-00 00:00:10 GMT", "Sat Jan  1 00:00:10 2000"} {
		for _, code := range []int{429, 500, 503} {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				c := client(t, testkit.RoundTrip(func(*http.Request) (*http.Response, error) {
					if time.Since(start) == 0 {
						return answer(code, "", "Retry-After", value), nil
					}
					return answer(200, "{}"), nil
				}), nil)
				if _, err := c.Do(t.Context(), post(transport.Safe)); err != nil || time.Since(start) != 10*time.Second {
					t.Errorf("%d, %s: came back after %v (%v)", code, value, time.Since(start), err)
				}
			})
		}
	}
}

func TestRetryAfterThatCannotBeReadIsNone(t *testing.T) {
	for _, value := range []string{"", "-1", "+1", "1.5", "1e3", "soon", "99999999999", "9223372036854775807"} {
		c := client(t, testkit.RoundTrip(func(*http.Request) (*http.Response, error) {
			return answer(429, "", "Retry-After", value), nil
		}), nil)
		_, err := c.Do(t.Context(), post(transport.Safe))
		if e := failure(t, err); e.RetryAfter != 0 || e.Attempts != 1 {
			t.Errorf("%q: RetryAfter %v after %d attempts", value, e.RetryAfter, e.Attempts)
		}
	}
}

func TestRetryAfterDateIsJudgedByTheDateOfTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := client(t, testkit.RoundTrip(func(*http.Request) (*http.Response, error) {
			return answer(429, "", "Date", "Wed, 01 Jan 2025 00:00:00 GMT", "Retry-After", "Wed, 01 Jan 2025 00:00:30 GMT"), nil
		}), nil)
		_, err := c.Do(t.Context(), post(transport.Safe))
		if e := failure(t, err); e.RetryAfter != 30*time.Second {
			t.Errorf("RetryAfter %v, want 30s", e.RetryAfter)
		}
	})
}

func TestWaitsAreAnywhereBelowABoundThatDoubles(t *testing.T) {
	for attempts, bound := range map[int]time.Duration{
		1: 200 * time.Millisecond, 2: 400 * time.Millisecond, 5: 3200 * time.Millisecond, 6: 5 * time.Second, 100: 5 * time.Second,
	} {
		least, most := bound, time.Duration(0)
		for range 1000 {
			d := transport.Backoff(attempts)
			least, most = min(least, d), max(most, d)
		}
		if least < 0 || least > bound/10 || most > bound || most < bound*9/10 {
			t.Errorf("after %d attempts: from %v to %v, want all of 0 to %v", attempts, least, most, bound)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{"0", "120", "9999999999", "99999999999", "-1", "Fri, 31 Dec 1999 23:59:59 GMT", "Friday, 31-Dec-99 23:59:59 GMT", "Fri Dec 31 23:59:59 1999", "", " 1"} {
		f.Add(seed, int64(946684800))
	}
	f.Fuzz(func(t *testing.T, value string, now int64) {
		d, ok := transport.ParseRetryAfter(value, time.Unix(now, 0))
		digits := value != "" && strings.Trim(value, "0123456789") == ""
		date, err := http.ParseTime(value)
		switch {
		case d < 0:
			t.Errorf("%v is negative", d)
		case !ok && d != 0:
			t.Errorf("%v that is none", d)
		case ok != (digits && len(value) <= 10 || err == nil):
			t.Errorf("readable: %v", ok)
		case ok && err == nil && d > 0 && d != date.Sub(time.Unix(now, 0)):
			t.Errorf("%v, the date is %v away", d, date.Sub(time.Unix(now, 0)))
		}
	})
}

// The budget: 100 tokens, 10 a repeat, 5 where the provider said when.

func TestRepeatsStopWhenTheBudgetIsEmpty(t *testing.T) {
	for _, tt := range []struct {
		header []string
		want   int // of 40 calls of up to 3 attempts
	}{
		{nil, 40 + 10},
		{[]string{"Retry-After", "1"}, 40 + 20},
	} {
		synctest.Test(t, func(t *testing.T) {
			sent := 0
			logger, log := testkit.DebugLog()
			c := client(t, testkit.RoundTrip(func(*http.Request) (*http.Response, error) { sent++; return answer(503, "", tt.header...), nil }),
				func(cfg *transport.Config) {
					cfg.Logger = logger
				})
			for range 39 {
				_, _ = c.Do(t.Context(), post(transport.Safe))
			}
			start := time.Now()
			_, err := c.Do(t.Context(), post(transport.Safe))
			if e := failure(t, err); sent != tt.want || e.Status != 503 || e.Attempts != 1 || time.Since(start) != 0 {
				t.Errorf("sent %d, want %d; the last call: %v after %d attempts and %v", sent, tt.want, err, e.Attempts, time.Since(start))
			}
			if !strings.Contains(log.String(), "stopped_by=budget") {
				t.Error("no log line says why")
			}
		})
	}
}

func TestCallsOfAWorkingProviderNeverEmptyTheBudget(t *testing.T) {
	for name, end := range map[string]int{"success": 200, "refusal": 401} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := 0
				c := client(t, testkit.RoundTrip(func(*http.Request) (*http.Response, error) {
					if n++; n%3 != 0 {
						return answer(502, ""), nil
					}
					return answer(end, "{}"), nil
				}), nil)
				for range 50 {
					_, err := c.Do(t.Context(), post(transport.Safe))
					if end == 200 && err != nil || end != 200 && failure(t, err).Status != end {
						t.Fatal(err)
					}
				}
			})
		})
	}
}

func TestSuccessesFillAnEmptyBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down, sent := true, 0
		c := client(t, testkit.RoundTrip(func(*http.Request) (*http.Response, error) {
			sent++
			if down {
				return nil, io.EOF
			}
			return answer(200, "{}"), nil
		}), nil)
		outage := func() int {
			before := sent
			for range 20 {
				_, _ = c.Do(t.Context(), post(transport.Safe))
			}
			return sent - before - 20
		}
		if n := outage(); n != 10 {
			t.Errorf("%d repeats in the first outage, want 10", n)
		}
		down = false
		for range 35 {
			if _, err := c.Do(t.Context(), post(transport.Safe)); err != nil {
				t.Fatal(err)
			}
		}
		down = true
		if n := outage(); n != 3 {
			t.Errorf("%d repeats after 35 successes, want 3", n)
		}
		down = false
		for range 1000 {
			if _, err := c.Do(t.Context(), post(transport.Safe)); err != nil {
				t.Fatal(err)
			}
		}
		down = true
		if n := outage(); n != 10 {
			t.Errorf("%d repeats after many successes, want no more than 10", n)
		}
	})
}

func TestUnsentAttemptsCostTheBudgetToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sent := 0
		c := client(t, testkit.RoundTrip(func(*http.Request) (*http.Response, error) { sent++; return unsent() }), nil)
		for range 20 {
			_, _ = c.Do(t.Context(), post(transport.Rotating))
		}
		if sent != 20+10 {
			t.Errorf("%d attempts, want 30", sent)
		}
	})
}

func TestTokensThatComeBackNeverOverfillTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var status int
		c := client(t, testkit.RoundTrip(func(*http.Request) (*http.Response, error) { return answer(status, "", "Retry-After", "5"), nil }), nil)
		succeed := func(n int) {
			for range n {
				if _, err := c.Do(t.Context(), post(transport.Safe)); err != nil {
					t.Error(err)
				}
			}
		}
		status = 503
		go succeed(1) // after a repeat, most of which the others pay back before it comes
		synctest.Wait()
		status = 200
		succeed(3)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		succeed(30)
		status = 503
		repeats := 0
		for range 30 {
			_, err := c.Do(t.Context(), post(transport.Safe))
			repeats += failure(t, err).Attempts - 1
		}
		if repeats != 20 {
			t.Errorf("%d repeats of 5 tokens, want 20", repeats)
		}
	})
}
