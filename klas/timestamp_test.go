package klas_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/providerauth/providerauth-go/klas"
)

func TestLargeTimestampsAreMilliseconds(t *testing.T) {
	for ts, expected := range map[klas.Timestamp]string{
		1710000000:    "2024-03-09T16:00:00Z",
		1586828615399: "2020-04-14T01:43:35.399Z",
		99999999999:   "5138-11-16T09:46:39Z",
		100000000000:  "1973-03-03T09:46:40Z",
		1:             "1970-01-01T00:00:01Z",
	} {
		if got := ts.Time().Format(time.RFC3339Nano); got != expected {
			t.Errorf("%d: %s, want %s", ts, got, expected)
		}
	}
}

func TestATimestampInJSONIsAWholeNumber(t *testing.T) {
	for in, expected := range map[string]klas.Timestamp{
		"1710000000": 1710000000, "1": 1, "9223372036854775807": math.MaxInt64,
		"0": 0, "-1": 0, `"1710000000"`: 0, "1.71e9": 0, "1e3": 0, "1.0": 0, "null": 0, "9223372036854775808": 0, "true": 0, "[]": 0,
	} {
		var ts klas.Timestamp
		err := json.Unmarshal([]byte(in), &ts)
		if (err == nil) != (expected != 0) || ts != expected {
			t.Errorf("%s: %d, %v", in, ts, err)
		}
	}
	b, err := json.Marshal(klas.AuthenticateRequest{RequestID: "r", Timestamp: 1710000000, SessionID: "s", PlayerID: "p"})
	if expected := `{"request_id":"r","timestamp":1710000000,"session_id":"s","player_id":"p"}`; err != nil || string(b) != expected {
		t.Errorf("%s, %v", b, err)
	}
}

func TestMaxAgeIsOffByDefault(t *testing.T) {
	h := newHook(t).AuthenticateHandler(accept(t))
	for _, ts := range []any{1, 1710000000, int64(math.MaxInt64)} {
		want(t, post(t, h, body(map[string]any{"timestamp": ts})), ok)
	}
}

func TestMaxAgeBoundsTheTimestampBothWays(t *testing.T) {
	bubble(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2026, 11, 23, 12, 0, 0, 500_000_000, time.UTC)))
		now := time.Now().Unix()
		results := newResults()
		hook := newHook(t, results.config, func(cfg *klas.Config) { cfg.MaxAge = time.Minute })
		h := hook.AuthenticateHandler(accept(t))
		for _, c := range []struct {
			timestamp int64
			want      string
		}{
			{now, ok},
			{now - 60, ok},
			{now + 60, ok},
			{now - 61, badParams},
			{now + 61, badParams},
			{now * 1000, ok},
			{(now - 60) * 1000, ok},
			{(now+60)*1000 + 999, ok},
			{(now-60)*1000 - 1, badParams},
			{(now + 61) * 1000, badParams},
			{1, badParams},
			{99_999_999_999, badParams},
			{100_000_000_000, badParams},
			{math.MaxInt64, badParams},
			{math.MaxInt64 / 1000, badParams},
			{now * 1_000_000, badParams},
		} {
			want(t, post(t, h, body(map[string]any{"timestamp": c.timestamp})), c.want)
			if r := <-results; (r.Err != nil) != (c.want != ok) || r.Err != nil && !strings.Contains(r.Err.Error(), "timestamp") {
				t.Errorf("%d: result %+v", c.timestamp, r)
			}
		}
		for _, bad := range []string{`"1710000000"`, "1e30", "-1"} {
			want(t, post(t, h, strings.Replace(compact, "1710000000", bad, 1)), badParams)
			<-results
		}
	})
}

func TestALargeMaxAgeDoesNotOverflow(t *testing.T) {
	hook := newHook(t, func(cfg *klas.Config) { cfg.MaxAge = math.MaxInt64 / time.Second * time.Second })
	h := hook.AuthenticateHandler(accept(t))
	for ts, expected := range map[string]string{
		fmt.Sprint(time.Now().Unix()): ok, "1": ok, fmt.Sprint(int64(math.MaxInt64)): badParams,
	} {
		want(t, post(t, h, strings.Replace(compact, "1710000000", ts, 1)), expected)
	}
}
