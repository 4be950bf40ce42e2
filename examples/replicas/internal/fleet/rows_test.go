package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/examples/replicas/internal/stage"
)

func creations(further, mostFurther, overlapping int) stage.Verdict {
	return stage.Verdict{Creations: stage.Creations{Further: further, MostFurther: mostFurther, Overlapping: overlapping}}
}

func TestLimits(t *testing.T) {
	failed := func(kind string) stage.Failures { return stage.Failures{kind: 3} }
	before := []result{{row: &row{name: "another"}}, {row: &row{name: withoutWriteBack}, verdict: creations(101, 1, 0)}}
	for name, tc := range map[string]struct {
		limit limit
		r     result
		want  string
	}{
		"an event":                         {happened, result{events: 1}, ""},
		"no event":                         {happened, result{}, "nothing happened to the fleet"},
		"no failure":                       {noFailures, result{failedVictims: failed("ambiguous")}, ""},
		"a failure":                        {noFailures, result{failed: failed("ambiguous")}, "failed calls: 3 ambiguous"},
		"failures for want of the store":   {onlyUnavailable, result{failed: failed(stage.Unavailable)}, ""},
		"another failure":                  {onlyUnavailable, result{failed: failed("contested")}, "failed calls: 3 contested"},
		"failures in spite of a token":     {onlyUnavailable, result{failed: failed(needless)}, "failed calls: 3 " + needless},
		"nothing further":                  {further(0), result{}, ""},
		"something further":                {further(0), result{verdict: creations(1, 1, 0)}, "1 further creations, at most 0 may be"},
		"two per event":                    {furtherPerEvent(2), result{events: 3, verdict: creations(6, 6, 0)}, ""},
		"more than two per event":          {furtherPerEvent(2), result{events: 3, verdict: creations(7, 1, 0)}, "7 further creations, at most 6 may be"},
		"two per lease":                    {furtherPerLease, result{events: 1, stats: providerauth.Stats{Takeovers: 3}, verdict: creations(6, 6, 0)}, ""},
		"two per event without a takeover": {furtherPerLease, result{events: 1, verdict: creations(2, 1, 0)}, ""},
		"more than two per lease":          {furtherPerLease, result{events: 1, stats: providerauth.Stats{Takeovers: 3}, verdict: creations(7, 1, 0)}, "7 further creations, at most 6 may be"},
		"one per player":                   {furtherPerPlayer, result{verdict: creations(100, 1, 0)}, ""},
		"two of a player":                  {furtherPerPlayer, result{verdict: creations(100, 2, 0)}, "2 further creations of a player, at most 1 may be"},
		"at once":                          {notAtOnce, result{verdict: creations(0, 0, 1)}, "1 creations of one player at once, at most 0 may be"},
		"adopted":                          {adopts, result{stats: providerauth.Stats{Adopted: 1}}, ""},
		"not adopted":                      {adopts, result{}, "no token was adopted from another process"},
		"three leases taken over":          {takeovers, result{stats: providerauth.Stats{Takeovers: 3}}, ""},
		"two leases taken over":            {takeovers, result{stats: providerauth.Stats{Takeovers: 2}}, "2 leases were taken over, at least 3 must be"},
		"one in a short run":               {takeovers, result{short: true, stats: providerauth.Stats{Takeovers: 1}}, ""},
		"none in a short run":              {takeovers, result{short: true}, "0 leases were taken over, at least 1 must be"},
		"half with write-back":             {restored, result{stats: providerauth.Stats{Restored: 1}, verdict: creations(50, 1, 0)}, ""},
		"more than half with write-back":   {restored, result{stats: providerauth.Stats{Restored: 1}, verdict: creations(51, 1, 0)}, "51 further creations with write-back, at most 50 may be"},
		"nothing written back":             {restored, result{}, "nothing was written back"},
		"one login":                        {oneLogin, result{bank: &bankVerdict{Logins: 1, Refreshes: 5}}, ""},
		"two logins":                       {oneLogin, result{bank: &bankVerdict{Logins: 2, Refreshes: 5}}, "2 logins, 5 refreshes, 0 refresh tokens sent by two processes, 0 sent after their replacement was used"},
		"a refresh token of two processes": {oneLogin, result{bank: &bankVerdict{Logins: 1, Refreshes: 5, Shared: 1}}, "1 logins, 5 refreshes, 1 refresh tokens sent by two processes, 0 sent after their replacement was used"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tc.limit(tc.r, before); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
	t.Run("with write-back in the row to compare with", func(t *testing.T) {
		also := []result{{row: &row{name: withoutWriteBack}, stats: providerauth.Stats{Restored: 7}}}
		want := "7 records were written back in the row to compare with"
		if got := restored(result{stats: providerauth.Stats{Restored: 1}}, also); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
	t.Run("without the row to compare with", func(t *testing.T) {
		if got := restored(result{stats: providerauth.Stats{Restored: 1}, verdict: creations(51, 1, 0)}, before[:1]); got != "" {
			t.Error(got)
		}
	})
}

func TestRows(t *testing.T) {
	names := map[string]bool{}
	for _, row := range rows {
		if names[row.name] {
			t.Errorf("two rows are named %q", row.name)
		}
		names[row.name] = true
		if parts[row.provider] == nil || parts[row.worker] == nil {
			t.Errorf("%s: there is no process %s or %s", row.name, row.provider, row.worker)
		}
		if row.short > 15*time.Second {
			t.Errorf("%s: the short form takes %v", row.name, row.short)
		}
	}
}

func TestResult_stalled(t *testing.T) {
	r := result{row: &row{setting: setting{Attempt: 4 * time.Second, StoreTimeout: 2 * time.Second}}}
	for stall, want := range map[time.Duration]bool{0: false, time.Second: false, time.Second + 1: true} {
		r.stall = stall
		if r.stalled() != want {
			t.Errorf("%v: %t, want %t", stall, r.stalled(), want)
		}
	}
}

func TestGrants(t *testing.T) {
	g := grants{worker: map[string]string{}, shared: map[string]bool{}}
	for _, sent := range [][2]string{{"r1", "a"}, {"r2", "b"}, {"r1", "a"}, {"r2", "a"}, {"r2", "b"}} {
		g.sent(sent[0], sent[1])
	}
	if diff := cmp.Diff(map[string]bool{"r2": true}, g.shared); diff != "" {
		t.Error(diff)
	}
}

func TestShow(t *testing.T) {
	var b strings.Builder
	err := show(&b, []result{
		{row: &row{name: "a row"}, length: 15 * time.Second, calls: 1234, failed: stage.Failures{"contested": 2}, verdict: creations(7, 1, 0)},
		{row: &row{name: "a bank"}, length: 8 * time.Second, calls: 99, bank: &bankVerdict{Logins: 1, Refreshes: 4}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"a row | 15", "1234", "2 contested", "a bank: 8 s, 99 calls, failed 0, 0 rejected, 1 logins, 4 refreshes"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in\n%s", want, b.String())
		}
	}
}
