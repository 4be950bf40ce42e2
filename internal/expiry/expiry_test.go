package expiry_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/providerauth/providerauth-go/internal/expiry"
)

func TestLife_Expiry(t *testing.T) {
	now := time.Date(2024, 3, 4, 11, 0, 0, 0, time.UTC)
	in := func(d time.Duration) time.Time { return now.Add(d) }
	type result struct {
		In      time.Duration
		Assumed bool
		Ignored []string
		Err     error
	}
	const day = 24 * time.Hour
	deadlines := func(expires, exp time.Time) []expiry.Deadline {
		return []expiry.Deadline{{Name: "expires", At: expires}, {Name: "exp", At: exp}}
	}
	for name, tc := range map[string]struct {
		life expiry.Life
		want result
	}{
		"one":                    {expiry.Life{Deadlines: deadlines(in(time.Hour), time.Time{})}, result{In: time.Hour}},
		"the earlier of two":     {expiry.Life{Deadlines: deadlines(in(2*time.Hour), in(time.Hour))}, result{In: time.Hour}},
		"a past one is ignored":  {expiry.Life{Deadlines: deadlines(in(-1), in(time.Hour))}, result{In: time.Hour, Ignored: []string{"expires"}}},
		"now is past":            {expiry.Life{Deadlines: deadlines(now, in(time.Hour))}, result{In: time.Hour, Ignored: []string{"expires"}}},
		"year 1":                 {expiry.Life{Deadlines: deadlines(time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC), in(time.Hour))}, result{In: time.Hour, Ignored: []string{"expires"}}},
		"beyond ten years":       {expiry.Life{Deadlines: deadlines(time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), in(time.Hour))}, result{In: time.Hour, Ignored: []string{"expires"}}},
		"all past, but with iat": {expiry.Life{Deadlines: deadlines(in(-30*day), in(-29*day)), Issued: in(-31 * day)}, result{In: day, Ignored: []string{"expires", "exp"}}},
		"all past, iat after":    {expiry.Life{Deadlines: deadlines(in(-30*day), time.Time{}), Issued: in(-day)}, result{Ignored: []string{"expires"}, Err: expiry.ErrNoLife}},
		"all past, no iat":       {expiry.Life{Deadlines: deadlines(in(-30*day), time.Time{})}, result{Ignored: []string{"expires"}, Err: expiry.ErrNoLife}},
		"none, assumed":          {expiry.Life{Assumed: day}, result{In: day, Assumed: true}},
		"all past, assumed":      {expiry.Life{Deadlines: deadlines(in(-1), in(-1)), Assumed: day}, result{In: day, Assumed: true, Ignored: []string{"expires", "exp"}}},
		"none":                   {expiry.Life{}, result{Err: expiry.ErrNoLife}},
		"the provider's limit":   {expiry.Life{Deadlines: deadlines(time.Time{}, in(365*day)), Longest: day}, result{In: day}},
		"below that limit":       {expiry.Life{Deadlines: deadlines(time.Time{}, in(time.Hour)), Longest: day}, result{In: time.Hour}},
	} {
		t.Run(name, func(t *testing.T) {
			at, assumed, ignored, err := tc.life.Expiry(now)
			got := result{Assumed: assumed, Ignored: ignored, Err: err}
			if err == nil {
				got.In = at.Sub(now)
			}
			if d := cmp.Diff(tc.want, got, cmp.Comparer(func(a, b error) bool { return errors.Is(a, b) })); d != "" {
				t.Error(d)
			}
		})
	}
}
