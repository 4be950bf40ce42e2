package expiry_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/providerauth/providerauth-go/internal/expiry"
)

const day = 24 * time.Hour

var now = time.Date(2024, 3, 4, 11, 0, 0, 0, time.UTC)

func in(d time.Duration) time.Time { return now.Add(d) }

func deadlines(expires, exp time.Time) []expiry.Deadline {
	return []expiry.Deadline{{Name: "expires", At: expires}, {Name: "exp", At: exp}}
}

func TestLife_Expiry(t *testing.T) {
	type result struct {
		In      time.Duration
		Assumed bool
		Past    []string
		Err     error
	}
	for name, tc := range map[string]struct {
		life expiry.Life
		want result
	}{
		"one":                         {expiry.Life{Deadlines: deadlines(in(time.Hour), time.Time{})}, result{In: time.Hour}},
		"the earlier of two":          {expiry.Life{Deadlines: deadlines(in(2*time.Hour), in(time.Hour))}, result{In: time.Hour}},
		"a past one is ignored":       {expiry.Life{Deadlines: deadlines(in(-1), in(time.Hour))}, result{In: time.Hour, Past: []string{"expires"}}},
		"now is past":                 {expiry.Life{Deadlines: deadlines(now, in(time.Hour))}, result{In: time.Hour, Past: []string{"expires"}}},
		"year 1":                      {expiry.Life{Deadlines: deadlines(time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC), in(time.Hour))}, result{In: time.Hour, Past: []string{"expires"}}},
		"beyond ten years":            {expiry.Life{Deadlines: deadlines(time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), in(time.Hour))}, result{In: time.Hour, Past: []string{"expires"}}},
		"all past, but with iat":      {expiry.Life{Deadlines: deadlines(in(-29*day), in(-30*day)), Issued: in(-31 * day)}, result{In: day, Past: []string{"expires", "exp"}}},
		"all past, iat after":         {expiry.Life{Deadlines: deadlines(in(-30*day), time.Time{}), Issued: in(-day)}, result{Past: []string{"expires"}, Err: expiry.ErrNoLife}},
		"all past, no iat":            {expiry.Life{Deadlines: deadlines(in(-30*day), time.Time{})}, result{Past: []string{"expires"}, Err: expiry.ErrNoLife}},
		"none, assumed":               {expiry.Life{Assumed: day}, result{In: day, Assumed: true}},
		"all past, assumed":           {expiry.Life{Deadlines: deadlines(in(-1), in(-1)), Assumed: day}, result{In: day, Assumed: true, Past: []string{"expires", "exp"}}},
		"none":                        {expiry.Life{}, result{Err: expiry.ErrNoLife}},
		"the provider's limit":        {expiry.Life{Deadlines: deadlines(time.Time{}, in(365*day)), Longest: day}, result{In: day}},
		"below that limit":            {expiry.Life{Deadlines: deadlines(time.Time{}, in(time.Hour)), Longest: day}, result{In: time.Hour}},
		"the limit of an assumed one": {expiry.Life{Assumed: 2 * day, Longest: day}, result{In: day, Assumed: true}},
	} {
		t.Run(name, func(t *testing.T) {
			at, assumed, past, err := tc.life.Expiry(expiry.Timing{Received: now})
			got := result{Assumed: assumed, Past: past, Err: err}
			if err == nil {
				got.In = at.Sub(now)
			}
			if d := cmp.Diff(tc.want, got, cmp.Comparer(func(a, b error) bool { return errors.Is(a, b) })); d != "" {
				t.Error(d)
			}
		})
	}
}

// now is the time of this machine; the provider's deadline, Date and iat are by its
// own clock, and the Date of an edge cache by a third.
func TestLife_Expiry_wrongClocks(t *testing.T) {
	const m = time.Minute
	var none time.Time
	for name, tc := range map[string]struct {
		exp, date, iat time.Time
		want           time.Duration
	}{
		"all clocks are right":                  {in(30 * m), now, none, 30 * m},
		"ours is an hour fast":                  {in(-30 * m), in(-60 * m), none, 30 * m},
		"ours is an hour slow":                  {in(90 * m), in(60 * m), none, 30 * m},
		"an edge cache's is an hour fast":       {in(30 * m), in(60 * m), none, 30 * m},
		"an edge cache's is two hours slow":     {in(30 * m), in(-120 * m), none, 30 * m},
		"ours is an hour fast, iat and no Date": {in(-30 * m), none, in(-60 * m), 30 * m},
		"ours is slow, Date and iat":            {in(90 * m), in(60 * m), in(60 * m), 30 * m},
		"the token is not new":                  {in(10 * m), now, in(-20 * m), 10 * m},
		"it says nothing":                       {in(-30 * m), none, none, 0},
	} {
		t.Run(name, func(t *testing.T) {
			life := expiry.Life{Deadlines: deadlines(tc.exp, none), Issued: tc.iat}
			at, _, _, err := life.Expiry(expiry.Timing{Received: now, Date: tc.date})
			if tc.want == 0 {
				if !errors.Is(err, expiry.ErrNoLife) {
					t.Errorf("%v, want ErrNoLife", err)
				}
				return
			}
			if got := at.Sub(now); err != nil || got != tc.want {
				t.Errorf("%v, %v, want %v", got, err, tc.want)
			}
		})
	}
}

func TestLife_Expiry_receipt(t *testing.T) {
	received := time.Now()
	life := expiry.Life{Deadlines: deadlines(received.Round(0).Add(time.Hour), time.Time{})}
	at, _, _, err := life.Expiry(expiry.Timing{Sent: received.Add(-5 * time.Second), Received: received})
	if err != nil || at != received.Add(time.Hour) { // compares the monotonic readings too
		t.Errorf("%v, %v, want an hour from receipt, by both clocks", at, err)
	}
}
