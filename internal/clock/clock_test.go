package clock_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/providerauth/providerauth-go/internal/clock"
)

func date(at time.Time) http.Header {
	return http.Header{"Date": {at.UTC().Format(http.TimeFormat)}}
}

func TestClockIsCorrectedByQuickAnswersOnly(t *testing.T) {
	for name, tc := range map[string]struct {
		ahead, took time.Duration
		header      func(http.Header)
		corrected   bool
	}{
		"an hour ahead":                 {time.Hour, 100 * time.Millisecond, nil, true},
		"an hour behind":                {-time.Hour, 100 * time.Millisecond, nil, true},
		"one second ahead":              {time.Second, 0, nil, false},
		"slow answer":                   {time.Hour, 2 * time.Second, nil, false},
		"answer from before its asking": {time.Hour, -time.Second, nil, false},
		"cached answer":                 {time.Hour, 0, func(h http.Header) { h.Set("Age", "0") }, false},
		"no Date":                       {time.Hour, 0, func(h http.Header) { h.Del("Date") }, false},
		"unreadable Date":               {time.Hour, 0, func(h http.Header) { h.Set("Date", "yesterday") }, false},
		"twenty years off":              {20 * 365 * 24 * time.Hour, 0, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(300 * time.Millisecond) // Date has whole seconds
				var c clock.Clock
				now := time.Now()
				h := date(now.Add(tc.ahead))
				if tc.header != nil {
					tc.header(h)
				}
				c.Observe(now.Add(-tc.took), now, h)
				want := time.Duration(0)
				if tc.corrected {
					want = tc.ahead
				}
				if off := c.Offset() - want; off.Abs() > time.Second {
					t.Errorf("offset %v, want %v within a second", c.Offset(), want)
				}
				if !tc.corrected && c.Offset() != 0 {
					t.Errorf("offset %v, want none", c.Offset())
				}
				if got := c.Local(c.Provider(now)); !got.Equal(now) {
					t.Errorf("there and back is %v, want %v", got, now)
				}
				if got := c.Now().Sub(now); got != c.Offset() {
					t.Errorf("Now is %v ahead, want %v", got, c.Offset())
				}
			})
		})
	}
}

func TestAnswerThatAgreesEndsTheCorrection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c clock.Clock
		now := time.Now()
		c.Observe(now, now, date(now.Add(time.Hour)))
		if c.Offset() == 0 {
			t.Fatal("not corrected")
		}
		c.Observe(now, now, date(now))
		if c.Offset() != 0 {
			t.Errorf("offset %v, want none", c.Offset())
		}
	})
}
