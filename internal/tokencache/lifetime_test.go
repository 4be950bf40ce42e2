package tokencache_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/providerauth/providerauth-go/internal/tokencache"
)

func TestExpiryIsTheEarliestDeadlineThatCanBeTrue(t *testing.T) {
	now := time.Date(2024, 3, 4, 11, 0, 0, 0, time.UTC)
	in := func(d time.Duration) time.Time { return now.Add(d) }
	type result struct {
		In      time.Duration
		Assumed bool
		Ignored []string
		Err     error
	}
	const day = 24 * time.Hour
	deadlines := func(expires, exp time.Time) []tokencache.Deadline {
		return []tokencache.Deadline{{Name: "expires", At: expires}, {Name: "exp", At: exp}}
	}
	for name, tc := range map[string]struct {
		life tokencache.Life
		want result
	}{
		"one":                    {tokencache.Life{Deadlines: deadlines(in(time.Hour), time.Time{})}, result{In: time.Hour}},
		"the earlier of two":     {tokencache.Life{Deadlines: deadlines(in(2*time.Hour), in(time.Hour))}, result{In: time.Hour}},
		"a past one is ignored":  {tokencache.Life{Deadlines: deadlines(in(-1), in(time.Hour))}, result{In: time.Hour, Ignored: []string{"expires"}}},
		"now is past":            {tokencache.Life{Deadlines: deadlines(now, in(time.Hour))}, result{In: time.Hour, Ignored: []string{"expires"}}},
		"year 1":                 {tokencache.Life{Deadlines: deadlines(time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC), in(time.Hour))}, result{In: time.Hour, Ignored: []string{"expires"}}},
		"beyond ten years":       {tokencache.Life{Deadlines: deadlines(time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), in(time.Hour))}, result{In: time.Hour, Ignored: []string{"expires"}}},
		"all past, but with iat": {tokencache.Life{Deadlines: deadlines(in(-30*day), in(-29*day)), Issued: in(-31 * day)}, result{In: day, Ignored: []string{"expires", "exp"}}},
		"all past, iat after":    {tokencache.Life{Deadlines: deadlines(in(-30*day), time.Time{}), Issued: in(-day)}, result{Ignored: []string{"expires"}, Err: tokencache.ErrNoLife}},
		"all past, no iat":       {tokencache.Life{Deadlines: deadlines(in(-30*day), time.Time{})}, result{Ignored: []string{"expires"}, Err: tokencache.ErrNoLife}},
		"none, assumed":          {tokencache.Life{Assumed: day}, result{In: day, Assumed: true}},
		"all past, assumed":      {tokencache.Life{Deadlines: deadlines(in(-1), in(-1)), Assumed: day}, result{In: day, Assumed: true, Ignored: []string{"expires", "exp"}}},
		"none":                   {tokencache.Life{}, result{Err: tokencache.ErrNoLife}},
		"the provider's limit":   {tokencache.Life{Deadlines: deadlines(time.Time{}, in(365*day)), Longest: day}, result{In: day}},
		"below that limit":       {tokencache.Life{Deadlines: deadlines(time.Time{}, in(time.Hour)), Longest: day}, result{In: time.Hour}},
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

func TestRenewalAndMarginAreFractionsOfTheLifetime(t *testing.T) {
	const flight = 21 * time.Second
	for name, tc := range map[string]struct {
		mode                 tokencache.Mode
		life, before         time.Duration
		leadMin, leadMax     time.Duration // before the end
		marginMin, marginMax time.Duration
	}{
		"fifteen minutes":           {tokencache.Overlap, 15 * time.Minute, 0, 144 * time.Second, 216 * time.Second, 10 * time.Second, 10 * time.Second},
		"two seconds":               {tokencache.Overlap, 2 * time.Second, 0, 320 * time.Millisecond, 480 * time.Millisecond, 160 * time.Millisecond, 160 * time.Millisecond},
		"set":                       {tokencache.Overlap, time.Hour, 5 * time.Minute, 5 * time.Minute, 330 * time.Second, 10 * time.Second, 10 * time.Second},
		"set beyond half the life":  {tokencache.Overlap, time.Minute, 5 * time.Minute, 30 * time.Second, 33 * time.Second, 10 * time.Second, 10 * time.Second},
		"set to seconds":            {tokencache.Overlap, time.Hour, 4 * time.Second, 4 * time.Second, 4400 * time.Millisecond, 2 * time.Second, 2 * time.Second},
		"exclusive, a day":          {tokencache.Exclusive, 24 * time.Hour, 0, 5 * time.Minute, 330 * time.Second, 10 * time.Second, 10 * time.Second},
		"exclusive, half an hour":   {tokencache.Exclusive, 30 * time.Minute, 0, 90 * time.Second, 99 * time.Second, 10 * time.Second, 10 * time.Second},
		"exclusive, ten minutes":    {tokencache.Exclusive, 10 * time.Minute, 0, 63 * time.Second, 69300 * time.Millisecond, 10 * time.Second, 10 * time.Second},
		"exclusive, ten seconds":    {tokencache.Exclusive, 10 * time.Second, 0, 2500 * time.Millisecond, 2750 * time.Millisecond, 1250 * time.Millisecond, 1250 * time.Millisecond},
		"already over when it came": {tokencache.Overlap, 0, 0, 0, 0, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			seen := map[time.Duration]bool{}
			for range 100 {
				refresh, valid, expires := tokencache.Plan(tc.mode, tc.life, tc.before, flight)
				lead, margin := expires-refresh, expires-valid
				if lead < tc.leadMin || lead > tc.leadMax || margin < tc.marginMin || margin > tc.marginMax {
					t.Fatalf("renewed %v before the end and handed out until %v before it", lead, margin)
				}
				seen[lead] = true
			}
			if spread := len(seen) > 1; spread != (tc.leadMin != tc.leadMax) {
				t.Errorf("renewal is spread by chance: %v", spread)
			}
		})
	}
}

func TestTokenWhoseLifeIsOverWhenItComesIsStillHandedToThoseWhoWaited(t *testing.T) {
	eachMode(t, func(t *testing.T, mode tokencache.Mode) {
		p := newProvider()
		p.life = -time.Second
		c := open(t, p, mode)
		crowd(10, func(int) { equal(t, "token", get(t, c).value, "T1") })
		equal(t, "requests", p.requests(), 1)
	})
}
